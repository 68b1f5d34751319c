package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// Where several indexes could serve a condition, that is read in which fewest rows are: they are estimated in the trees, as MySQL does. The
// planner goes by the buckets of histograms, which are drawn anew by each ANALYZE.

const (
	scanShare = 4  // how many rows of a table or of an index with all columns are read for one that is looked up in the table
	fewRows   = 10 // so many are looked up whatever the table's size is
)

// choice is an index that a table may be read by.
type choice struct {
	ix     *Index
	lookup sql.IndexLookup
	rest   []sql.Expression // what the lookup does not decide
	rows   float64
}

// lookUpAliased has tables with an alias looked up by what LookupForExpressions says of the conditions on them: beside a lookup that it is given the planner
// loses the alias.
func lookUpAliased(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if !value.Served(ctx) || len(joinsBelow(n)) > 0 {
			return rule(ctx, n, f)
		}
		n, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			filter, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			return lookUpAlias(ctx, filter)
		})
		if err != nil {
			return n, same, err
		}
		planned, same2, err := rule(ctx, n, f)
		return planned, same && same2, err
	})
}

// lookUpAlias is lookUpAliased of the conditions of one filter.
func lookUpAlias(ctx *sql.Context, f *plan.Filter) (sql.Node, transform.TreeIdentity, error) {
	alias, ok := f.Child.(*plan.TableAlias)
	if !ok {
		return f, transform.SameTree, nil
	}
	table, ok := alias.Child.(*plan.ResolvedTable)
	if !ok {
		return f, transform.SameTree, nil
	}
	t, ok := table.UnderlyingTable().(*Table)
	if !ok || t.shape.parts != nil {
		return f, transform.SameTree, nil
	}
	called := *t
	called.alias = alias.Name()
	l, _, rest, ok, err := called.LookupForExpressions(ctx, expression.SplitConjunction(ctx, f.Expression)...)
	if !ok || err != nil || l.IsEmpty() {
		return f, transform.SameTree, err
	}
	scan, err := plan.NewStaticIndexedAccessForTableNode(ctx, table, l)
	if err != nil {
		return f, transform.SameTree, err
	}
	n, err := alias.WithChildren(ctx, scan)
	if rest != nil && err == nil {
		n = plan.NewFilter(ctx, planrule.WithoutIndex(rest), n) // the planner would put another scan in the place of this one
	}
	return n, transform.NewTree, err
}

// choiceOf returns what of an index a condition on its table, by its number, leaves by one of the planner's choices, however much that is, false: all.
func (s *Session) choiceOf(ctx *sql.Context, scans planrule.PlanRule, t *Table, id sql.TableId, ix *Index, condition sql.Expression) (choice, bool, error) {
	only := *t
	only.forced = true
	only.ref.hints = hintsMark + rewrite.HintOf("force index", ix.ID()).String()
	only.projected, only.projection, only.columns, only.schema = true, []string{}, nil, nil // the planner reads any part of an index that has all columns
	var table sql.Node = plan.NewResolvedTable(&only, t.db, nil).WithId(id)
	if t.alias != "" {
		table = plan.NewTableAlias(t.alias, table).WithId(id)
	}
	planned, _, err := scans(ctx, plan.NewFilter(ctx, condition, table), &sql.QueryFlags{})
	if err != nil { // a value that the index cannot be asked for
		return choice{}, false, nil
	}
	c := choice{ix: ix}
	if f, ok := planned.(*plan.Filter); ok {
		c.rest = expression.SplitConjunction(ctx, f.Expression)
	}
	rows, ok, err := s.scannedRows(ctx, planned, t)
	if !ok || err != nil {
		return choice{}, false, err
	}
	scan, _ := scanUnder(planned)
	c.lookup, _, err = scan.GetLookup(ctx, nil)
	c.rows = max(1, float64(rows))
	return c, err == nil, err
}

// chosenLookup returns the lookup of the index that a table is best read by where conditions leave a choice, and what it does not decide; an empty
// one: the whole table is to be read. False: the planner is to say.
func (t *Table) chosenLookup(ctx *sql.Context, exprs []sql.Expression) (l sql.IndexLookup, rest []sql.Expression, decided bool, err error) {
	s, ok := ctx.Session.(*Session)
	if !ok || t.forced || !value.Served(ctx) {
		return l, nil, false, nil
	}
	if s.wholeTable != 0 && planrule.TablesIn(ctx, expression.JoinAnd(exprs...)).Contains(int(s.wholeTable)) {
		return l, exprs, true, nil
	}
	if s.joining {
		return l, nil, false, nil
	}
	indexes, err := t.GetIndexes(ctx)
	if err != nil {
		return l, nil, false, err
	}
	condition := expression.JoinAnd(exprs...)
	named, id := map[string]bool{}, sql.TableId(0)
	sql.Inspect(ctx, condition, func(_ *sql.Context, e sql.Expression) bool {
		if f, ok := e.(*expression.GetField); ok && t.column(f) >= 0 {
			named[strings.ToLower(f.Name())], id = true, f.TableId()
		}
		return !planrule.Unindexed(e)
	})
	var serving []*Index
	for _, x := range indexes {
		ix, ok := x.(*Index)
		if !ok || !named[strings.ToLower(ix.shape.schema[ix.columns[0]].Name)] {
			continue
		}
		if ix.pseudo != nil {
			return l, nil, false, nil
		}
		serving = append(serving, ix)
	}
	if len(serving) < 2 {
		return l, nil, false, nil
	}
	var choices []choice
	for _, ix := range serving {
		c, ok, err := s.choiceOf(ctx, s.b.rangeScans, t, id, ix, condition)
		if err != nil {
			return l, nil, false, err
		}
		if ok {
			choices = append(choices, c)
		}
	}
	if len(choices) < 2 {
		return l, nil, false, nil
	}
	total, _, err := t.RowCount(ctx)
	if err != nil {
		return l, nil, false, err
	}
	best, least := choice{}, max(fewRows*scanShare, float64(total))/scanShare
	for _, c := range choices {
		cost := c.rows
		if c.ix.def == t.shape.def.Primary || t.projection != nil && c.ix.CoversColumns(t.projection) {
			cost = c.rows / scanShare
		}
		if cost < least || cost == least && best.ix != nil && c.before(best) {
			best, least = c, cost
		}
	}
	return best.lookup, best.rest, true, nil
}

// before reports whether an index is to be read rather than another of which as many rows are: one that decides more, is the primary key, or has
// fewer columns.
func (c choice) before(other choice) bool {
	if len(c.rest) != len(other.rest) {
		return len(c.rest) < len(other.rest)
	}
	if primary := c.ix.shape.def.Primary; c.ix.def == primary || other.ix.def == primary {
		return c.ix.def == primary
	}
	return len(c.ix.columns) < len(other.ix.columns)
}
