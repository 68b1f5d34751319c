package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// planMembers has the planner's choice of indexes read multi-valued ones where the conditions above a table are of members that are literals:
// what sorts the rows is planned by then. The plans of statements of one table, which do not sort, it does not come to: see filter.
func planMembers(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := rule(ctx, n, f)
		s, ok := ctx.Session.(*Session)
		if err != nil || !ok || !s.b.mysql {
			return n, same, err
		}
		n, same2, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			f, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			scan, err := s.memberScan(ctx, f, planrule.Literal)
			if scan == nil || err != nil {
				return n, transform.SameTree, err
			}
			return plan.NewFilter(ctx, f.Expression, scan), transform.NewTree, nil
		})
		return n, same && same2, err
	})
}

// memberScan returns the scan of a multi-valued index in place of that of the table below a filter, nil if no condition is served by one.
// Those are x MEMBER OF (array), JSON_CONTAINS(array, x) and JSON_OVERLAPS of the array that the index casts, with an x that is
// known. The filter stays above.
//
// Source: MySQL's range access by multi-valued indexes.
func (s *Session) memberScan(ctx *sql.Context, n *plan.Filter, known func(*sql.Context, sql.Expression) bool) (sql.Node, error) {
	scanned := n.Child
	alias, aliased := scanned.(*plan.TableAlias)
	if aliased {
		scanned = alias.Child
	}
	rt, ok := scanned.(*plan.ResolvedTable)
	t := tableOf(scanned)
	if !ok || t == nil || t.filter != nil || !slices.ContainsFunc(t.shape.indexes, func(ix *Index) bool { return ix.multi >= 0 }) {
		return nil, nil
	}
	a := memberAccess{ctx: ctx, t: t, name: t.Name(), conditions: expression.SplitConjunction(ctx, n.Expression), known: known}
	if aliased {
		a.name = alias.Name()
	}
	best, least := sql.IndexLookup{}, uint64(0)
	for _, ix := range t.shape.indexes {
		if ix.multi < 0 || ix.def.Invisible || !t.ref.reads(ix) {
			continue
		}
		lookup, rows, err := s.memberLookup(ix, &a)
		if err != nil {
			return nil, err
		}
		if lookup.Index != nil && (best.Index == nil || rows < least) {
			best, least = lookup, rows
		}
	}
	if best.Index == nil {
		return nil, nil
	}
	if total, _, err := t.RowCount(ctx); err != nil || least > knownScanRows && least*unionShare > total && t.ref.hints == "" {
		return nil, err
	}
	scan := *rt
	scan.Table = counted(rt.Table)
	access, err := plan.NewStaticIndexedAccessForTableNode(ctx, &scan, best)
	if err != nil || !aliased {
		return access, err
	}
	return alias.WithChildren(ctx, access)
}

// memberLookup returns the lookup of an index and about how many rows it reads; none if the conditions do not say which member it is, or which
// values the columns before the array have.
func (s *Session) memberLookup(ix *Index, a *memberAccess) (sql.IndexLookup, uint64, error) {
	none := sql.IndexLookup{}
	kind, err := value.NewArrayType(a.t.shape.def.Columns[ix.columns[ix.multi]].Options[optArray])
	if err != nil {
		return none, 0, err
	}
	of, err := s.arrayText(a.ctx, a.t, ix)
	if err != nil {
		return none, 0, err
	}
	builder := sql.NewMySQLIndexBuilder(a.ctx, ix)
	for i, part := range ix.ColumnExpressionTypes(a.ctx)[:ix.multi+1] {
		name := strings.ToLower(part.Expression)
		served := false
		for _, e := range a.conditions {
			if i == ix.multi {
				var keys []any
				if keys = a.members(e, of, kind); keys != nil {
					served = true
					builder = builder.Equals(a.ctx, name, types.LongBlob, keys...)
				}
			} else if v, t := a.equal(e, ix.shape.schema[ix.columns[i]].Name); v != nil {
				served = true
				builder = builder.Equals(a.ctx, name, t, v)
			}
			if served {
				break
			}
		}
		if !served {
			return none, 0, nil
		}
	}
	lookup, err := builder.Build(a.ctx)
	if err != nil {
		return none, 0, nil //nolint:nilerr // the filter says so
	}
	ranges, err := newLookup(a.ctx, ix, lookup)
	if err != nil {
		return none, 0, err
	}
	rows, err := s.b.db.EstimateRows(a.ctx, a.t.shape.def, ix.def, ranges.ranges)
	return lookup, rows, wireError(err)
}

// memberAccess reads the conditions above a table.
type memberAccess struct {
	ctx        *sql.Context
	t          *Table
	name       string // of the table in the statement
	conditions []sql.Expression
	known      func(*sql.Context, sql.Expression) bool
}

