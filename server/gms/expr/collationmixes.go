package expr

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
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

// CollatedFunction is around what has a COLLATE: a number or a moment is its text there.
const CollatedFunction = "_collated"

// IllegalMix returns the error of an operation.
func IllegalMix(ctx *sql.Context, e sql.Expression, stored map[string]bool) error {
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
