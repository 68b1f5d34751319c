package planrule

import (
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// varyingFunctions are the functions whose value may be another for each row though they name no column.
var varyingFunctions = map[string]bool{"rand": true, "uuid": true, "uuid_short": true, "random_bytes": true, "sleep": true,
	"get_lock": true, "release_lock": true, "release_all_locks": true, "is_free_lock": true, "is_used_lock": true}

// MarkVarying marks what varies in a statement: the variables that it sets, wherever they are read, and in its conditions the
// functions that vary.
func MarkVarying(query string, stmt ast.Statement) {
	assigned := map[string]bool{}
	if strings.Contains(query, ":=") {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if f, ok := n.(*ast.FuncExpr); ok && f.Name.String() == function.AssignFunction {
				assigned[f.Exprs[0].(*ast.AliasedExpr).Expr.(*ast.ColName).Name.Lowered()] = true
			}
			return true, nil
		}, stmt)
	}
	functions := false
	if syntax.ContainsFold(query, "where") || syntax.ContainsFold(query, "join") {
		for name := range varyingFunctions {
			functions = functions || syntax.ContainsFold(query, name)
		}
	}
	if len(assigned) == 0 && !functions {
		return
	}
	condition := func(e *ast.Expr) {
		_ = syntax.ReplaceNodes(reflect.ValueOf(e).Elem(), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			f, ok := n.(*ast.FuncExpr)
			if !ok {
				return nil, true, nil
			}
			if f.Name.String() == function.VaryFunction {
				return nil, false, nil
			}
			if f.Qualifier.IsEmpty() && varyingFunctions[f.Name.Lowered()] {
				return syntax.Call(function.VaryFunction, f), false, nil
			}
			return nil, true, nil
		})
	}
	where := func(w *ast.Where) {
		if w != nil && functions {
			condition(&w.Expr)
		}
	}
	var visit func(n ast.SQLNode) (ast.SQLNode, bool, error)
	visit = func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.Select:
			where(n.Where)
		case *ast.Update:
			where(n.Where)
		case *ast.Delete:
			where(n.Where)
		case *ast.JoinTableExpr:
			if n.Condition.On != nil && functions {
				condition(&n.Condition.On)
			}
		case *ast.FuncExpr:
			switch n.Name.String() {
			case function.VaryFunction:
				return nil, false, nil
			case function.AssignFunction:
				return nil, false, syntax.ReplaceNodes(reflect.ValueOf(n.Exprs[1]), visit)
			}
		case *ast.ColName:
			if assigned[n.Name.Lowered()] && n.Qualifier.IsEmpty() {
				return syntax.Call(function.VaryFunction, n), false, nil
			}
		case *ast.Call:
			return nil, false, nil // they may be set
		}
		return nil, true, nil
	}
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), visit)
}

// varies reports whether an expression or one of its operands varies; sets: whether it sets variables.
func varies(ctx *sql.Context, e sql.Expression, sets bool) bool {
	return transform.InspectExpr(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case function.Varying:
			_, set := e.Expression.(*function.Assign)
			return set || !sets
		case *function.SeededRandom, function.Random, *builtin.RandomBytes, *builtin.UUIDFunc, *builtin.UUIDShortFunc:
			return !sets
		case *plan.Subquery:
			return RowsVary(ctx, e.Query, sets)
		}
		return false
	})
}

// held is a condition that stays where it is while the planner moves others: it shows no columns.
type held struct{ sql.Expression }

// Children implements sql.Expression.
func (held) Children() []sql.Expression { return nil }

// WithChildren implements sql.Expression.
func (h held) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(h, len(children), 0)
	}
	return h, nil
}

