package planrule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/value"
)

// groupByRule is the name of the planner's rule for ONLY_FULL_GROUP_BY.
const groupByRule = "validateGroupBy"

// ReplaceGroupByCheck puts checkGroups in the place of the planner's check, which goes by the texts of expressions and
// by primary keys alone. It comes before conditions are evaluated: of one that is never true no columns are left.
func ReplaceGroupByCheck() {
	rules := slices.Clone(analyzer.OnceBeforeDefault)
	at := func(id string) int {
		return slices.IndexFunc(rules, func(r analyzer.Rule) bool { return r.Id.String() == id })
	}
	r := rules[at(groupByRule)]
	base := r.Apply
	r.Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
		sel analyzer.RuleSelector, flags *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
		if !value.Served(ctx) {
			return base(ctx, a, n, scope, sel, flags)
		}
		if !sql.LoadSqlMode(ctx).OnlyFullGroupBy() {
			return n, transform.SameTree, nil
		}
		return n, transform.SameTree, checkGroups(ctx, n, selection{})
	}
	rules = slices.Delete(rules, at(groupByRule), at(groupByRule)+1)
	analyzer.OnceBeforeDefault = slices.Insert(rules, at("simplifyFilters"), r)
}

// AllowSeveralDatabases has DELETE take rows of tables of several databases; the planner deletes them, but refuses
// the statement.
func AllowSeveralDatabases() {
	for i, r := range analyzer.OnceBeforeDefault {
		if r.Id.String() == "validateDeleteFrom" {
			base := r.Apply
			analyzer.OnceBeforeDefault[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
				sel analyzer.RuleSelector, flags *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
				out, same, err := base(ctx, a, n, scope, sel, flags)
				if err != nil && value.Served(ctx) && strings.HasPrefix(err.Error(), "multiple databases specified") {
					return n, transform.SameTree, nil
				}
				return out, same, err
			}
		}
	}
}

// selection is what stands above a node of one SELECT.
type selection struct {
	distinct bool
	// unordered: the ORDER BY of a subquery without LIMIT that only its rows matter of.
	unordered bool
	list      []sql.Expression // nil: not seen
	order     sql.SortConditions
	defs      map[sql.ColumnId]sql.Expression // what aliases stand for
}

// checkGroups returns MySQL's error of a query whose select list, HAVING or ORDER BY has columns that have several values
// in a group (1055, 1140), or whose ORDER BY has what DISTINCT has several values of (3065, 3066).
func checkGroups(ctx *sql.Context, n sql.Node, s selection) error {
	if x, ok := n.(sql.Expressioner); ok {
		for _, e := range x.Expressions() {
			var err error
			unordered := map[*plan.Subquery]bool{} // their ORDER BY is without effect
			sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
				switch e := e.(type) {
				case *plan.InSubquery, *plan.ExistsSubquery, *expr.QuantifiedComparison:
					for _, c := range e.Children() {
						if sub, ok := c.(*plan.Subquery); ok {
							unordered[sub] = true
						}
					}
				case *plan.Subquery:
					if err == nil {
						err = checkGroups(ctx, e.Query, selection{unordered: unordered[e]})
					}
				}
				return err == nil
			})
			if err != nil {
				return err
			}
		}
	}
	switch n := n.(type) {
	case *plan.Distinct:
		s = selection{distinct: true, unordered: s.unordered}
	case *plan.Project:
		if s.defs == nil {
			s.defs = map[sql.ColumnId]sql.Expression{}
		}
		if s.list == nil && slices.ContainsFunc(n.Projections, func(e sql.Expression) bool { return !ofUnion(e) }) {
			s.list = n.Projections
		}
		addDefs(s.defs, n.Projections)
	case *plan.Sort:
		if s.unordered {
			break
		}
		s.order = n.SortConditions
		if s.distinct && s.list != nil {
			if err := s.checkDistinct(ctx, n.Child); err != nil {
				return err
			}
		}
	case *plan.GroupBy:
		if err := s.checkGroup(ctx, n); err != nil {
			return err
		}
		s = selection{}
	case *plan.Limit, *plan.Offset, *plan.Having, *plan.Window:
	default:
		s = selection{}
	}
	children := n.Children()
	if a, ok := n.(*plan.SubqueryAlias); ok {
		children = []sql.Node{a.Child}
	}
	for _, c := range children {
		if err := checkGroups(ctx, c, s); err != nil {
			return err
		}
	}
	return nil
}

// ofUnion reports whether an expression is a column that a side of a set operation hands on.
func ofUnion(e sql.Expression) bool {
	if a, ok := e.(*expression.Alias); ok {
		e = a.Child
	}
	f, ok := e.(*expression.GetField)
	return ok && f.Id() == 0
}

func addDefs(defs map[sql.ColumnId]sql.Expression, list []sql.Expression) {
	for _, e := range list {
		if a, ok := e.(*expression.Alias); ok && a.Id() > 0 {
			defs[a.Id()] = a.Child
		}
	}
}

