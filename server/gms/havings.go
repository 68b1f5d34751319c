package gms

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// aggregateFunction is the function in the place of an aggregate in HAVING. The planner knows
// the columns of those by their names alone: of COUNT(b.id) beside another aggregate it does
// not find b.id, if an a before b has an id too. The argument is the aggregate's text; the
// aggregate itself stands where the planner collects it and does not resolve it again.
// argumentFunction is around each argument of the aggregate and gives it a text that is known
// before the planner makes its own.
const (
	aggregateFunction = "\x00aggregate"
	argumentFunction  = "\x00argument"
)

// havings puts aggregateFunction in the place of aggregates in HAVING, and havingVariable in that of variables, which the
// planner takes for columns there.
func havings(stmt ast.Statement) error {
	arguments := 0
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		s, ok := n.(*ast.Select)
		if !ok || s.Having == nil {
			return nil, true, nil
		}
		several := severalTables(s.From)
		return nil, true, replaceNodes(reflect.ValueOf(&s.Having.Expr), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			switch n := n.(type) {
			case *ast.Subquery:
				return nil, false, nil
			case *ast.ColName:
				if name, ok := strings.CutPrefix(n.Name.String(), "@"); ok && n.Qualifier.IsEmpty() && !strings.HasPrefix(name, "@") {
					return ast.InjectedExpr{Auth: open, Expression: havingVariable(name)}, false, nil
				}
			case *ast.FuncExpr:
				if !several {
					break
				}
				if named, text := namedArguments(n, &arguments); text != "" {
					to := call(aggregateFunction, ast.NewStrVal([]byte(text)))
					to.Over = &ast.Over{PartitionBy: ast.Exprs{named}}
					return to, false, nil
				}
			}
			return nil, true, nil
		})
	})
}

// havingVariable is the name of a user variable in HAVING.
type havingVariable string

// WithResolvedChildren implements ast.Injectable. It returns the variable with the type that it has in the session.
func (v havingVariable) WithResolvedChildren(ctx context.Context, _ []any) (any, error) {
	name := strings.Trim(string(v), "`'\"")
	sctx, ok := ctx.(*sql.Context)
	if !ok {
		return expression.NewUserVar(name), nil
	}
	typ, _, err := sctx.GetUserVariable(sctx, name)
	return expression.NewUserVarWithType(name, typ), err
}

// aggregateNames are the planner's names of aggregates.
var aggregateNames = map[string]string{
	"count": "count", "sum": "sum", "avg": "avg", "min": "min", "max": "max",
	"bit_and": "bit_and", "bit_or": "bit_or", "bit_xor": "bit_xor",
	"std": "std", "stddev": "stddev", "stddev_pop": "stddev_pop", "stddev_samp": "stddev_samp", "variance": "variance", "var_pop": "var_pop", "var_samp": "var_samp",
}

// namedArguments returns an aggregate, its arguments by argumentFunction, of which n have been
// named, and the planner's text of it, "" for others.
func namedArguments(f *ast.FuncExpr, n *int) (*ast.FuncExpr, string) {
	name := aggregateNames[f.Name.Lowered()]
	if name == "" || f.Over != nil {
		return nil, ""
	}
	named, texts := *f, []string{}
	named.Exprs = nil
	for _, e := range f.Exprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok { // COUNT(*)
			return nil, ""
		}
		*n++
		text := "\x00" + strconv.Itoa(*n)
		texts = append(texts, text)
		named.Exprs = append(named.Exprs, &ast.AliasedExpr{Expr: call(argumentFunction, ast.NewStrVal([]byte(text)), x.Expr)})
	}
	switch arguments := strings.Join(texts, " "); {
	case f.Distinct && name == "count":
		return &named, "countdistinct([" + arguments + "])"
	case f.Distinct:
		return &named, name + "(distinct " + arguments + ")"
	default:
		return &named, name + "(" + arguments + ")"
	}
}

// namedArgument is an argument of an aggregate in HAVING.
type namedArgument struct {
	expression.UnaryExpressionStub
	text string
}

var (
	_ sql.Expression         = (*namedArgument)(nil)
	_ sql.CollationCoercible = (*namedArgument)(nil)
)

func newNamedArgument(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 2 {
		if text, ok := args[0].(*expression.Literal); ok {
			if name, ok := text.Value().(string); ok {
				return &namedArgument{expression.UnaryExpressionStub{Child: args[1]}, name}, nil
			}
		}
	}
	return nil, sql.ErrFunctionNotFound.New("argument")
}

// Type implements sql.Expression.
func (e *namedArgument) Type(ctx *sql.Context) sql.Type { return e.Child.Type(ctx) }

// String implements sql.Expression.
func (e *namedArgument) String() string { return e.text }

// CollationCoercibility implements sql.CollationCoercible.
func (e *namedArgument) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, e.Child)
}

// Eval implements sql.Expression.
func (e *namedArgument) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	return e.Child.Eval(ctx, row)
}

// WithChildren implements sql.Expression.
func (e *namedArgument) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &namedArgument{expression.UnaryExpressionStub{Child: children[0]}, e.text}, nil
}

// aggregateReference returns what aggregateFunction is: a column of the GROUP BY below.
func aggregateReference(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 1 {
		if text, ok := args[0].(*expression.Literal); ok {
			if name, ok := text.Value().(string); ok {
				return expression.NewGetFieldWithTable(0, 0, types.Int64, "", "", name, true), nil
			}
		}
	}
	return nil, sql.ErrFunctionNotFound.New("aggregate")
}

// aggregatesRule is the analyzer's rule that gives aggregateReferences their types.
const aggregatesRule analyzer.RuleId = 1<<20 + 1

func typeAggregates(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
	_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		h, ok := n.(*plan.Having)
		if !ok {
			return n, transform.SameTree, nil
		}
		kinds := map[string]sql.Type{}
		transform.Inspect(h.Child, func(n sql.Node) bool {
			g, ok := n.(*plan.GroupBy)
			if ok {
				for _, e := range g.SelectDeps {
					kinds[strings.ToLower(plan.AliasSubqueryString(ctx, e))] = e.Type(ctx)
				}
			}
			return !ok
		})
		return transform.OneNodeExpressions(ctx, h, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			f, ok := e.(*expression.GetField)
			if !ok || f.Id() != 0 || f.Table() != "" {
				return e, transform.SameTree, nil
			}
			t, ok := kinds[f.Name()]
			if !ok {
				return e, transform.SameTree, nil
			}
			return expression.NewGetFieldWithTable(f.Index(), 0, t, "", "", f.Name(), true), transform.NewTree, nil
		})
	})
}
