package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// knownKeys are literals that stand for the subqueries with which a statement compares columns, while its joins are planned.
type knownKeys struct {
	of      map[*expression.Literal]sql.Expression
	columns map[columnName]*expression.Literal
}

// columnName is a column of a table of a statement, in lower case.
type columnName struct {
	table sql.TableId
	name  string
}

func newColumnName(f *expression.GetField) columnName {
	return columnName{f.TableId(), strings.ToLower(f.Name())}
}

// joinByKnown has joins begin with the rows that a subquery's value finds in an index, where the subquery names nothing outside of it. The planner
// does not know the value, and takes the condition for one that is asked of every row: it plans for some value, and looks up that of the subquery.
//
// Source: MySQL's const tables.
func joinByKnown(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() || !value.Served(ctx) || len(joinsBelow(n)) == 0 {
			return rule(ctx, n, f)
		}
		k := &knownKeys{map[*expression.Literal]sql.Expression{}, map[columnName]*expression.Literal{}}
		shown, same, err := k.show(ctx, n)
		if err != nil || bool(same) {
			return rule(ctx, n, f)
		}
		planned, _, err := rule(ctx, shown, f)
		if err == nil && ordersMerged(planned) {
			return rule(ctx, n, f)
		}
		if err == nil {
			planned, err = k.lookUp(ctx, planned)
		}
		if err != nil || planned == nil {
			return rule(ctx, n, f)
		}
		return planned, transform.NewTree, nil
	})
}

// ordersMerged reports whether a plan has a join that needs the order of its tables' indexes.
func ordersMerged(n sql.Node) (found bool) {
	planrule.InspectJoins(n, func(j *plan.JoinNode) { found = found || j.Op.IsMerge() || j.Op.IsRange() })
	return found
}

// show puts literals in place of the subqueries with which columns of indexes are compared.
func (k *knownKeys) show(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	bounds := map[columnName]int{} // how many conditions other than equalities of two columns name a column
	indexed := map[columnName]bool{}
	transform.Inspect(n, func(n sql.Node) bool {
		for _, e := range conditionsOf(ctx, n) {
			if eq, ok := e.(*expression.Equals); ok {
				_, left := eq.Left().(*expression.GetField)
				_, right := eq.Right().(*expression.GetField)
				if left && right {
					continue
				}
			}
			sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
				if f, ok := e.(*expression.GetField); ok {
					bounds[newColumnName(f)]++
				}
				return true
			})
		}
		if t, ok := n.(plan.TableIdNode); ok {
			indexedColumns(ctx, t, indexed)
		}
		return true
	})
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		all, same := conditionsOf(ctx, n), transform.SameTree
		for i, e := range all {
			eq, ok := e.(*expression.Equals)
			if !ok {
				continue
			}
			column, sub := comparedSubquery(ctx, e)
			sides := [2]sql.Expression{eq.Left(), eq.Right()}
			at := slices.Index(sides[:], sql.Expression(column))
			if column == nil || !sub.CanCacheResults() || at < 0 || bounds[newColumnName(column)] != 1 || !indexed[newColumnName(column)] {
				continue
			}
			t := column.Type(ctx)
			l := expression.NewLiteral(t.Zero(), t)
			was := sides[1-at]
			sides[1-at] = l
			known := sql.Expression(expression.NewEquals(sides[0], sides[1]))
			var ok2 bool
			if n, ok2 = toTable(ctx, n, column.TableId(), known); !ok2 {
				continue
			}
			all[i], same = nil, transform.NewTree
			k.of[l], k.columns[newColumnName(column)] = was, l
		}
		if same {
			return n, same, nil
		}
		all = slices.DeleteFunc(all, func(e sql.Expression) bool { return e == nil })
		if j, ok := n.(*plan.JoinNode); ok {
			if len(all) == 0 {
				return plan.NewCrossJoin(ctx, j.Left(), j.Right()), same, nil
			}
			return j.WithFilter(expression.JoinAnd(all...)), same, nil
		}
		if len(all) == 0 {
			return n.(*plan.Filter).Child, same, nil
		}
		return plan.NewFilter(ctx, expression.JoinAnd(all...), n.(*plan.Filter).Child), same, nil
	})
}

// toTable puts a condition of a filter or a join above the table that it is of, false if that may have other rows.
func toTable(ctx *sql.Context, n sql.Node, table sql.TableId, e sql.Expression) (sql.Node, bool) {
	switch x := n.(type) {
	case *plan.Filter:
		below, ok := above(ctx, x.Child, table, e)
		return plan.NewFilter(ctx, x.Expression, below), ok
	case *plan.JoinNode:
		if x.Op == plan.JoinTypeInner {
			return above(ctx, n, table, e)
		}
	}
	return n, false
}

