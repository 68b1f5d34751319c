package expr

import (
	"strings"
	"unicode"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// Coercibilities of operands.
const (
	explicitCollation  = 0 // of COLLATE
	noCollation        = 1 // of a text that is made of others, of which no collation applies
	implicitCollation  = 2 // of a column
	coercibleCollation = 4 // of a literal
)

// ColumnCollation returns the collation of a column and its coercibility, false if they are not known.
type ColumnCollation func(*expression.GetField) (sql.CollationID, byte, bool)

// mixingFunction is a function whose texts have one collation.
type mixingFunction struct {
	compares bool // others take columns of any
	of       func(args []sql.Expression) []sql.Expression
}

// mixingFunctions are the functions whose texts have one collation.
var mixingFunctions = map[string]mixingFunction{
	"concat": {false, every}, "concat_ws": {false, every}, "coalesce": {false, every}, "ifnull": {false, every}, "greatest": {true, every},
	"least": {true, every}, "strcmp": {true, every}, "replace": {true, every}, "find_in_set": {true, every}, "locate": {true, places(1, 0)},
	"field": {true, every}, "substring_index": {true, places(0, 1)}, "trim": {true, places(1, 0)},
	"regexp_like": {true, places(0, 1)}, "regexp_instr": {true, places(0, 1)}, "regexp_substr": {true, places(0, 1)},
	"regexp_replace": {true, places(0, 1)}, "insert": {false, places(0, 3)},
	"if": {false, places(1, 2)}, "elt": {false, behindFirst}, "make_set": {false, behindFirst}, "export_set": {false, places(1, 2, 3)},
}

func every(args []sql.Expression) []sql.Expression { return args }

func behindFirst(args []sql.Expression) []sql.Expression { return args[min(1, len(args)):] }

// places returns the arguments at places, those that there are.
func places(list ...int) func([]sql.Expression) []sql.Expression {
	return func(args []sql.Expression) (out []sql.Expression) {
		for _, at := range list {
			if at < len(args) {
				out = append(out, args[at])
			}
		}
		return out
	}
}

// CollatedFunction is around what has a COLLATE: a number or a moment is its text there.
const CollatedFunction = "_collated"

// IllegalMix returns the error of an operation, also of a LIKE whose ESCAPE is of a column. bound: literals may be parameters, which
// are converted to any character set.
func IllegalMix(ctx *sql.Context, e sql.Expression, columns ColumnCollation, bound bool) error {
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
		if x.Escape != nil && transform.InspectExpr(ctx, x.Escape, isColumn) {
			return mysql.NewSQLError(1210, "HY000", "Incorrect arguments to ESCAPE")
		}
		name, operands = "like", operands[:2]
	case *expression.InTuple:
		if list, ok := x.Right().(expression.Tuple); ok {
			name, operands = " IN ", append([]sql.Expression{x.Left()}, list...)
		}
	case *expression.HashInTuple:
		if list, ok := x.Right().(expression.Tuple); ok {
			name, operands = " IN ", append([]sql.Expression{x.Left()}, list...)
		}
	case *plan.InSubquery:
		name = "="
	case sql.FunctionExpression:
		if c, ok := x.(*typedCall); ok {
			if k, ok := c.FunctionExpression.(CaseCall); ok && k.Expr != nil {
				name, operands = "case", []sql.Expression{k.Expr}
				for _, b := range k.Branches {
					operands = append(operands, b.Cond)
				}
				break
			}
		}
		f := strings.ToLower(x.FunctionName())
		if m, ok := mixingFunctions[f]; ok {
			name, compares, operands = f, m.compares, m.of(operands)
		}
	}
	if name == "" {
		return nil
	}
	if len(operands) == 2 {
		left, ok := operands[0].(expression.Tuple)
		right, ok2 := operands[1].(expression.Tuple)
		if ok && ok2 && len(left) == len(right) {
			for i, l := range left {
				if err := illegalMix(ctx, name, []sql.Expression{l, right[i]}, true, columns, bound); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return illegalMix(ctx, name, operands, compares, columns, bound)
}

// isColumn reports whether an expression is a column.
func isColumn(_ *sql.Context, e sql.Expression) bool { _, is := e.(*expression.GetField); return is }

// illegalMix returns the error of an operation that has a name.
func illegalMix(ctx *sql.Context, name string, operands []sql.Expression, compares bool, columns ColumnCollation, bound bool) error {
	var known []sql.Expression
	others := false
	for _, o := range operands {
		if _, _, ok := OwnCollation(ctx, o, columns); ok {
			known = append(known, o)
		} else {
			others = others || types.IsText(o.Type(ctx))
		}
	}
	c, n, legal := mixed(ctx, known, columns)
	if len(known) < 2 || legal && (n != noCollation || !compares) && (others || bound || converts(ctx, known, c)) {
		return nil
	}
	return errIllegalMix(ctx, name, operands, columns)
}

// converts reports whether the literals among texts have only characters of a collation's character set.
func converts(ctx *sql.Context, texts []sql.Expression, c sql.CollationID) bool {
	set := c.CharacterSet()
	for _, e := range texts {
		if b, ok := e.(*besideColumn); ok {
			e = b.constant
		}
		lit, ok := e.(*expression.Literal)
		if !ok || set == sql.CharacterSet_binary {
			continue
		}
		if t, ok := lit.Type(ctx).(sql.TypeWithCollation); !ok || t.Collation().CharacterSet() == set {
			continue
		}
		text, _ := lit.Value().(string)
		for _, r := range text {
			if r > unicode.MaxASCII && !value.Encodes(set, r) {
				return false
			}
		}
	}
	return true
}

// mixed returns the collation and the coercibility of a text that is made of several, by MySQL's rules. Returns false if a
// collation is not known, or two are explicit.
func mixed(ctx *sql.Context, operands []sql.Expression, columns ColumnCollation) (collation sql.CollationID, coercibility byte, legal bool) {
	for _, o := range operands {
		_, variable := o.(*expression.UserVar)
		if t := o.Type(ctx); !variable && (types.IsNumber(t) || IsMoment(t) || t == types.Null) {
			continue
		}
		c, n, ok := OwnCollation(ctx, o, columns)
		if !ok {
			return 0, 0, false
		}
		if legal {
			c, n, ok = mix(collation, coercibility, c, n)
		}
		if !ok {
			return 0, 0, false
		}
		collation, coercibility, legal = c, n, true
	}
	return collation, coercibility, legal
}

// mix returns the collation and the coercibility of a text that is made of two. Returns false if both are explicit, or the weaker
// one is no constant, which cannot be converted to another character set than a Unicode one.
func mix(a sql.CollationID, m byte, b sql.CollationID, n byte) (c sql.CollationID, coercibility byte, legal bool) {
	weak, strong := a, b
	if m < n {
		weak, strong = b, a
	}
	switch {
	case m != n && max(m, n) == implicitCollation && weak.CharacterSet() != strong.CharacterSet() && weak.CharacterSet() != sql.CharacterSet_ascii &&
		!strings.HasPrefix(strong.CharacterSet().Name(), "u") && strong != sql.Collation_binary && weak != sql.Collation_binary:
		return 0, 0, false
	case n < m:
		return b, n, true
	case n > m || a == b:
	case n == explicitCollation:
		return 0, 0, false
	case a.CharacterSet() != b.CharacterSet():
		if b.CharacterSet().MaxLength() > a.CharacterSet().MaxLength() {
			return b, n, true
		}
	case n != implicitCollation || byBytes(a):
	case byBytes(b):
		return b, n, true
	default:
		return a.CharacterSet().BinaryCollation(), noCollation, true
	}
	return a, m, true
}

// Resolved returns the collation and the coercibility of a text that is made of two: the planner's. Of two Unicode character sets that
// weigh the same it is the collation of the one with longer characters, where the planner has bytes.
func Resolved(a sql.CollationID, m byte, b sql.CollationID, n byte) (sql.CollationID, byte) {
	if unlikeUnicode(a, m, b, n) {
		c, n, _ := mix(a, m, b, n)
		return c, n
	}
	return sql.ResolveCoercibility(a, m, b, n)
}

// unlikeUnicode reports whether two collations that weigh the same are of different Unicode character sets.
func unlikeUnicode(a sql.CollationID, m byte, b sql.CollationID, n byte) bool {
	l, r := a.CharacterSet(), b.CharacterSet()
	return m == n && l != r && l.MaxLength() > 1 && r.MaxLength() > 1
}

// IllegalUnion returns the error of a UNION, with all its parts, whose columns have collations of which none applies.
func IllegalUnion(ctx *sql.Context, u *plan.SetOp, columns ColumnCollation) error {
	if u.SetOpType != plan.UnionType {
		return nil
	}
	for i := range min(len(u.Left().Schema(ctx)), len(u.Right().Schema(ctx))) {
		_, n, ok, err := unionMix(ctx, u, i, columns)
		if err != nil {
			return err
		}
		if ok && n == noCollation {
			return mysql.NewSQLError(1271, "HY000", "Illegal mix of collations for operation 'UNION'")
		}
	}
	return nil
}

// unionMix is ColumnMix of a part of a UNION. Returns 1267 for two that are explicit.
func unionMix(ctx *sql.Context, n sql.Node, column int, columns ColumnCollation) (collation sql.CollationID, coercibility byte, ok bool, err error) {
	switch x := n.(type) {
	case *plan.SetOp:
		a, m, ok, err := unionMix(ctx, x.Left(), column, columns)
		if !ok || err != nil {
			return 0, 0, false, err
		}
		b, n, ok, err := unionMix(ctx, x.Right(), column, columns)
		if !ok || err != nil {
			return 0, 0, false, err
		}
		c, k, legal := mix(a, m, b, n)
		if !legal {
			err = mysql.NewSQLError(1267, "HY000", "Illegal mix of collations (%s,%s) and (%s,%s) for operation 'UNION'",
				a.Name(), coercibilityNames[m], b.Name(), coercibilityNames[n])
		}
		return c, k, legal, err
	case *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Having, *plan.Sort:
		return unionMix(ctx, n.Children()[0], column, columns)
	case *plan.Project:
		e := x.Projections[column]
		if a, ok := e.(*expression.Alias); ok {
			if _, converted := a.Child.(*UnionValue); converted {
				return unionMix(ctx, x.Child, column, columns)
			}
		}
		collation, coercibility, ok = OwnCollation(ctx, e, columns)
	case *plan.GroupBy:
		collation, coercibility, ok = OwnCollation(ctx, x.SelectDeps[column], columns)
	default:
		collation, coercibility, ok = ColumnMix(ctx, n, column, columns)
	}
	return collation, coercibility, ok, nil
}

// byBytes reports whether a collation is the one of its character set that others give way to.
func byBytes(c sql.CollationID) bool {
	return strings.HasSuffix(c.Name(), "_bin") && c != sql.Collation_utf8mb4_0900_bin || c == sql.Collation_binary
}

// collatedMember returns a COLLATE of an ENUM, a SET or a document as one of its text, nil of others.
func collatedMember(ctx *sql.Context, e *expression.CollatedExpression) sql.Expression {
	child := e.Children()[0]
	if !child.Resolved() {
		return nil
	}
	switch t := child.Type(ctx); {
	case types.IsEnum(t), types.IsSet(t):
		child = AsMemberText(ctx, child)
	case types.IsJSON(t):
		child = NewCastText(ctx, expression.NewConvert(child, expression.ConvertToChar))
	default:
		return nil
	}
	collation, _ := e.CollationCoercibility(ctx)
	return expression.NewCollatedExpression(child, collation)
}

// OwnCollation returns the collation and the coercibility of an operand that is a text; false of others, and where MySQL's are not
// known.
func OwnCollation(ctx *sql.Context, e sql.Expression, columns ColumnCollation) (sql.CollationID, byte, bool) {
	if a, ok := e.(*expression.Alias); ok {
		e = a.Child
	}
	if x := SubqueryOf(e); x != nil {
		if x.Query == nil || len(x.Query.Schema(ctx)) != 1 {
			return 0, 0, false
		}
		return ColumnMix(ctx, x.Query, 0, columns)
	}
	if !e.Resolved() {
		return 0, 0, false
	}
	t := e.Type(ctx)
	typ, ok := t.(sql.TypeWithCollation)
	if !ok || !types.IsTextOnly(t) && !types.IsEnum(t) && !types.IsSet(t) {
		return 0, 0, false
	}
	switch x := e.(type) {
	case *expression.CollatedExpression:
		return typ.Collation(), explicitCollation, true
	case *expression.GetField:
		return columns(x)
	case *Local:
		return typ.Collation(), implicitCollation, true
	case *expression.Literal:
		return typ.Collation(), coercibleCollation, true
	case *typedCall:
		name := strings.ToLower(x.FunctionName())
		_, collated := CollatedFunctions[name]
		if _, chooses := Choices[name]; collated || chooses || name == "case" {
			return mixed(ctx, x.values(), columns)
		}
	case *expression.UserVar:
		return typ.Collation(), implicitCollation, true
	case *besideColumn:
		return OwnCollation(ctx, x.constant, columns)
	case *aggregation.Max, *aggregation.Min, *MemberText:
		return OwnCollation(ctx, e.Children()[0], columns)
	}
	return 0, 0, false
}

// ColumnMix returns the collation and the coercibility of a column that a node returns, false if they are not known. Of what MySQL
// writes to a table, they are those of a table's column.
func ColumnMix(ctx *sql.Context, n sql.Node, column int, columns ColumnCollation) (c sql.CollationID, coercibility byte, known bool) {
	switch x := n.(type) {
	case *plan.Project:
		return OwnCollation(ctx, x.Projections[column], columns)
	case *plan.Filter, *plan.Sort, *plan.SubqueryAlias, *plan.Max1Row:
		return ColumnMix(ctx, n.Children()[0], column, columns)
	case *plan.GroupBy:
		c, coercibility, known = OwnCollation(ctx, x.SelectDeps[column], columns)
	case *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Having:
		c, coercibility, known = ColumnMix(ctx, n.Children()[0], column, columns)
	case *plan.SetOp:
		var d sql.CollationID
		if c, _, known = ColumnMix(ctx, x.Left(), column, columns); known {
			d, _, known = ColumnMix(ctx, x.Right(), column, columns)
			known = known && c == d
		}
	case *plan.ResolvedTable, *plan.TableAlias:
		t := n.Schema(ctx)[column]
		return columns(expression.NewGetFieldWithTable(column, int(n.(plan.TableIdNode).Id()), t.Type, "", t.Source, t.Name, true))
	}
	return c, implicitCollation, known
}

// coercibilityNames are what errors call coercibilities.
var coercibilityNames = []string{"EXPLICIT", "NONE", "IMPLICIT", "SYSCONST", "COERCIBLE", "NUMERIC", "IGNORABLE"}

func errIllegalMix(ctx *sql.Context, operation string, operands []sql.Expression, columns ColumnCollation) error {
	mixed := make([]string, len(operands))
	for i, o := range operands {
		c, n, known := OwnCollation(ctx, o, columns)
		if !known {
			c, n = coercibilityOf(ctx, o)
		}
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

// besideColumn is a user's variable or a literal beside a column whose collation it may not be compared in, until that is known. The
// planner would make a literal of the variable, whose collation is weaker, and look both up in an index.
type besideColumn struct {
	expression.UnaryExpressionStub // the column
	constant                       sql.Expression
}

// BesideColumn is the function in the place of a pattern: of what is like it and that.
const BesideColumn = "_beside_column"

// NewBesideColumn returns what is beside a column.
func NewBesideColumn(ctx *sql.Context, column, constant sql.Expression) sql.Expression {
	if mixes(ctx, column.Type(ctx), constant) {
		return &besideColumn{expression.UnaryExpressionStub{Child: column}, constant}
	}
	return constant
}

// mixes reports whether a constant may be one that is not compared with a column of a type: a variable of another collation, a literal
// with characters that the column's character set lacks.
func mixes(ctx *sql.Context, column sql.Type, constant sql.Expression) bool {
	t, ok := column.(sql.TypeWithCollation)
	of, text := constant.Type(ctx).(sql.TypeWithCollation)
	if !ok || !text || !types.IsTextOnly(constant.Type(ctx)) {
		return false
	}
	_, variable := constant.(*expression.UserVar)
	return variable && t.Collation() != of.Collation() || !converts(ctx, []sql.Expression{constant}, t.Collation())
}

// Type implements sql.Expression.
func (b *besideColumn) Type(ctx *sql.Context) sql.Type { return b.constant.Type(ctx) }

// String implements sql.Expression.
func (b *besideColumn) String() string { return b.constant.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (b *besideColumn) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, b.constant)
}

// WithChildren implements sql.Expression.
func (b *besideColumn) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 1)
	}
	return &besideColumn{expression.UnaryExpressionStub{Child: children[0]}, b.constant}, nil
}

// Eval implements sql.Expression.
func (b *besideColumn) Eval(ctx *sql.Context, r sql.Row) (any, error) { return b.constant.Eval(ctx, r) }