// checkGroup checks a query with groups.
func (s selection) checkGroup(ctx *sql.Context, g *plan.GroupBy) error {
	d := newDependencies(ctx, g.Child)
	d.defs = s.defs
	for _, e := range g.GroupByExprs {
		d.add(e)
	}
	d.close()
	list := s.list
	if list == nil {
		list = g.SelectDeps
	}
	fault := func(i int, clause string, e sql.Expression) error {
		c := d.open(e)
		switch {
		case c == nil:
			return nil
		case len(g.GroupByExprs) > 0:
			return mysql.NewSQLError(mysql.ERWrongFieldWithGroup, "42000", "Expression #%d of %s is not in GROUP BY clause and contains nonaggregated column '%s' which is not "+
				"functionally dependent on columns in GROUP BY clause; this is incompatible with sql_mode=only_full_group_by", i+1, clause, d.name(c))
		}
		return mysql.NewSQLError(mysql.ERMixOfGroupFuncAndFields, "42000", "In aggregated query without GROUP BY, expression #%d of %s contains nonaggregated column '%s'; "+
			"this is incompatible with sql_mode=only_full_group_by", i+1, clause, d.name(c))
	}
	for i, e := range list {
		if err := fault(i, "SELECT list", e); err != nil {
			return err
		}
	}
	if len(g.GroupByExprs) > 0 {
		for i, o := range s.order {
			if err := fault(i, "ORDER BY clause", o.Expr); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDistinct checks the ORDER BY of a SELECT DISTINCT: what it has is in the select list.
func (s selection) checkDistinct(ctx *sql.Context, below sql.Node) error {
	listed, named, columns := map[string]bool{}, map[string]bool{}, map[sql.ColumnId]bool{}
	for _, e := range s.list {
		if a, ok := e.(*expression.Alias); ok {
			columns[a.Id()] = true
			e = a.Child
			named[sql.DebugString(ctx, e)] = !a.Unreferencable()
		}
		listed[sql.DebugString(ctx, e)] = true
		if f, ok := e.(*expression.GetField); ok && !ofAggregate(f) {
			columns[f.Id()] = true
		}
	}
	defs := map[sql.ColumnId]sql.Expression{}
	var from sql.Node
	for from == nil {
		switch n := below.(type) {
		case *plan.Project:
			addDefs(defs, n.Projections)
			below = n.Child
		case *plan.Having:
			below = n.Child
		case *plan.GroupBy:
			all := len(n.GroupByExprs) > 0
			for _, e := range n.GroupByExprs {
				if a, ok := e.(*expression.Alias); ok {
					e = a.Child
				}
				all = all && listed[sql.DebugString(ctx, e)]
			}
			if all || len(n.GroupByExprs) == 0 { // there are no equal rows
				return nil
			}
			from = n.Child
		case *plan.Window:
			return nil
		default:
			from = below
		}
	}
	d := newDependencies(ctx, from)
	for i, o := range s.order {
		var fault error
		var check func(e sql.Expression)
		check = func(e sql.Expression) {
			if named[sql.DebugString(ctx, e)] {
				return
			}
			reference := func(c *expression.GetField) {
				switch def := defs[c.Id()]; {
				case columns[c.Id()] || fault != nil:
				case d.columns.Contains(c.Id()):
					fault = mysql.NewSQLError(3065, "HY000", "Expression #%d of ORDER BY clause is not in SELECT list, references column '%s' which is not in SELECT list; "+
						"this is incompatible with DISTINCT", i+1, d.name(c))
				case def != nil:
					check(def)
				case ofAggregate(c):
					fault = mysql.NewSQLError(3066, "HY000", "Expression #%d of ORDER BY clause is not in SELECT list, contains aggregate function; "+
						"this is incompatible with DISTINCT", i+1)
				}
			}
			switch e := e.(type) {
			case *function.NamedArgument:
				if strings.HasPrefix(e.Text, AnyValue) {
					return
				}
			case *expression.GetField:
				reference(e)
				return
			case *plan.Subquery:
				for _, c := range outerColumns(ctx, e, d.tables) {
					check(c)
				}
				return
			}
			for _, c := range e.Children() {
				if fault == nil {
					check(c)
				}
			}
		}
		if listed[sql.DebugString(ctx, o.Expr)] {
			continue
		}
		if check(o.Expr); fault != nil {
			return fault
		}
	}
	return nil
}

// ofAggregate reports whether a column is the planner's of an aggregate.
func ofAggregate(c *expression.GetField) bool {
	return strings.Contains(c.Name(), "(") && !strings.HasPrefix(c.Name(), "anyvalue(") && c.Table() == ""
}

// name returns a column's name as errors have it: with its database, unless it is a view's or a derived table's.
func (d *dependencies) name(c *expression.GetField) string {
	if c.Database() == "" || d.derivedColumns.Contains(c.Id()) {
		return c.String()
	}
	return fmt.Sprintf("%s.%s", c.Database(), c)
}

// AnyValue begins the text of what was the argument of an ANY_VALUE.
const AnyValue = "\x00any"
