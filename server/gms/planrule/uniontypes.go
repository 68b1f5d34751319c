package planrule

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// The columns of set operations and of WITH RECURSIVE have the types that MySQL gives them: of a
// set operation those that both sides' values have room in (its Item::aggregate_type), of WITH
// RECURSIVE those of the part that does not recur. The planner's are LONGTEXT, DECIMAL(65,30)
// and the like, and it finds columns of one name by the name. GROUP_CONCAT has its argument's
// collation, the planner's compares bytes.

// unionTypesRule is the analyzer's rule for them. It comes first, so that all others see the types.
const unionTypesRule = expr.CheckedRule + 3

// AddUnionTypes adds the rule that gives set operations MySQL's types. Call it once, before an analyzer is made.
func AddUnionTypes() {
	analyzer.OnceBeforeDefault = slices.Insert(slices.Clone(analyzer.OnceBeforeDefault), 0, analyzer.Rule{
		Id: unionTypesRule,
		Apply: func(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
			_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
			if !value.Served(ctx) {
				return n, transform.SameTree, nil
			}
			return UnionTypes(ctx, n)
		},
	})
}

// UnionTypes gives the set operations, derived tables and GROUP_CONCATs of a tree and those of its subqueries their types. A
// second time it changes nothing.
func UnionTypes(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	if !hasUnion(ctx, n) {
		return n, transform.SameTree, nil
	}
	u := unionTyping{ctx: ctx, types: map[sql.ColumnId]sql.Type{}, concats: map[string]sql.Type{}}
	out, err := u.node(n)
	return out, out == n, err
}

// hasUnion reports whether there is a set operation, a derived table, or an expression whose type the planner does not know (a
// GROUP_CONCAT, a remainder, arithmetic of a YEAR) in a tree or its subqueries.
func hasUnion(ctx *sql.Context, n sql.Node) (found bool) {
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		switch n := n.(type) {
		case *plan.SetOp, *plan.RecursiveCte, *plan.SubqueryAlias:
			found = true
		case sql.Expressioner:
			for _, e := range n.Expressions() {
				sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
					switch x := e.(type) {
					case *aggregation.GroupConcat, *expression.Mod:
						found = true
					case *expression.Arithmetic, *expression.Div:
						found = found || slices.ContainsFunc(x.Children(), isYear)
					case *plan.Subquery:
						found = found || hasUnion(ctx, x.Query)
					}
					return !found
				})
			}
		}
		return !found
	})
	return found
}

// unionTyping is how far UnionTypes is.
type unionTyping struct {
	ctx     *sql.Context
	types   map[sql.ColumnId]sql.Type // of columns with other types than the planner thought
	concats map[string]sql.Type       // of GROUP_CONCATs by their texts, of which the planner has equal ones once
	rolling bool                      // within the levels of a ROLLUP
}

// node returns n with the types of set operations, and of what reads them.
func (u *unionTyping) node(n sql.Node) (sql.Node, error) {
	if r, ok := n.(*plan.RecursiveCte); ok {
		return u.recursive(r)
	}
	if a, ok := n.(*plan.TableAlias); ok {
		if s, ok := u.ctx.Session.(interface{ NoteAlias(*plan.TableAlias) }); ok {
			s.NoteAlias(a)
		}
	}
	if d, ok := n.(*plan.SubqueryAlias); ok {
		defer func(outer bool) { u.rolling = outer }(u.rolling)
		u.rolling = d.Name() == rewrite.RollupTable
	}
	children := n.Children()
	var others []sql.Node
	for i, c := range children {
		x, err := u.node(c)
		if err != nil {
			return nil, err
		}
		if x != c {
			if others == nil {
				others = slices.Clone(children)
			}
			others[i] = x
		}
	}
	out := n
	if others != nil {
		var err error
		if out, err = n.WithChildren(u.ctx, others...); err != nil {
			return nil, err
		}
	}
	switch x := out.(type) {
	case *plan.SetOp:
		return u.union(x)
	case *plan.SubqueryAlias:
		return u.derived(u.numbered(x), n.Schema(u.ctx)), nil
	}
	out, err := u.exprsOf(out)
	if err != nil {
		return nil, err
	}
	switch x := out.(type) {
	case *plan.Project:
		out = u.rolledTexts(x)
		u.evaluated(x.Projections)
	case *plan.GroupBy:
		u.concatenated(x)
		u.evaluated(x.SelectDeps)
	}
	return out, nil
}