// GuardVarying has conditions that vary from row to row stay where they are written. The planner would move them into derived tables
// and below joins, and other conditions into derived tables whose rows vary. Those it would make for each row of a join, and
// subqueries whose rows vary once.
func GuardVarying(a *analyzer.Analyzer) {
	AroundRule(a, "simplifyFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		same := transform.SameTree
		if (f == nil || f.IsSet(sql.QFlagUndeferrableExprs)) && value.Served(ctx) {
			var err error
			if n, same, err = transform.NodeWithOpaque(ctx, n, groupedValues); err != nil {
				return n, same, err
			}
			var sorted, marked transform.TreeIdentity
			if n, sorted, err = transform.NodeWithOpaque(ctx, n, sortedValues); err != nil {
				return n, sorted, err
			}
			if n, marked, err = transform.NodeExprsWithOpaque(ctx, n, markVolatile); err != nil {
				return n, same, err
			}
			same = same && sorted && marked
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
	for _, id := range []string{"pushFilters", "pushdownSubqueryAliasFilters"} {
		AroundRule(a, id, func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
			if f != nil && !f.IsSet(sql.QFlagUndeferrableExprs) || !value.Served(ctx) {
				return rule(ctx, n, f)
			}
			mappings := map[sql.TableId]map[sql.ColumnId]sql.Expression{}
			kept, _, err := transform.NodeWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				switch n := n.(type) {
				case *plan.SubqueryAlias:
					if n.ScopeMapping != nil && RowsVary(ctx, n.Child, false) {
						mappings[n.Id()] = n.ScopeMapping
						return n.WithScopeMapping(nil), transform.NewTree, nil
					}
				case *plan.Filter:
					all, same := expression.SplitConjunction(ctx, n.Expression), transform.SameTree
					for i, e := range all {
						if varies(ctx, e, false) {
							all[i], same = held{e}, transform.NewTree
						}
					}
					if !same {
						return plan.NewFilter(ctx, expression.JoinAnd(all...), n.Child), same, nil
					}
				}
				return n, transform.SameTree, nil
			})
			if err != nil {
				return n, transform.SameTree, err
			}
			kept, same, err := rule(ctx, kept, f)
			if err != nil || bool(same) {
				return n, transform.SameTree, err
			}
			kept, _, err = transform.NodeWithOpaque(ctx, kept, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				switch n := n.(type) {
				case *plan.SubqueryAlias:
					if m := mappings[n.Id()]; m != nil {
						return n.WithScopeMapping(m), transform.NewTree, nil
					}
				case *plan.Filter:
					e, same, err := transform.Expr(ctx, n.Expression, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
						if h, ok := e.(held); ok {
							return h.Expression, transform.NewTree, nil
						}
						return e, transform.SameTree, nil
					})
					if err != nil || bool(same) {
						return n, same, err
					}
					return plan.NewFilter(ctx, e, n.Child), same, nil
				}
				return n, transform.SameTree, nil
			})
			return kept, transform.NewTree, err
		})
	}
	AroundRule(a, "cacheSubqueryAliasesInJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := transform.NodeWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			if t, ok := n.(*plan.SubqueryAlias); ok && t.Volatile {
				return t.WithVolatile(false), transform.NewTree, nil
			}
			return n, transform.SameTree, nil
		})
		if err != nil {
			return n, same, err
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
}

// markVolatile has a subquery whose rows vary made each time, not once.
func markVolatile(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	sub, ok := e.(*plan.Subquery)
	if !ok || sub.Volatile() || !RowsVary(ctx, sub.Query, false) {
		return e, transform.SameTree, nil
	}
	q, _, err := transform.NodeExprsWithOpaque(ctx, sub.Query, markVolatile)
	return sub.WithQuery(q).WithVolatile(), transform.NewTree, err
}

// RowsVary reports whether an expression of a query varies; sets: whether it sets variables.
func RowsVary(ctx *sql.Context, n sql.Node, sets bool) (found bool) {
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		if x, ok := n.(sql.Expressioner); ok {
			found = found || slices.ContainsFunc(x.Expressions(), func(e sql.Expression) bool { return varies(ctx, e, sets) })
		}
		return !found
	})
	return found
}

// sortedColumns is the first number of the columns that sortedValues adds: of values that ORDER BY cannot name.
const sortedColumns sql.ColumnId = 1 << 15

