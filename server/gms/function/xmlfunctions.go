package function

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// xmlFunctions are EXTRACTVALUE(document, path) and UPDATEXML(document, path, text).
var xmlFunctions = map[string]sql.Function{
	"extractvalue": xmlFunction(&expr.FunctionDef{Name: "extractvalue", Args: 2, EvalOf: extractValue}),
	"updatexml":    xmlFunction(&expr.FunctionDef{Name: "updatexml", Args: 3, EvalOf: updateXML}),
}

// xmlFunction returns a function whose path must not be of a row.
func xmlFunction(def *expr.FunctionDef) sql.Function {
	def.TypeOf = func(ctx *sql.Context, args []sql.Expression) sql.Type {
		return types.CreateLongText(comparing(ctx, args[:1]))
	}
	return sql.FunctionN{Name: def.Name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		f, err := def.Function().NewInstance(ctx, args)
		if err == nil && transform.InspectExpr(ctx, args[1], func(_ *sql.Context, e sql.Expression) bool { _, column := e.(*expression.GetField); return column }) {
			return nil, mysql.NewSQLError(1105, "HY000", "Only constant XPATH queries are supported")
		}
		return f, err
	}}
}

// evaluateXML returns the nodes of the document that the first argument is and what the path that the second is means in it; no nodes
// if one of the arguments is NULL, or if it is no document, which it warns of.
func evaluateXML(ctx *sql.Context, exprs []sql.Expression, args []any) ([]xmlNode, any, []string, error) {
	texts := make([]string, len(args))
	for i, a := range args {
		if a == nil {
			return nil, nil, nil, nil
		}
		var err error
		if texts[i], err = value.TextOf(ctx, a); err != nil {
			return nil, nil, nil, err
		}
	}
	nodes, fault := parseXML(texts[0])
	if fault != "" {
		if _, err := evaluateXPath(ctx, texts[1], []xmlNode{{}}, sql.Collation_binary); err != nil {
			return nil, nil, nil, err
		}
		ctx.Warn(1525, "Incorrect XML value: '%s'", fault)
		return nil, nil, nil, nil
	}
	found, err := evaluateXPath(ctx, texts[1], nodes, comparing(ctx, exprs[:2]))
	return nodes, found, texts, err
}

func extractValue(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	nodes, found, _, err := evaluateXML(ctx, exprs, args)
	if err != nil || nodes == nil || found == nil {
		return nil, err
	}
	x := xpath{ctx: ctx, nodes: nodes}
	return x.string(found), x.err
}

// updateXML puts a text in the place of the node that the path finds; a document in which it finds none, or several, stays.
func updateXML(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	nodes, found, texts, err := evaluateXML(ctx, exprs, args)
	if err != nil || nodes == nil {
		return nil, err
	}
	set, ok := found.([]xpathNode)
	if !ok {
		return nil, nil
	}
	if len(set) != 1 {
		return texts[0], nil
	}
	if set[0].number == 0 {
		return texts[2], nil
	}
	n := nodes[set[0].number]
	if n.kind == xmlTag {
		n.from, n.to = n.from-1, min(n.to+1, len(texts[0]))
	}
	return texts[0][:n.from] + texts[2] + texts[0][n.to:], nil
}