// evaluated notes the types that the numbers of a list have when they are evaluated where the planner thinks that they have others.
func (u *unionTyping) evaluated(list []sql.Expression) {
	for _, e := range list {
		if a, ok := e.(sql.IdExpression); ok && a.Id() != 0 {
			if t := evaluatedType(u.ctx, e); t != nil {
				u.types[a.Id()] = t
			}
		}
	}
}

// evaluatedType returns the type that a number has when it is evaluated, nil where that is the planner's: a remainder of integers is a
// DECIMAL to it, one of a quotient has no digits.
func evaluatedType(ctx *sql.Context, e sql.Expression) sql.Type {
	e = Unaliased(e)
	t := e.Type(ctx)
	if _, column := e.(*expression.GetField); column || !types.IsNumber(t) && !expr.IsPresentMoment(e) {
		return nil
	}
	x, same, err := transform.Expr(ctx, e, expr.Check)
	if err != nil || bool(same) {
		return nil
	}
	is := x.Type(ctx)
	if !types.IsNumber(t) {
		return is
	}
	kind := func(t sql.Type) [4]any {
		return [4]any{types.IsInteger(t), types.IsDecimal(t), types.IsUnsigned(t), digitsBehind(t)}
	}
	if !types.IsNumber(is) || kind(is) == kind(t) {
		return nil
	}
	return is
}

// rolledTexts returns the list of a SELECT with ROLLUP, whose ENUMs and SETs are texts (MySQL's Item_rollup_group_item is no column).
func (u *unionTyping) rolledTexts(n *plan.Project) sql.Node {
	var list []sql.Expression
	for i, e := range n.Projections {
		a, alias := e.(*expression.Alias)
		f, column := Unaliased(e).(*expression.GetField)
		if !alias || !column || f.Table() != rewrite.RollupTable {
			continue
		}
		text := expr.AsMemberText(u.ctx, f)
		if text == f {
			continue
		}
		if list == nil {
			list = slices.Clone(n.Projections)
		}
		list[i] = expression.NewAlias(u.ctx, a.Name(), text).WithId(a.Id()).(sql.Expression)
		u.types[a.Id()] = text.Type(u.ctx)
	}
	if list == nil {
		return n
	}
	return plan.NewProject(u.ctx, list, n.Child)
}

// MadeOf returns the expression of a node's list that makes a column of its rows, nil if there is none.
func MadeOf(n sql.Node, at int) sql.Expression {
	switch x := n.(type) {
	case *plan.Project:
		return x.Projections[at]
	case *plan.GroupBy:
		return x.SelectDeps[at]
	case *plan.Sort, *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Filter, *plan.Having:
		return MadeOf(n.Children()[0], at)
	}
	return nil
}

// digitsBehind are the digits of a DECIMAL behind its point, 0 of others.
func digitsBehind(t sql.Type) uint8 {
	if d, ok := t.(sql.DecimalType); ok {
		return d.Scale()
	}
	return 0
}

// concatenated notes the types that columns of GROUP_CONCATs have.
func (u *unionTyping) concatenated(n *plan.GroupBy) {
	for _, e := range n.SelectDeps {
		g, ok := e.(*aggregation.GroupConcat)
		if !ok {
			continue
		}
		collation, _ := expr.CommonCollation(u.ctx, g.OutputExpressions())
		if t, ok := g.Type(u.ctx).(sql.TypeWithCollation); ok {
			if t, err := t.WithNewCollation(collation); err == nil {
				u.concats[strings.ToLower(plan.AliasSubqueryString(u.ctx, g))] = t
			}
		}
	}
}

// exprsOf returns a node with the types in its own expressions.
func (u *unionTyping) exprsOf(n sql.Node) (sql.Node, error) {
	x, ok := n.(sql.Expressioner)
	if !ok {
		return n, nil
	}
	exprs := x.Expressions()
	var others []sql.Expression
	for i, e := range exprs {
		o, same, err := u.expr(e)
		if err != nil {
			return nil, err
		}
		if !same {
			if others == nil {
				others = slices.Clone(exprs)
			}
			others[i] = o
		}
	}
	if others == nil {
		return n, nil
	}
	return x.WithExpressions(u.ctx, others...)
}

