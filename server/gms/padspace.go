package gms

import (
	"bytes"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// PAD SPACE collations (MySQL 8.0 manual, 12.10.5) do not see the blanks at the end of a
// text; the planner's comparisons do. Keys are made without them, see row.Collation.

func pads(c sql.CollationID) bool { return c.PadAttribute() == "PAD SPACE" }

// padded is a text without the blanks at its end.
type padded struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*padded)(nil)
	_ sql.CollationCoercible = (*padded)(nil)
)

// needsPadding reports whether e may have blanks at its end.
func needsPadding(e sql.Expression) bool {
	switch x := e.(type) {
	case *padded:
		return false
	case *expression.Literal:
		s, ok := x.Value().(string)
		return !ok || strings.HasSuffix(s, " ")
	}
	return true
}

func newPadded(e sql.Expression) *padded { return &padded{expression.UnaryExpressionStub{Child: e}} }

// Type implements sql.Expression.
func (p *padded) Type(ctx *sql.Context) sql.Type { return p.Child.Type(ctx) }

// String implements sql.Expression.
func (p *padded) String() string { return p.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (p *padded) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, p.Child)
}

// WithChildren implements sql.Expression.
func (p *padded) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(p, len(children), 1)
	}
	return newPadded(children[0]), nil
}

// Eval implements sql.Expression.
func (p *padded) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := p.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	switch s := v.(type) {
	case string:
		return strings.TrimRight(s, " "), err
	case []byte:
		return bytes.TrimRight(s, " "), err
	}
	return v, err
}

// paddedOperands returns texts that are compared with each other as a PAD SPACE collation
// sees them, false if they are seen as they are.
func paddedOperands(ctx *sql.Context, operands ...sql.Expression) ([]sql.Expression, bool) {
	for _, e := range operands {
		if !types.IsTextOnly(e.Type(ctx)) {
			return operands, false
		}
	}
	if collation, _ := commonCollation(ctx, operands); !pads(collation) || !slices.ContainsFunc(operands, needsPadding) {
		return operands, false
	}
	operands = slices.Clone(operands)
	for i, e := range operands {
		if needsPadding(e) {
			operands[i] = newPadded(e)
		}
	}
	return operands, true
}

// explicitTexts returns operands with the collation that one of them has by COLLATE, false if all have it or none; those of a list
// with the one that they are compared by, where their types have another.
func explicitTexts(ctx *sql.Context, operands []sql.Expression, isList bool) ([]sql.Expression, bool) {
	collation, n := commonCollation(ctx, operands)
	if n != explicitCollation && !isList {
		return operands, false
	}
	changed := false
	operands = slices.Clone(operands)
	for i, e := range operands {
		c, _ := coercibilityOf(ctx, e)
		if t, ok := e.Type(ctx).(sql.StringType); ok && isList {
			c = t.Collation()
		}
		if types.IsTextOnly(e.Type(ctx)) && c != collation && c.CharacterSet() == collation.CharacterSet() {
			operands[i], changed = expression.NewCollatedExpression(e, collation), true
		}
	}
	return operands, changed
}

// comparedTexts returns a comparison of texts with its operands as the collation and
// coercibility of subqueries, and PAD SPACE, have them; nil if it is right as it is.
func comparedTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	if row, ok := operands[0].(expression.Tuple); ok && len(operands) == 2 {
		return comparedRows(ctx, e, row, operands[1])
	}
	if !types.IsTextOnly(operands[0].Type(ctx)) {
		return comparedDecimals(ctx, e)
	}
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	operands, scalar := scalarTexts(ctx, operands)
	operands, padded := paddedOperands(ctx, operands...)
	explicit := false
	if len(operands) > 2 || isList { // the planner compares one pair after the other, and in a list by their types
		operands, explicit = explicitTexts(ctx, operands, isList)
	}
	if !scalar && !padded && !explicit {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	return withOperands(ctx, e, operands)
}

