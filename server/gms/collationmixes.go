package gms

import (
	"reflect"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// Coercibilities of operands that no other gives way to.
const (
	explicitCollation = 0 // of COLLATE
	implicitCollation = 2 // of a column
)

// mixingFunctions are the functions whose texts have one collation, and whether they compare them: others take columns of
// any.
var mixingFunctions = map[string]bool{
	"concat": false, "concat_ws": false, "coalesce": false, "ifnull": false, "greatest": true, "least": true, "strcmp": true, "replace": true,
	"find_in_set": true, "locate": true, "field": true, "substring_index": true,
}

// collatedIntroducers puts the COLLATE behind _utf8mb4'…' around it, in place: to the grammar it is within, which leaves
// it no more weight than the literal has, and the planner takes it out of the tree, which a prepared statement keeps.
// What it has around it must not be a literal of another character set than the connection's. What else has a COLLATE
// is put into collatedFunction.
func collatedIntroducers(stmt ast.Statement) error {
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if c, ok := n.(*ast.CollateExpr); ok {
			if v, ok := c.Expr.(*ast.SQLVal); !ok || v.Type != ast.StrVal {
				c.Expr = call(collatedFunction, c.Expr)
			}
			return nil, true, nil
		}
		u, ok := n.(*ast.UnaryExpr)
		if !ok {
			return nil, true, nil
		}
		charset, introducer := strings.CutPrefix(strings.ToLower(strings.TrimSpace(u.Operator)), "_")
		c, ok := u.Expr.(*ast.CollateExpr)
		if !ok || !introducer {
			return nil, true, nil
		}
		text := ast.Expr(&ast.UnaryExpr{Operator: u.Operator, Expr: c.Expr})
		if charset != "utf8mb4" {
			text = &ast.ConvertUsingExpr{Expr: text, Type: charset}
		}
		return &ast.CollateExpr{Expr: text, Collation: c.Collation}, false, nil
	})
}

// collatedFunction is around what has a COLLATE: a number or a moment is its text there.
const collatedFunction = "_collated"

func newCollatedText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); t != nil && (t == types.Null || types.IsNumber(t) || types.IsTime(t) || types.IsTimespan(t)) {
		return newCastText(ctx, expression.NewConvert(e, expression.ConvertToChar))
	}
	return e
}

// illegalMixes returns MySQL's error of the first operation in a plan whose texts have collations of which none applies.
func illegalMixes(ctx *sql.Context, n sql.Node) (err error) {
	stored := map[string]bool{} // the names of tables
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		if x, named := n.(sql.NameableNode); named && tableOf(n) != nil {
			stored[strings.ToLower(x.Name())] = true
		}
		return true
	})
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		x, ok := n.(sql.Expressioner)
		if !ok || err != nil {
			return err == nil
		}
		for _, e := range x.Expressions() {
			sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
				if err == nil {
					err = illegalMix(ctx, e, stored)
				}
				return err == nil
			})
		}
		return err == nil
	})
	return err
}

// illegalMix returns the error of an operation.
func illegalMix(ctx *sql.Context, e sql.Expression, stored map[string]bool) error {
	name, operands, compares := "", e.Children(), true
	switch x := e.(type) {
	case *expression.Not:
		if not, ok := x.Child.(*expression.Equals); ok {
			name, operands = "<>", not.Children()
		}
	case *nullIf:
		name, operands = "nullif", x.RightChild.Children()
	case *expression.Equals:
		name = "="
	case *expression.NullSafeEquals:
		name = "<=>"
	case *expression.LessThan:
		name = "<"
	case *expression.LessThanOrEqual:
		name = "<="
	case *expression.GreaterThan:
		name = ">"
	case *expression.GreaterThanOrEqual:
		name = ">="
	case *expression.Between:
		name = "between"
	case *expression.Like:
		name, operands = "like", operands[:2]
	case *expression.InTuple:
		if list, ok := x.Right().(expression.Tuple); ok {
			name, operands = " IN ", append([]sql.Expression{x.Left()}, list...)
		}
	case sql.FunctionExpression:
		f := strings.ToLower(x.FunctionName())
		if all, ok := mixingFunctions[f]; ok {
			if name, compares = f, all; f == "substring_index" {
				operands = operands[:2]
			}
		}
	}
	if name == "" {
		return nil
	}
	var collations []sql.CollationID
	var coercibilities []byte
	for _, o := range operands {
		if c, n, ok := ownCollation(ctx, o, stored); ok {
			collations, coercibilities = append(collations, c), append(coercibilities, n)
		}
	}
	for i, c := range collations {
		for j, d := range collations[:i] {
			if c == d || coercibilities[i] != coercibilities[j] || c.CharacterSet() != d.CharacterSet() {
				continue
			}
			if coercibilities[i] == implicitCollation && (!compares || overruled(coercibilities) || byBytes(c) || byBytes(d)) {
				continue
			}
			return errIllegalMix(ctx, name, operands)
		}
	}
	return nil
}

// overruled reports whether one of several operands has an explicit collation.
func overruled(coercibilities []byte) bool {
	for _, n := range coercibilities {
		if n == explicitCollation {
			return true
		}
	}
	return false
}

// byBytes reports whether a collation is the one of its character set that others give way to.
func byBytes(c sql.CollationID) bool {
	return strings.HasSuffix(c.Name(), "_bin") && c != sql.Collation_utf8mb4_0900_bin || c == sql.Collation_binary
}

// ownCollation returns the collation of an operand that has COLLATE, or is a column of a table; false of others.
func ownCollation(ctx *sql.Context, e sql.Expression, stored map[string]bool) (sql.CollationID, byte, bool) {
	if !e.Resolved() {
		return 0, 0, false
	}
	t, ok := e.Type(ctx).(sql.TypeWithCollation)
	if !ok || !types.IsTextOnly(e.Type(ctx)) {
		return 0, 0, false
	}
	switch x := e.(type) {
	case *expression.CollatedExpression:
		return t.Collation(), explicitCollation, true
	case *expression.GetField:
		return t.Collation(), implicitCollation, stored[strings.ToLower(x.Table())]
	}
	return 0, 0, false
}

// coercibilityNames are what errors call coercibilities.
var coercibilityNames = []string{"EXPLICIT", "NONE", "IMPLICIT", "SYSCONST", "COERCIBLE", "NUMERIC", "IGNORABLE"}

func errIllegalMix(ctx *sql.Context, operation string, operands []sql.Expression) error {
	mixed := make([]string, len(operands))
	for i, o := range operands {
		c, n := coercibilityOf(ctx, o)
		mixed[i] = "(" + c.Name() + "," + coercibilityNames[min(int(n), len(coercibilityNames)-1)] + ")"
	}
	switch len(operands) {
	case 2:
		return mysql.NewSQLError(1267, "HY000", "Illegal mix of collations %s and %s for operation '%s'", mixed[0], mixed[1], operation)
	case 3:
		return mysql.NewSQLError(1270, "HY000", "Illegal mix of collations %s, %s, %s for operation '%s'", mixed[0], mixed[1], mixed[2], operation)
	}
	return mysql.NewSQLError(1271, "HY000", "Illegal mix of collations for operation '%s'", operation)
}