// expr returns an expression with the types of the columns that it reads. What has a number of its own keeps it.
func (u *unionTyping) expr(e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	switch x := e.(type) {
	case *expression.GetField:
		t := u.types[x.Id()]
		if x.Table() == "" && t == nil {
			t = u.concats[x.Name()]
		}
		if t != nil && x.Id() != 0 && !t.Equals(x.Type(u.ctx)) {
			return retyped(x, t), transform.NewTree, nil
		}
		return e, transform.SameTree, nil
	case *plan.Subquery:
		q, err := u.node(x.Query)
		if err != nil || q == x.Query {
			return e, transform.SameTree, err
		}
		return x.WithQuery(q), transform.NewTree, nil
	}
	children, same := e.Children(), transform.SameTree
	calculates := false
	switch e.(type) {
	case *expression.Arithmetic, *expression.Div:
		calculates = true
	}
	for i, c := range children {
		o, sameChild, err := u.expr(c)
		if err != nil {
			return nil, same, err
		}
		if calculates && isYear(o) {
			o, sameChild = expr.NewYearNumber(o), transform.NewTree
		}
		if !sameChild {
			if same {
				children, same = slices.Clone(children), transform.NewTree
			}
			children[i] = o
		}
	}
	if same {
		return e, same, nil
	}
	out, err := e.WithChildren(u.ctx, children...)
	if err != nil {
		return nil, same, err
	}
	if was, ok := e.(sql.IdExpression); ok && was.Id() != 0 {
		if is, ok := out.(sql.IdExpression); ok {
			out = is.WithId(was.Id())
		}
		if t := out.Type(u.ctx); !t.Equals(e.Type(u.ctx)) {
			u.types[was.Id()] = t
		}
	}
	return out, same, nil
}

// isYear reports whether an expression is a YEAR column, with which the planner calculates as with a DOUBLE.
func isYear(e sql.Expression) bool {
	f, ok := e.(*expression.GetField)
	return ok && types.IsYear(f.Type(nil))
}

func retyped(f *expression.GetField, t sql.Type) sql.Expression {
	return expression.NewGetFieldWithTable(int(f.Id()), int(f.TableId()), t, f.Database(), f.Table(), f.Name(), f.IsNullable(nil))
}

// numbered gives the expressions of a derived table's list that have no names the numbers of its columns. They have none, and the
// planner takes a condition on one of them for one on the last.
func (u *unionTyping) numbered(n *plan.SubqueryAlias) *plan.SubqueryAlias {
	var above []sql.Node
	below := n.Child
	for {
		switch below.(type) {
		case *plan.Sort, *plan.TopN, *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Having:
			above = append(above, below)
			below = below.Children()[0]
			continue
		}
		break
	}
	p, ok := below.(*plan.Project)
	if !ok {
		return n
	}
	var list []sql.Expression
	mapping, at := n.ScopeMapping, 0
	n.Columns().ForEach(func(id sql.ColumnId) { // they are numbered in their order
		if at < len(p.Projections) {
			a, alias := p.Projections[at].(*expression.Alias)
			f, column := mapping[id].(*expression.GetField)
			if alias && a.Id() == 0 && column && f.Id() == 0 {
				if list == nil {
					list, mapping = slices.Clone(p.Projections), maps.Clone(mapping)
				}
				list[at], mapping[id] = a.WithId(id), f.WithId(id)
			}
		}
		at++
	})
	if list == nil {
		return n
	}
	var child sql.Node = plan.NewProject(u.ctx, list, p.Child)
	for _, over := range slices.Backward(above) {
		var err error
		if child, err = over.WithChildren(u.ctx, child); err != nil {
			return n
		}
	}
	return n.WithChild(child).WithScopeMapping(mapping)
}

// derived notes what types a derived table's columns have that had those of a schema.
func (u *unionTyping) derived(n *plan.SubqueryAlias, was sql.Schema) sql.Node {
	is, ids, at := n.Schema(u.ctx), outputs(u.ctx, n.Child), 0
	set, direct := n.Child.(*plan.SetOp)
	mapping := make(map[sql.ColumnId]sql.Expression, len(n.ScopeMapping))
	n.Columns().ForEach(func(id sql.ColumnId) { // they are numbered in their order
		if at < len(is) {
			e := n.ScopeMapping[id]
			t := is[at].Type
			if x := u.types[ids[at]]; x != nil && ids[at] != 0 {
				t = x
			} else if made := MadeOf(n.Child, at); made != nil {
				t = cmp.Or(evaluatedType(u.ctx, made), t)
			}
			if !t.Equals(was[at].Type) {
				u.types[id] = t
				if f, ok := e.(*expression.GetField); ok {
					e = retyped(f, t)
				}
			}
			if f, ok := e.(*expression.GetField); ok && direct { // the set operation's columns have no numbers, and may be named as an outer query's
				c := set.Schema(u.ctx)[at]
				e = expression.NewGetFieldWithTable(0, int(f.TableId()), c.Type, "", "", c.Name, c.Nullable)
			}
			if e != nil {
				mapping[id] = e
			}
		}
		at++
	})
	return n.WithScopeMapping(mapping)
}