// paddedCall returns a CASE of a text with its operand and those of its WHENs padded, and
// a function that compares its arguments with them padded; nil if it is right as it is.
func paddedCall(ctx *sql.Context, e sql.Expression) sql.Expression {
	if f, ok := e.(sql.FunctionExpression); ok && (f.FunctionName() == "strcmp" || f.FunctionName() == "field") {
		args, padded := paddedOperands(ctx, e.Children()...)
		if !padded {
			return nil
		}
		return withOperands(ctx, e, args)
	}
	k, ok := planned(e).(*expression.Case)
	if !ok || k.Expr == nil {
		return nil
	}
	operands := []sql.Expression{k.Expr}
	for _, b := range k.Branches {
		operands = append(operands, b.Cond)
	}
	operands, padded := paddedOperands(ctx, operands...)
	if !padded {
		return nil
	}
	args := slices.Clone(e.Children()) // the operand, each WHEN and its value, ELSE
	args[0] = operands[0]
	for i, o := range operands[1:] {
		args[2*i+1] = o
	}
	return withOperands(ctx, e, args)
}

// comparedRows returns a comparison of a row with another, or IN with a list of rows, with
// the texts of each column padded; nil if it is right as it is.
func comparedRows(ctx *sql.Context, e sql.Expression, left expression.Tuple, right sql.Expression) sql.Expression {
	list, ok := right.(expression.Tuple)
	if !ok {
		return nil
	}
	rows := []expression.Tuple{left, list}
	_, hashed := e.(*expression.HashInTuple)
	_, in := e.(*expression.InTuple)
	if hashed || in {
		rows = rows[:1]
		for _, r := range list {
			r, ok := r.(expression.Tuple)
			if !ok {
				return nil
			}
			rows = append(rows, r)
		}
	}
	rows, padded := paddedRows(ctx, rows)
	if !padded {
		return nil
	}
	right = rows[1]
	if hashed || in {
		list := make(expression.Tuple, len(rows)-1)
		for i, r := range rows[1:] {
			list[i] = r
		}
		right = list
	}
	if !hashed {
		return withOperands(ctx, e, []sql.Expression{rows[0], right})
	}
	out, err := expression.NewHashInTuple(ctx, rows[0], right) // whose hashes are those of the list
	if err != nil {
		return nil
	}
	return out
}

// paddedRows returns rows that are compared with the first with the texts of each column
// padded, false if they are seen as they are.
func paddedRows(ctx *sql.Context, rows []expression.Tuple) ([]expression.Tuple, bool) {
	changed := false
	for c := range rows[0] {
		column := make([]sql.Expression, 0, len(rows))
		for _, r := range rows {
			if len(r) == len(rows[0]) { // or there will be an error
				column = append(column, r[c])
			}
		}
		fit, padded := paddedOperands(ctx, column...)
		if !padded || len(fit) < len(rows) {
			continue
		}
		if !changed {
			changed = true
			rows = slices.Clone(rows)
			for i, r := range rows {
				rows[i] = slices.Clone(r)
			}
		}
		for i, r := range rows {
			r[c] = fit[i]
		}
	}
	return rows, changed
}

// padKeys has the texts among the keys of sorts be padded where their collations are, and
// those of hash joins be taken by their collations. (The rows that a hash finds are compared once more.)
func padKeys(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	switch n := n.(type) {
	case *plan.Sort:
		if by, padded := paddedSort(ctx, n.SortConditions); padded {
			return plan.NewSort(by, n.Child), transform.NewTree, nil
		}
	case *plan.TopN:
		if by, padded := paddedSort(ctx, n.SortConditions); padded {
			top := *n
			top.SortConditions = by
			return &top, transform.NewTree, nil
		}
	case *plan.JoinNode:
		if by := newMergeOrder(ctx, n); by != nil {
			return n.WithFilter(by), transform.NewTree, nil
		}
	case *plan.Filter:
		if isMoment(n.Expression.Type(ctx)) {
			return plan.NewFilter(ctx, newDateNumber(ctx, n.Expression), n.Child), transform.NewTree, nil
		}
	case *plan.IndexedTableAccess:
		return exactLookup(ctx, n)
	case *plan.HashLookup:
		if right, left, some := hashKeys(ctx, n.RightEntryKey, n.LeftProbeKey); some {
			return plan.NewHashLookup(ctx, n.Child, right, left, n.JoinType), transform.NewTree, nil
		}
	}
	return n, transform.SameTree, nil
}