// equal returns the value that a condition which an index serves sets a column equal to, and its type; nil if it is another.
func (a *memberAccess) equal(e sql.Expression, column string) (any, sql.Type) {
	eq, ok := e.(*expression.Equals)
	if !ok {
		return nil, nil
	}
	left, right := eq.Left(), eq.Right()
	if _, ok := left.(*expression.GetField); !ok {
		left, right = right, left
	}
	f, ok := left.(*expression.GetField)
	if !ok || !strings.EqualFold(f.Name(), column) || !strings.EqualFold(f.Table(), a.name) || !a.known(a.ctx, right) {
		return nil, nil
	}
	v, err := right.Eval(a.ctx, nil)
	if err != nil {
		return nil, nil
	}
	return v, right.Type(a.ctx)
}

// members returns the keys of members of which all rows that e is true of have one, nil if the index does not tell.
func (a *memberAccess) members(e sql.Expression, of string, kind *value.ArrayType) []any {
	e = planrule.Condition(e)
	f, ok := e.(sql.FunctionExpression)
	if !ok || len(e.Children()) != 2 {
		return nil
	}
	array, with := e.Children()[0], e.Children()[1]
	switch name := f.FunctionName(); {
	case name == "member of":
		array, with = with, array
	case name == "json_overlaps" && !a.isArray(array, of):
		array, with = with, array
	case name != "json_contains" && name != "json_overlaps":
		return nil
	}
	if !a.isArray(array, of) || !a.known(a.ctx, with) {
		return nil
	}
	v, err := with.Eval(a.ctx, nil)
	if err == nil && v != nil {
		v, err = sql.UnwrapAny(a.ctx, v)
	}
	if err != nil || v == nil {
		return nil // the filter says so
	}
	if f.FunctionName() == "member of" {
		v, err = expr.JSONValueIn(a.ctx, v)
	} else {
		v, err = value.JSONOf(a.ctx, v, 2, f.FunctionName())
	}
	if err != nil {
		return nil // the filter says so
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	} else if f.FunctionName() == "member of" {
		return nil // no member is an array
	}
	return a.keys(kind, list, f.FunctionName() == "json_contains")
}

// isArray reports whether an argument is the array that the index casts.
func (a *memberAccess) isArray(e sql.Expression, of string) bool {
	text, ok := unqualifiedText(a.ctx, e, a.name)
	return ok && text == of
}

// keys returns the keys of some members, or of all of which one does; nil if the index does not tell.
func (a *memberAccess) keys(kind *value.ArrayType, list []any, all bool) []any {
	var keys []any
	for _, v := range list {
		switch v.(type) {
		case nil:
			continue // no row has it
		case []any, map[string]any:
			return nil
		}
		key, err := kind.Member(a.ctx, v)
		if err != nil || !kind.Exactly(a.ctx, v) {
			return nil
		}
		if keys = append(keys, key); all {
			break
		}
	}
	return keys
}

// arrayText returns the array that a multi-valued index casts, as unqualifiedText does.
func (s *Session) arrayText(ctx *sql.Context, t *Table, ix *Index) (string, error) {
	if text := ix.array.Load(); text != nil {
		return *text, nil
	}
	schema := planbuilder.New(ctx, s.b.catalog, nil).ResolveSchemaDefaults(t.db.Name(), t.Name(), t.shape.schema.Copy())
	text := ""
	if d := schema[ix.columns[ix.multi]].Generated; d != nil {
		e, _, err := transform.Expr(ctx, d.Expr, expr.Check)
		if err != nil {
			return "", err
		}
		if k, ok := e.(*keptExpression); ok {
			e = k.Child
		}
		if args, ok := expr.ArrayCall(e); ok {
			text, _ = unqualifiedText(ctx, args[0], t.Name())
		}
	}
	ix.array.Store(&text)
	return text, nil
}

// unqualifiedText returns an expression of the columns of one table as a text without the table's name, false if it has others.
func unqualifiedText(ctx *sql.Context, e sql.Expression, table string) (string, bool) {
	ok := true
	e, _, err := transform.Expr(ctx, e, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		switch x := e.(type) {
		case *expression.GetField:
			ok = ok && (x.Table() == "" || strings.EqualFold(x.Table(), table))
			return expression.NewGetField(0, x.Type(ctx), strings.ToLower(x.Name()), true), transform.NewTree, nil
		case *plan.Subquery:
			ok = false
		case *expr.ExactDocument:
			return x.Expression, transform.NewTree, nil
		}
		return e, transform.SameTree, nil
	})
	if err != nil || !ok {
		return "", false
	}
	return e.String(), true
}