// union gives a set operation its types.
func (u *unionTyping) union(n *plan.SetOp) (sql.Node, error) {
	left, right := planSides(u.ctx, n)
	ls, rs := left.Schema(u.ctx), right.Schema(u.ctx)
	if len(ls) != len(rs) {
		return n, nil // 1222
	}
	columns := make([]expr.ResultColumn, len(ls))
	for i := range ls {
		columns[i] = expr.CreatedColumn(u.ctx, left, i).With(u.ctx, expr.CreatedColumn(u.ctx, right, i))
		if t := ls[i].Type; u.rolling && (types.IsEnum(t) || types.IsSet(t)) { // also at the right, or NULL; of a UNION it is a text
			columns[i].Typ = t
		}
	}
	if left == n.Left() && (outside(u.ctx, left) || outside(u.ctx, right)) {
		return n, nil // the planner finds no columns of outer queries below a further node, and there is nothing to convert
	}
	l, r := left, right
	if !u.fits(left, columns) || !u.fits(right, columns) {
		l, r = u.side(left, columns, false), u.side(right, columns, false)
	}
	if l == n.Left() && r == n.Right() {
		return n, nil
	}
	out, err := n.WithChildren(u.ctx, l, r)
	if err != nil {
		return nil, err
	}
	exprs := out.(*plan.SetOp).Expressions()
	for i := range exprs {
		if exprs[i], _, err = transform.Expr(u.ctx, exprs[i], func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if f, ok := e.(*expression.GetField); ok {
				if at := ls.IndexOfColName(f.Name()); at >= 0 {
					return retyped(f, columns[at].Typ), transform.NewTree, nil
				}
			}
			return e, transform.SameTree, nil
		}); err != nil {
			return nil, err
		}
	}
	return out.(*plan.SetOp).WithExpressions(u.ctx, exprs...)
}

// outside reports whether a side returns a column of an outer query.
func outside(ctx *sql.Context, n sql.Node) bool {
	p, ok := n.(*plan.Project)
	return ok && slices.ContainsFunc(p.Projections, func(e sql.Expression) bool {
		f, ok := Unaliased(e).(*expression.GetField)
		return ok && p.Child.Schema(ctx).IndexOf(f.Name(), f.Table()) < 0
	})
}

// planSides are the sides of a set operation without the planner's conversions.
func planSides(ctx *sql.Context, n *plan.SetOp) (left, right sql.Node) {
	l, lok := n.Left().(*plan.Project)
	r, rok := n.Right().(*plan.Project)
	if !lok || !rok || len(l.Projections) != len(r.Projections) {
		return n.Left(), n.Right()
	}
	some := false
	for _, side := range []*plan.Project{l, r} {
		if len(side.Child.Schema(ctx)) != len(side.Projections) {
			return n.Left(), n.Right()
		}
		for _, e := range side.Projections {
			f, convert := converted(e)
			if f == nil {
				return n.Left(), n.Right()
			}
			some = some || convert
		}
	}
	if !some {
		return n.Left(), n.Right()
	}
	return l.Child, r.Child
}

// converted returns the column that the planner converts or leaves as it is in a set operation's side, nil if e is not
// the planner's.
func converted(e sql.Expression) (f *expression.GetField, convert bool) {
	if f, ok := e.(*expression.GetField); ok {
		return f, false
	}
	a, ok := e.(*expression.Alias)
	if !ok {
		return nil, false
	}
	child := a.Child
	if c, ok := child.(*expression.Convert); ok {
		child, convert = c.Child, true
		if m, ok := child.(*expression.EnumToString); ok {
			child = m.Children()[0]
		}
	}
	if f, ok := child.(*expression.GetField); ok && f.Name() == a.Name() {
		return f, convert
	}
	return nil, false
}