// sortedValues has a query's ORDER BY sort by the values that are sent where they vary: the planner would evaluate them again behind
// the sort. What else varies in the select list is evaluated with them, in its order. (An ORDER BY RAND() beside a RAND() without
// an alias is by the values sent, too.)
func sortedValues(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	p, ok := n.(*plan.Project)
	if !ok {
		return n, transform.SameTree, nil
	}
	sort, ok := p.Child.(*plan.Sort)
	if !ok {
		return n, transform.SameTree, nil
	}
	below := sort.Child
	having, ok := below.(*plan.Having)
	if ok {
		below = having.Child
	}
	sent := slices.Clone(p.Projections)
	values := map[string]*expression.Alias{} // by what they are evaluated from
	var named []*expression.Alias
	for i, e := range sent {
		if !varies(ctx, e, false) {
			continue
		}
		a, ok := e.(*expression.Alias)
		if !ok {
			a = expression.NewAlias(ctx, e.String(), e)
		}
		a = a.WithId(sortedColumns + sql.ColumnId(i)).(*expression.Alias)
		if values[e.String()] == nil {
			values[e.String()] = a
		}
		named = append(named, a)
	}
	if len(named) == 0 {
		return n, transform.SameTree, nil
	}
	var evaluated []sql.Expression
	if q, ok := below.(*plan.Project); ok {
		below = q.Child
		for _, e := range q.Projections {
			a, ok := e.(*expression.Alias)
			if at := values[e.String()]; !ok || at == nil {
				evaluated = append(evaluated, e)
			} else if a.Id() > 0 {
				i := slices.Index(named, at)
				named[i] = at.WithId(a.Id()).(*expression.Alias)
				values[e.String()] = named[i]
			}
		}
	} else if evaluated = columnsRead(ctx, append(sort.Expressions(), sent...)); evaluated == nil || having != nil {
		return n, transform.SameTree, nil
	}
	sorts, by := false, slices.Clone(sort.SortConditions)
	for i, c := range by {
		var err error
		by[i].Expr, _, err = transform.Expr(ctx, c.Expr, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if f, ok := e.(*expression.GetField); ok {
				sorts = sorts || slices.ContainsFunc(named, func(a *expression.Alias) bool { return a.Id() == f.Id() })
			} else if a := values[e.String()]; a != nil {
				sorts = true
				return valueOf(ctx, a), transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
	}
	if !sorts {
		return n, transform.SameTree, nil
	}
	for i, e := range sent {
		if varies(ctx, e, false) {
			sent[i], evaluated, named = valueOf(ctx, named[0]), append(evaluated, named[0]), named[1:]
		}
	}
	out := sql.Node(plan.NewProject(ctx, evaluated, below))
	if having != nil {
		out = plan.NewHaving(having.Cond, out)
	}
	return plan.NewProject(ctx, sent, plan.NewSort(by, out)), transform.NewTree, nil
}

// columnsRead returns the columns that expressions read, and their subqueries of the row, each once; nil if those are not found.
func columnsRead(ctx *sql.Context, all []sql.Expression) []sql.Expression {
	columns, seen, more := []sql.Expression{}, map[sql.ColumnId]bool{}, false
	add := func(f *expression.GetField) {
		if !seen[f.Id()] {
			seen[f.Id()], columns = true, append(columns, f)
		}
	}
	for _, e := range all {
		transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
			switch e := e.(type) {
			case *expression.GetField:
				add(e)
			case *plan.Subquery:
				transform.InspectWithOpaque(ctx, e.Query, func(ctx *sql.Context, n sql.Node) bool {
					if x, ok := n.(sql.Expressioner); ok {
						for _, inner := range x.Expressions() {
							transform.InspectExpr(ctx, inner, func(_ *sql.Context, inner sql.Expression) bool {
								if f, ok := inner.(*expression.GetField); ok && e.Correlated().Contains(f.Id()) {
									add(f)
								}
								return false
							})
						}
					}
					return true
				})
				e.Correlated().ForEach(func(id sql.ColumnId) { more = more || !seen[id] })
			}
			return false
		})
	}
	if more {
		return nil
	}
	return columns
}
