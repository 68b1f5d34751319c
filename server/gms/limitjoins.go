package gms

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// limitJoins has joins below a LIMIT begin with the table that has an index in the order of the rows, and look the rows of the others
// up, where so many rows are found sooner than all of them by the plan that is best for all. The planner does not know of the LIMIT.
func limitJoins(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		s, ok := ctx.Session.(*Session)
		if ok {
			before := s.joining
			s.joining = len(joinsBelow(n)) > 0
			defer func() { s.joining = before }()
		}
		planned, same, err := rule(ctx, n, f)
		if err != nil || bool(same) || !ok || !value.Served(ctx) {
			return planned, same, err
		}
		first := orderedTable(ctx, n)
		if first == 0 || looksUp(ctx, planned) != nil {
			return planned, same, err
		}
		from := func(whole sql.TableId) (sql.Node, error) {
			first0, whole0 := s.firstTable, s.wholeTable
			defer func() { s.firstTable, s.wholeTable = first0, whole0 }()
			s.firstTable, s.wholeTable = first, whole
			ordered, _, err := rule(ctx, n, f)
			return ordered, err
		}
		ordered, err := from(0)
		if err == nil && looksUp(ctx, ordered) == nil { // it is read by an index of its conditions
			ordered, err = from(first)
		}
		if err != nil {
			return planned, same, nil
		}
		sooner, err := s.sooner(ctx, ordered, planned)
		if sooner {
			planned = ordered
		}
		return planned, same, err
	})
}

// limitOf returns the first LIMIT of a query and how many rows it and its OFFSET ask for, nil if there is none.
func limitOf(ctx *sql.Context, n sql.Node) (limit *plan.Limit, rows float64) {
	transform.Inspect(n, func(n sql.Node) bool {
		l, ok := n.(*plan.Limit)
		if !ok || limit != nil {
			return limit == nil && !sql.IsOpaque(n)
		}
		numbers := []sql.Expression{l.Limit}
		if o, ok := l.Child.(*plan.Offset); ok {
			numbers = append(numbers, o.Offset)
		}
		for _, e := range numbers {
			v, err := e.Eval(ctx, nil)
			number, _, cerr := types.Float64.Convert(ctx, v)
			if x, ok := number.(float64); ok && err == nil && cerr == nil {
				rows += x
			} else {
				rows = math.Inf(1)
			}
		}
		limit = l
		return false
	})
	return limit, rows
}

// orderedJoin returns the sort or the GROUP BY below the LIMIT of a query, and the join below that; nil if there are none.
func orderedJoin(ctx *sql.Context, n sql.Node) (at sql.Node, join *plan.JoinNode) {
	limit, _ := limitOf(ctx, n)
	if limit == nil {
		return nil, nil
	}
	if at = orderedNode(limit.Child); at == nil {
		return nil, nil
	}
	for n = at; ; {
		switch x := n.(type) {
		case *plan.JoinNode:
			return at, x
		case *plan.Sort, *plan.GroupBy, *plan.Project, *plan.Filter, *plan.Having:
			n = x.Children()[0]
		default:
			return nil, nil
		}
	}
}

// orderedTable returns the number of the table of a join by which a query with LIMIT is ordered or grouped, 0: there is none.
func orderedTable(ctx *sql.Context, n sql.Node) sql.TableId {
	at, join := orderedJoin(ctx, n)
	if join == nil {
		return 0
	}
	var by sql.Expression
	switch at := at.(type) {
	case *plan.Sort:
		by = at.SortConditions[0].Expr
	case *plan.GroupBy:
		if len(at.GroupByExprs) > 0 {
			by = at.GroupByExprs[0]
		}
	}
	if f, ok := by.(*expression.GetField); ok {
		return f.TableId()
	}
	return 0
}

// looksUp returns the scan of the first table of a query with LIMIT whose joins look up the rows of each of its rows, if it can be read in
// the query's order; else nil.
func looksUp(ctx *sql.Context, n sql.Node) sql.Node {
	at, join := orderedJoin(ctx, n)
	if join == nil {
		return nil
	}
	for side := sql.Node(join); ; {
		switch x := side.(type) {
		case *plan.JoinNode:
			if !x.Op.IsLookup() {
				return nil
			}
			side = x.Left()
			continue
		case *plan.Project:
			side = x.Child
			continue
		case *plan.Filter:
			side = x.Child
			continue
		}
		break
	}
	leaf, id := orderedLeaf(join)
	if leaf == nil {
		return nil
	}
	var scan sql.Node
	var err error
	switch at := at.(type) {
	case *plan.Sort:
		scan, err = inOrderOf(ctx, leaf, id, at.SortConditions)
	case *plan.GroupBy:
		scan, err = inGroups(ctx, leaf, id, at.GroupByExprs)
	}
	if err != nil {
		return nil
	}
	return scan
}

// sooner reports whether the LIMIT of a query is reached sooner by a plan that has its order than by another that reads all rows.
func (s *Session) sooner(ctx *sql.Context, ordered, all sql.Node) (bool, error) {
	scan := looksUp(ctx, ordered)
	if scan == nil {
		return false, nil
	}
	t := tableOf(scan)
	rows, _, err := t.RowCount(ctx)
	if err != nil {
		return false, err
	}
	if ranged, ok, err := s.scannedRows(ctx, scan, t); err != nil {
		return false, err
	} else if ok {
		rows = min(rows, ranged)
	}
	_, join := orderedJoin(ctx, ordered)
	_, wanted := limitOf(ctx, ordered)
	part := min(1, wanted/max(1, min(float64(rows), float64(join.EstimatedRowCount))))
	return joinsCost(ordered)*part < joinsCost(all)/2, nil
}

// joinsCost is the cost of the joins of a plan.
func joinsCost(n sql.Node) (cost float64) {
	planrule.InspectJoins(n, func(j *plan.JoinNode) { cost += j.Cost })
	return cost
}
