package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
)

// A subquery that names nothing outside of it has one value, or one list of them, for the whole statement. The planner, which does
// not run it, has no index for a condition that compares a column with it; when the statement runs the values are known.
//
// Source: MySQL's ref access by a subquery that is evaluated once.

const (
	knownScanRows = 64   // what a table has at least for such a scan: planning it costs as much as to read that many rows
	knownListMax  = 1000 // values of IN that are looked up
)

// knownScan returns the scan of an index in place of that of the table below a filter, for the values that its subqueries have;
// r: the row before those of the table. nil: the table is read as it is planned; EmptyTable: no row can be true.
func (s *Session) knownScan(ctx *sql.Context, n *plan.Filter, r sql.Row) (sql.Node, error) {
	return s.knownScanBy(ctx, n, r, knownCondition)
}

// explainKnown has the filters of a plan that is not run read what knownScan gives them where a column is equal to a subquery.
func (s *Session) explainKnown(ctx *sql.Context, n sql.Node) (err error) {
	transform.Inspect(n, func(n sql.Node) bool {
		f, ok := n.(*plan.Filter)
		if !ok || err != nil {
			return err == nil
		}
		var scan sql.Node
		if scan, err = s.knownScanBy(ctx, f, nil, equalCondition); scan == nil && err == nil {
			scan, err = s.memberScan(ctx, f, planrule.Known)
		}
		if scan != nil {
			f.Child = scan
		}
		sql.Inspect(ctx, f.Expression, func(ctx *sql.Context, e sql.Expression) bool {
			if sub, ok := e.(*plan.Subquery); ok && err == nil {
				err = s.explainKnown(ctx, sub.Query)
			}
			return err == nil
		})
		return err == nil
	})
	return err
}

// equalCondition is knownCondition without the values of the subquery: an equality with it is one with some value.
func equalCondition(ctx *sql.Context, e sql.Expression, _ sql.Row) (sql.Expression, error) {
	column, sub := comparedSubquery(ctx, e)
	if _, ok := e.(*expression.Equals); !ok || column == nil || !sub.CanCacheResults() {
		return e, nil
	}
	t := column.Type(ctx)
	return e.WithChildren(ctx, column, expression.NewLiteral(t.Zero(), t))
}

// knownScanBy is knownScan with what is known of each condition; nil of one: it is true of no row.
func (s *Session) knownScanBy(ctx *sql.Context, n *plan.Filter, r sql.Row, condition func(*sql.Context, sql.Expression, sql.Row) (sql.Expression, error)) (sql.Node, error) {
	conditions := expression.SplitConjunction(ctx, n.Expression)
	found := false
	for _, e := range conditions {
		column, sub := comparedSubquery(ctx, e)
		found = found || column != nil && sub.CanCacheResults()
	}
	if !found {
		return nil, nil
	}
	scanned := n.Child
	prepended, ok := scanned.(*plan.PrependNode)
	if ok {
		scanned, r = prepended.Child, prepended.Row
	} else if len(r) > 0 {
		return nil, nil // it may be a row of a join, which is none of the subquery's
	}
	table := scanned
	if alias, ok := table.(*plan.TableAlias); ok {
		table = alias.Child
	}
	if _, ok := table.(*plan.ResolvedTable); !ok {
		return nil, nil
	}
	t := tableOf(table)
	if t == nil || t.filter != nil {
		return nil, nil
	}
	if rows, _, err := t.RowCount(ctx); err != nil || rows < knownScanRows {
		return nil, err
	}
	row := make(sql.Row, len(r)+len(scanned.Schema(ctx)))
	copy(row, r)
	known := make([]sql.Expression, len(conditions))
	for i, e := range conditions {
		var err error
		if known[i], err = condition(ctx, e, row); err != nil {
			return nil, err
		}
		if known[i] == nil {
			return plan.NewEmptyTableWithSchema(scanned.Schema(ctx)), nil
		}
	}
	planned, _, err := s.b.indexScans(ctx, plan.NewFilter(ctx, expression.JoinAnd(known...), scanned), &sql.QueryFlags{})
	if err != nil {
		return nil, err
	}
	if f, ok := planned.(*plan.Filter); ok {
		planned = f.Child
	}
	if access, _ := scanUnder(planned); access == nil {
		return nil, nil
	}
	if prepended != nil {
		planned = plan.NewPrependNode(planned, r)
	}
	return planned, nil
}

// comparedSubquery returns the column and the subquery that a condition compares, nil if it is none of such.
func comparedSubquery(ctx *sql.Context, e sql.Expression) (*expression.GetField, *plan.Subquery) {
	if r, ok := e.(*remembered); ok {
		e = r.Child
	}
	if in, ok := e.(*expr.InRows); ok {
		e = in.Child
	}
	var left, right sql.Expression
	switch e := e.(type) {
	case *plan.InSubquery:
		left, right = e.Left(), e.Right()
	case expression.Comparer:
		left, right = e.Left(), e.Right()
		if expr.SubqueryOf(left) != nil {
			left, right = right, left
		}
	}
	column, ok := expr.Plain(left).(*expression.GetField)
	sub := expr.SubqueryOf(right)
	if !ok || sub == nil {
		return nil, nil
	}
	if t, ok := column.Type(ctx).(sql.StringType); ok && types.IsTextOnly(sub.Type(ctx)) {
		if by, _ := expr.CommonCollation(ctx, []sql.Expression{column, right}); by != t.Collation() {
			return nil, nil // the index has another order
		}
	}
	return column, sub
}

// knownCondition returns a condition with the values of its subquery in place of that, any other as it is; nil if it is true of no row.
func knownCondition(ctx *sql.Context, e sql.Expression, row sql.Row) (sql.Expression, error) {
	column, sub := comparedSubquery(ctx, e)
	if column == nil || !sub.CanCacheResults() {
		return e, nil
	}
	t := sub.Type(ctx)
	if types.IsTextOnly(t) && types.IsTextOnly(column.Type(ctx)) {
		t = column.Type(ctx)
	}
	c, ok := e.(expression.Comparer)
	if !ok {
		if _, err := sub.HashMultiple(ctx, row); err != nil { // IN asks it, and keeps the rows, too
			return nil, err
		}
		values, err := sub.EvalMultiple(ctx, row)
		if err != nil || len(values) > knownListMax {
			return e, err
		}
		var list expression.Tuple
		for _, v := range values {
			if _, row := v.([]any); row {
				return e, nil
			}
			if v != nil {
				list = append(list, expression.NewLiteral(v, t))
			}
		}
		if len(list) == 0 {
			return nil, nil
		}
		return expression.NewInTuple(column, list), nil
	}
	v, err := sub.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	if _, safe := e.(*expression.NullSafeEquals); v == nil && !safe {
		return nil, nil
	}
	if _, row := v.([]any); row {
		return e, nil
	}
	literal := sql.Expression(expression.NewLiteral(v, t))
	if expr.Plain(c.Right()) == sql.Expression(column) {
		return e.WithChildren(ctx, literal, column)
	}
	return e.WithChildren(ctx, column, literal)
}
