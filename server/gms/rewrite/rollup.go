package rewrite

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// rolledUp takes the mark of WITH ROLLUP out of a SELECT and reports whether there was one.
func rolledUp(s *ast.Select) bool {
	if !RollsUp(s) {
		return false
	}
	s.GroupBy = s.GroupBy[:len(s.GroupBy)-1]
	return true
}

// RollsUp reports whether a SELECT has the mark of WITH ROLLUP.
func RollsUp(s *ast.Select) bool {
	last := len(s.GroupBy) - 1
	return last > 0 && syntax.Introduced(s.GroupBy[last], "_swe7") != nil
}

// RollupTable is the derived table that GROUP BY … WITH ROLLUP reads.
const RollupTable = "\x00rollup"

// rollup makes GROUP BY … WITH ROLLUP what it means: the groups by all columns, and by
// one less, down to none, where what is not grouped by is NULL. They come in the order of
// the groups, the sums behind what they sum up, unless there is an ORDER BY.
func rollup(s *ast.Select) error {
	if grouped, err := windowsOfGroups(s); grouped != nil || err != nil { // they are over the sums too
		if err != nil {
			return err
		}
		return rollup(grouped)
	}
	r := Rolling{S: s}
	for i, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			return value.ErrNotSupported("SELECT * with ROLLUP")
		}
		r.Exprs = append(r.Exprs, x)
		name := x.As.String()
		if col, ok := x.Expr.(*ast.ColName); ok && name == "" {
			name = col.Name.String()
		} else if name == "" {
			name = x.InputExpression
		}
		r.names = append(r.names, name)
		r.out = append(r.out, &ast.AliasedExpr{Expr: rollupColumn("c", i), As: ast.NewColIdent(name)})
	}
	for _, g := range s.GroupBy {
		r.groups = append(r.groups, r.Group(syntax.Unparenthesized(g)))
	}
	order, having := r.order(), s.Having != nil
	var union ast.SelectStatement
	for kept := len(r.groups); kept >= 0; kept-- {
		level := r.level(kept)
		if union == nil {
			union = level
		} else {
			union = &ast.SetOp{Type: ast.UnionAllStr, Left: union, Right: level}
		}
	}
	*s = ast.Select{
		Comments: s.Comments, With: s.With, Limit: s.Limit, Into: s.Into, QueryOpts: s.QueryOpts, SelectExprs: r.out, OrderBy: order,
		From: ast.TableExprs{&ast.AliasedTableExpr{Auth: Open, Expr: &ast.Subquery{Select: union}, As: ast.NewTableIdent(RollupTable)}},
	}
	if having {
		s.Where = ast.NewWhere(ast.WhereStr, rollupColumn("h", 0))
	}
	return nil
}

// Rolling is one SELECT with ROLLUP.
type Rolling struct {
	S      *ast.Select
	Exprs  []*ast.AliasedExpr
	names  []string // of the result's columns
	out    ast.SelectExprs
	groups []ast.Expr
	sorts  []ast.Expr // of ORDER BY that are no columns of the result
}

func rollupColumn(kind string, i int) *ast.ColName {
	return &ast.ColName{Name: ast.NewColIdent(kind + strconv.Itoa(i)), Qualifier: ast.TableName{Name: ast.NewTableIdent(RollupTable)}}
}

// Column returns which column of the result a name or a number means, -1 if none does.
func (r *Rolling) Column(e ast.Expr) int {
	switch e := e.(type) {
	case *ast.SQLVal:
		if n, err := strconv.Atoi(string(e.Val)); e.Type == ast.IntVal && err == nil && n > 0 && n <= len(r.Exprs) {
			return n - 1
		}
	case *ast.ColName:
		for i, x := range r.Exprs {
			if e.Qualifier.IsEmpty() && x.As.EqualString(e.Name.String()) {
				return i
			}
		}
	}
	return -1
}

// Meant returns what a name or a number in GROUP BY or HAVING stands for. A name that
// the expression of the name is made of is a column of the tables.
func (r *Rolling) Meant(e ast.Expr) ast.Expr {
	i := r.Column(e)
	if i < 0 {
		return e
	}
	itself := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if n, ok := n.(ast.Expr); ok && Same(n, e) {
			itself = true
		}
		return !itself, nil
	}, r.Exprs[i].Expr)
	if itself {
		return e
	}
	return r.Exprs[i].Expr
}

// Group returns what a name or a number in GROUP BY stands for: no aggregate, whose name is that of a column of the tables then.
func (r *Rolling) Group(e ast.Expr) ast.Expr {
	to, groups := r.Meant(e), false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		x, ok := n.(ast.Expr)
		_, inner := n.(*ast.Subquery)
		groups = groups || ok && Groups(x)
		return !groups && !inner, nil
	}, to)
	if _, name := e.(*ast.ColName); name && groups {
		return e
	}
	return to
}

// named returns an expression with what names of the result's columns stand for in it.
func (r *Rolling) named(e ast.Expr) ast.Expr {
	e = Cloned(e)
	_ = syntax.ReplaceNodes(reflect.ValueOf(&e), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := n.(*ast.ColName)
		if _, sub := n.(*ast.Subquery); sub || !ok {
			return nil, !sub, nil
		}
		if to := r.Meant(c); to != ast.Expr(c) {
			return Cloned(to), false, nil
		}
		return nil, false, nil
	})
	return e
}