func paddedSort(ctx *sql.Context, by sql.SortConditions) (sql.SortConditions, bool) {
	some := false
	for i, c := range by {
		if padsKey(ctx, c.Expr) {
			if !some {
				by, some = slices.Clone(by), true
			}
			by[i].Expr = newPadded(c.Expr)
		}
	}
	return by, some
}

// doubleKeys returns keys of two kinds as doubles, if they are compared as such, or as what is equal; false for those of one. (The planner makes one type of two keys, but not
// of those in rows.)
func doubleKeys(ctx *sql.Context, right, left sql.Expression) (sql.Expression, sql.Expression, bool) {
	rk, lk := kindOf(ctx, right), kindOf(ctx, left)
	if rk == otherKind || lk == otherKind || rk == lk && rk != numberKind || right.Type(ctx).Equals(left.Type(ctx)) {
		return right, left, false
	}
	double := func(e sql.Expression, kind valueKind) sql.Expression {
		switch kind {
		case numberKind, yearKind, bitKind, enumKind, setKind:
			return &whole{expression.UnaryExpressionStub{Child: e}, types.Float64}
		case textKind, binaryKind:
			return &textDouble{expression.UnaryExpressionStub{Child: e}}
		}
		return nil
	}
	if r, l := double(right, rk), double(left, lk); r != nil && l != nil && (rk <= bitKind || lk <= bitKind) {
		return r, l, true
	}
	one := expression.NewLiteral(int8(1), types.Int8) // whatever they are: what a hash finds is compared
	return one, one, true
}

// hashKeys returns the keys of a hash join with texts by the codes that their common
// collation gives them, ENUMs that are compared with texts as texts, and texts that are compared
// with moments as moments; false if they are right as they are.
func hashKeys(ctx *sql.Context, right, left sql.Expression) (sql.Expression, sql.Expression, bool) {
	rights, rok := right.(expression.Tuple)
	lefts, lok := left.(expression.Tuple)
	if rok && lok && len(rights) == len(lefts) {
		rights, lefts = slices.Clone(rights), slices.Clone(lefts)
		some := false
		for i := range rights {
			var changed bool
			if rights[i], lefts[i], changed = hashKeys(ctx, rights[i], lefts[i]); !changed {
				rights[i], lefts[i], changed = doubleKeys(ctx, rights[i], lefts[i])
			}
			some = some || changed
		}
		return rights, lefts, some
	}
	if both, changed := comparedMembers(ctx, right, left); changed {
		right, left = both[0], both[1]
	}
	if rk, lk := kindOf(ctx, right), kindOf(ctx, left); rk == numberKind && (lk == enumKind || lk == setKind) || lk == numberKind && (rk == enumKind || rk == setKind) {
		return doubleKeys(ctx, right, left)
	}
	switch rt, lt := right.Type(ctx), left.Type(ctx); {
	case types.IsTime(rt) && types.IsTextOnly(lt):
		return right, newTextMoment(ctx, left), true
	case types.IsTextOnly(rt) && types.IsTime(lt):
		return newTextMoment(ctx, right), left, true
	case !types.IsTextOnly(rt) || !types.IsTextOnly(lt):
		return right, left, false
	}
	collation, _ := commonCollation(ctx, []sql.Expression{right, left})
	return newTextCode(right, collation), newTextCode(left, collation), true
}

func padsKey(ctx *sql.Context, e sql.Expression) bool {
	t, ok := e.Type(ctx).(sql.StringType)
	return ok && types.IsTextOnly(t) && pads(t.Collation()) && needsPadding(e)
}

// withOperands returns e with other children, nil if it cannot have them.
func withOperands(ctx *sql.Context, e sql.Expression, children []sql.Expression) sql.Expression {
	out, err := e.WithChildren(ctx, children...)
	if err != nil {
		return nil
	}
	return out
}