// above puts a condition on a table that is above its join above the table, false if that may have other rows.
func above(ctx *sql.Context, n sql.Node, table sql.TableId, e sql.Expression) (sql.Node, bool) {
	at := 0
	switch x := n.(type) {
	case *plan.ResolvedTable, *plan.TableAlias:
		if n.(plan.TableIdNode).Id() != table {
			return n, false
		}
		return plan.NewFilter(ctx, e, n), true
	case *plan.Filter:
	case *plan.JoinNode:
		to, ok := above(ctx, x.Left(), table, e)
		if inner := x.Op.IsInner() || x.Op.IsCross(); ok && (inner || x.Op.IsLeftOuter()) {
			n, err := x.WithChildren(ctx, to, x.Right())
			return n, err == nil
		} else if ok || !inner || x.Op.IsLateral() {
			return n, false
		}
		at = 1
	default:
		return n, false
	}
	children := slices.Clone(n.Children())
	to, ok := above(ctx, children[at], table, e)
	if !ok {
		return n, false
	}
	children[at] = to
	n, err := n.WithChildren(ctx, children...)
	return n, err == nil
}

// conditionsOf returns the conditions of a filter or a join.
func conditionsOf(ctx *sql.Context, n sql.Node) []sql.Expression {
	switch n := n.(type) {
	case *plan.Filter:
		return expression.SplitConjunction(ctx, n.Expression)
	case *plan.JoinNode:
		if n.Filter != nil {
			return expression.SplitConjunction(ctx, n.Filter)
		}
	}
	return nil
}

// indexedColumns adds the columns of the indexes of a table of ours to a set.
func indexedColumns(ctx *sql.Context, n plan.TableIdNode, to map[columnName]bool) {
	t := tableOf(n)
	if t == nil || t.ref.lock != lockNone {
		return
	}
	indexes, err := t.GetIndexes(ctx)
	if err != nil {
		return
	}
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix || ix.multi >= 0 {
			continue
		}
		for _, c := range ix.columns {
			to[columnName{n.Id(), strings.ToLower(ix.shape.schema[c].Name)}] = true
		}
	}
}

// lookUp puts the subqueries back into a plan, in the keys of scans of indexes too; nil: a scan is of more than one of the values that the
// literals stand for.
func (k *knownKeys) lookUp(ctx *sql.Context, n sql.Node) (sql.Node, error) {
	n, _, err := transform.NodeExprs(ctx, n, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if l, ok := e.(*expression.Literal); ok && k.of[l] != nil {
			return k.of[l], transform.NewTree, nil
		}
		return e, transform.SameTree, nil
	})
	if err != nil {
		return nil, err
	}
	possible := true
	n, _, err = transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		scan, id := scanUnder(n)
		switch n.(type) {
		case *plan.IndexedTableAccess, *plan.TableAlias:
		default:
			scan = nil
		}
		if scan == nil || !scan.IsStatic() {
			return n, transform.SameTree, nil
		}
		keys, named, err := k.keysOf(ctx, scan, id)
		if !named || err != nil {
			return n, transform.SameTree, err
		}
		if keys == nil {
			possible = false
			return n, transform.SameTree, nil
		}
		to, err := plan.NewIndexedAccessForTableNode(ctx, scan.TableNode, plan.NewLookupBuilder(ctx, scan.Index(), keys, make([]bool, len(keys))))
		if err != nil {
			return n, transform.SameTree, err
		}
		return withLeaf(ctx, n, scan, to)
	})
	if !possible {
		return nil, err
	}
	return n, err
}

// keysOf returns the values that a scan of an index looks for in its first columns, nil if it is no scan of one value each, and whether it
// has a column that a subquery is compared with.
func (k *knownKeys) keysOf(ctx *sql.Context, scan *plan.IndexedTableAccess, table sql.TableId) (keys []sql.Expression, named bool, err error) {
	l, _, err := scan.GetLookup(ctx, nil)
	ix, ours := l.Index.(*Index)
	ranges, ok := l.Ranges.(sql.MySQLRangeCollection)
	if err != nil || !ours || !ok || len(ranges) == 0 {
		return nil, false, err
	}
	fixed := fixedColumns(ranges)
	single := len(ranges) == 1
	for i, c := range ranges[0] {
		bounded := c.HasLowerBound() || c.HasUpperBound() || c.Type() == sql.RangeType_EqualNull
		known := k.columns[columnName{table, strings.ToLower(ix.shape.schema[ix.columns[i]].Name)}]
		named = named || known != nil && bounded
		lower, value := c.LowerBound.(sql.Below)
		switch {
		case i >= fixed:
			single = single && !bounded
		case known != nil:
			keys = append(keys, k.of[known])
		case value:
			keys = append(keys, expression.NewLiteral(lower.Key, c.Typ))
		default:
			single = false
		}
	}
	if !single {
		keys = nil
	}
	return keys, named, nil
}