// fits reports whether a side's columns have their types, to the planner and when they are evaluated.
func (u *unionTyping) fits(n sql.Node, columns []expr.ResultColumn) bool {
	p, _ := n.(*plan.Project)
	for i, c := range n.Schema(u.ctx) {
		if !c.Type.Equals(columns[i].Typ) {
			return false
		}
		if p == nil || !types.IsNumber(c.Type) {
			continue
		}
		if x, _, err := transform.Expr(u.ctx, p.Projections[i], expr.Check); err != nil || !x.Type(u.ctx).Equals(c.Type) {
			return false
		}
	}
	return true
}

// side returns a side of a set operation with the values of its columns as they have them there.
func (u *unionTyping) side(n sql.Node, columns []expr.ResultColumn, checked bool) sql.Node {
	schema := n.Schema(u.ctx)
	ids := outputs(u.ctx, n)
	exprs := make([]sql.Expression, len(schema))
	for i, c := range schema {
		f := expression.NewGetFieldWithTable(int(ids[i]), 0, c.Type, c.DatabaseSource, c.Source, c.Name, c.Nullable)
		v := &expr.UnionValue{UnaryExpressionStub: expression.UnaryExpressionStub{Child: f}, Column: columns[i], Checked: checked, Digits: expr.CreatedColumn(u.ctx, n, i).Digits}
		if slices.ContainsFunc(schema, func(o *sql.Column) bool { return o != c && strings.EqualFold(o.Name, c.Name) }) {
			v.FromEnd = len(schema) - i
		}
		exprs[i] = expression.NewAlias(u.ctx, c.Name, v)
	}
	return plan.NewProject(u.ctx, exprs, n)
}

// outputs are the numbers of a node's columns, 0: none.
func outputs(ctx *sql.Context, n sql.Node) []sql.ColumnId {
	ids := make([]sql.ColumnId, len(n.Schema(ctx)))
	switch x := n.(type) {
	case *plan.Project:
		for i, e := range x.Projections {
			if e, ok := e.(sql.IdExpression); ok {
				ids[i] = e.Id()
			}
		}
	case *plan.SetOp:
		return outputs(ctx, x.Left())
	case *plan.GroupBy, *plan.Window, plan.TableIdNode:
	default:
		if children := n.Children(); len(children) == 1 && len(children[0].Schema(ctx)) == len(ids) {
			return outputs(ctx, children[0])
		}
	}
	return ids
}

// recursive gives a WITH RECURSIVE its types.
func (u *unionTyping) recursive(n *plan.RecursiveCte) (sql.Node, error) {
	if len(n.Left().Schema(u.ctx)) != len(n.Right().Schema(u.ctx)) {
		return nil, mysql.NewSQLError(1222, "21000", "The used SELECT statements have a different number of columns")
	}
	left, err := u.node(n.Left())
	if err != nil {
		return nil, err
	}
	schema := slices.Clone(n.Schema(u.ctx))
	columns := make([]expr.ResultColumn, len(schema))
	for i := range schema {
		c := expr.CreatedColumn(u.ctx, left, i)
		columns[i] = c.With(u.ctx, c)
		columns[i].Name = schema[i].Name
		col := *schema[i]
		col.Type, col.Nullable = columns[i].Typ, true
		schema[i] = &col
	}
	at := 0
	n.Columns().ForEach(func(id sql.ColumnId) {
		if at < len(columns) {
			u.types[id] = columns[at].Typ
		}
		at++
	})
	working := plan.NewRecursiveTable(n.Working.Name(), schema)
	working.WithId(n.Working.Id())
	working.WithColumns(n.Working.Columns())
	right, _, err := transform.NodeWithOpaque(u.ctx, n.Right(), func(_ *sql.Context, x sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if x == n.Working {
			return working, transform.NewTree, nil
		}
		return x, transform.SameTree, nil
	})
	if err != nil {
		return nil, err
	}
	if right, err = u.node(right); err != nil {
		return nil, err
	}
	if !u.fits(left, columns) {
		left = u.side(left, columns, false)
	}
	if !u.fits(right, columns) {
		right = u.side(right, columns, true)
	}
	out, err := n.WithSchema(schema).WithWorking(working).WithChildren(u.ctx, left, right)
	if err != nil {
		return nil, err
	}
	return u.exprsOf(out)
}

// Unaliased returns what an alias is of, and what is none itself.
func Unaliased(e sql.Expression) sql.Expression {
	if a, ok := e.(*expression.Alias); ok {
		return a.Child
	}
	return e
}