// order returns the ORDER BY of the result.
func (r *Rolling) order() (out ast.OrderBy) {
	for _, o := range r.S.OrderBy {
		i := r.Column(o.Expr)
		if i < 0 {
			i = slices.IndexFunc(r.Exprs, func(x *ast.AliasedExpr) bool { return Same(x.Expr, o.Expr) })
		}
		if i >= 0 {
			out = append(out, &ast.Order{Expr: rollupColumn("c", i), Direction: o.Direction})
			continue
		}
		out = append(out, &ast.Order{Expr: rollupColumn("o", len(r.sorts)), Direction: o.Direction})
		r.sorts = append(r.sorts, r.named(o.Expr))
	}
	if len(out) > 0 || r.S.QueryOpts.Distinct {
		return out
	}
	for i := range r.groups {
		out = append(out, &ast.Order{Expr: rollupColumn("g", i), Direction: ast.AscScr}, &ast.Order{Expr: rollupColumn("k", i), Direction: ast.AscScr})
	}
	return out
}

// level returns the groups by the first columns.
func (r *Rolling) level(kept int) *ast.Select {
	s := &ast.Select{Lock: r.S.Lock}
	s.From, s.Window = Cloned(r.S.From), Cloned(r.S.Window)
	if r.S.Where != nil {
		s.Where = Cloned(r.S.Where)
	}
	column := func(kind string, i int, e ast.Expr) {
		s.SelectExprs = append(s.SelectExprs, &ast.AliasedExpr{Expr: e, As: ast.NewColIdent(kind + strconv.Itoa(i))})
	}
	for i, x := range r.Exprs {
		column("c", i, r.rolled(x.Expr, kept))
	}
	for i, e := range r.sorts {
		column("o", i, r.rolled(e, kept))
	}
	for i, g := range r.groups {
		column("k", i, r.rolled(g, kept))
		column("g", i, ast.NewIntVal([]byte(strconv.Itoa(expr.Truth(i >= kept)))))
	}
	// Without groups, there is one row because of it.
	s.SelectExprs = append(s.SelectExprs, &ast.AliasedExpr{As: ast.NewColIdent("n"), Expr: rowCount()})
	for _, g := range r.groups[:kept] {
		if g = Cloned(g); IsLiteral(g) {
			g = &ast.ParenExpr{Expr: g} // no number of a column
		}
		s.GroupBy = append(s.GroupBy, g)
	}
	if r.S.Having != nil { // the planner does not find in a HAVING what an expression is grouped by of
		column("h", 0, r.rolled(r.named(r.S.Having.Expr), kept))
	}
	if kept == 0 { // rows of nothing are not summed up
		some := &ast.ComparisonExpr{Operator: ast.GreaterThanStr, Left: rowCount(), Right: ast.NewIntVal([]byte("0"))}
		s.Having = ast.NewWhere(ast.HavingStr, some)
	}
	return s
}

// rowCount returns COUNT(*).
func rowCount() ast.Expr {
	return &ast.FuncExpr{Name: ast.NewColIdent("count"), Exprs: ast.SelectExprs{&ast.StarExpr{}}}
}

// rolled returns an expression over the groups by the first columns: the others are
// NULL outside of aggregates.
func (r *Rolling) rolled(e ast.Expr, kept int) ast.Expr {
	e = Cloned(e)
	_ = syntax.ReplaceNodes(reflect.ValueOf(&e), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.GroupConcatExpr, *ast.Subquery:
			return nil, false, nil
		case *ast.FuncExpr:
			if n.Name.EqualString("grouping") {
				return r.grouping(n, kept), false, nil
			}
			if n.IsAggregate() {
				return nil, false, nil
			}
		}
		x, ok := n.(ast.Expr)
		if !ok {
			return nil, true, nil
		}
		for _, g := range r.groups[kept:] {
			if Same(x, g) {
				return &ast.NullVal{}, false, nil
			}
		}
		return nil, true, nil
	})
	return e
}

// grouping returns GROUPING(…): a bit for each argument, set if it is not grouped by.
func (r *Rolling) grouping(f *ast.FuncExpr, kept int) ast.Expr {
	bits := 0
	for _, a := range f.Exprs {
		bits *= 2
		x, ok := a.(*ast.AliasedExpr)
		if !ok {
			continue
		}
		for _, g := range r.groups[kept:] {
			if Same(r.Meant(x.Expr), g) || Same(x.Expr, g) {
				bits++
				break
			}
		}
	}
	return ast.NewIntVal([]byte(strconv.Itoa(bits)))
}

// Same reports whether two expressions are written alike; a column is the same with
// and without its table.
func Same(a, b ast.Expr) bool {
	x, ok := a.(*ast.ColName)
	y, also := b.(*ast.ColName)
	if ok && also {
		return x.Name.Equal(y.Name) && (x.Qualifier.IsEmpty() || y.Qualifier.IsEmpty() || x.Qualifier == y.Qualifier)
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && strings.EqualFold(ast.String(a), ast.String(b))
}

// Windowed reports whether an expression has a window function in it.
func Windowed(e ast.Expr) bool { return windowIn(e) != nil }

// windowIn returns a window function of an expression, but for those of its subqueries.
func windowIn(e ast.Expr) (found *ast.FuncExpr) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.FuncExpr:
			if n.Over != nil && found == nil {
				found = n
			}
		}
		return found == nil, nil
	}, e)
	return found
}

// Cloned returns a deep copy of a part of a statement.
func Cloned[T any](n T) T {
	out, ok := clone(reflect.ValueOf(&n).Elem()).Interface().(T)
	if !ok {
		panic(fmt.Sprintf("gms: a copy of %T is none", n))
	}
	return out
}

func clone(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		if v.Kind() == reflect.Interface {
			out.Set(clone(v.Elem()))
			return out
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(clone(v.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(clone(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
		return out
	}
	return v
}
