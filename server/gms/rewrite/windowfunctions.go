package rewrite

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// WindowFunctions completes the window functions of a statement, in place: those that the
// planner lacks become ones that it has, and those over groups ones over a derived table of
// the groups.
func WindowFunctions(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.IntervalExpr:
			if strings.EqualFold(n.Unit, frameUnit) {
				return n.Expr, true, nil
			}
		case *ast.Update:
			for _, e := range n.Exprs {
				if f := windowIn(e.Expr); f != nil {
					return nil, false, windowOutOfPlace(f)
				}
			}
			if n.Where != nil && Windowed(n.Where.Expr) {
				return nil, false, windowOutOfPlace(windowIn(n.Where.Expr))
			}
		case *ast.Delete:
			if n.Where != nil && Windowed(n.Where.Expr) {
				return nil, false, windowOutOfPlace(windowIn(n.Where.Expr))
			}
		}
		s, ok := n.(*ast.Select)
		if !ok {
			return nil, true, nil
		}
		if err := windowsInPlace(s); err != nil {
			return nil, false, err
		}
		if err := namedWindows(s); err != nil {
			return nil, false, err
		}
		orderedColumns(s)
		orderedByWindows(s)
		for _, part := range []any{&s.SelectExprs, &s.OrderBy} {
			if err := syntax.ReplaceNodes(reflect.ValueOf(part), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
				switch n := n.(type) {
				case *ast.Subquery:
					return nil, false, nil
				case *ast.FuncExpr:
					e, err := lackingWindow(n)
					if e == nil {
						return nil, true, err
					}
					return e, true, err
				}
				return nil, true, nil
			}); err != nil {
				return nil, false, err
			}
		}
		_, err := windowsOfGroups(s)
		return nil, true, err
	})
}

// orderedColumns orders a SELECT by the columns that its window functions are: to the planner what orders it is another column,
// which DISTINCT lacks and whose name is ambiguous without it.
func orderedColumns(s *ast.Select) {
	for _, o := range s.OrderBy {
		if !Windowed(o.Expr) {
			continue
		}
		for _, e := range s.SelectExprs {
			if x, ok := e.(*ast.AliasedExpr); ok && Same(x.Expr, o.Expr) {
				if x.As.IsEmpty() {
					x.As = ast.NewColIdent(SelectedName(x))
				}
				o.Expr = &ast.ColName{Name: x.As}
				break
			}
		}
	}
}

// orderedTable is the derived table that has the expressions with window functions that order a SELECT.
const orderedTable = "\x00ordered"

// orderedByWindows makes a SELECT that is ordered by more than its columns, with window functions, one over a derived table that has
// what orders it as columns: to the planner a window function that ORDER BY has again is another column of the same name.
func orderedByWindows(s *ast.Select) {
	if s.QueryOpts.Distinct || !slices.ContainsFunc(s.OrderBy, func(o *ast.Order) bool { return Windowed(o.Expr) }) {
		return
	}
	r := Rolling{S: s}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			return
		}
		r.Exprs = append(r.Exprs, x)
	}
	g := WindowGroups{Table: orderedTable, Inner: &ast.Select{From: s.From, Where: s.Where, GroupBy: s.GroupBy, Having: s.Having, Window: s.Window, Lock: s.Lock}}
	for i, o := range s.OrderBy {
		if r.Column(o.Expr) < 0 {
			s.OrderBy[i] = &ast.Order{Expr: g.Column(o.Expr), Direction: o.Direction}
		}
	}
	for _, x := range r.Exprs {
		x.As = ast.NewColIdent(SelectedName(x))
		x.InputExpression = ""
		x.Expr = g.Column(x.Expr)
	}
	s.From, s.Where, s.GroupBy, s.Having, s.Window, s.Lock = g.From(), nil, nil, nil, nil, nil
}

// windowsInPlace returns the error of a window function that stands where it may not.
func windowsInPlace(s *ast.Select) error {
	var not []ast.Expr
	for _, w := range []*ast.Where{s.Where, s.Having} {
		if w != nil {
			not = append(not, w.Expr)
		}
	}
	for _, e := range append(not, s.GroupBy...) {
		if f := windowIn(e); f != nil {
			return windowOutOfPlace(f)
		}
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if f, ok := n.(*ast.FuncExpr); ok && f.Over != nil {
			for _, e := range f.Exprs {
				if x, ok := e.(*ast.AliasedExpr); ok {
					if inner := windowIn(x.Expr); inner != nil {
						return false, windowOutOfPlace(inner)
					}
				}
			}
		}
		return true, nil
	}, s.SelectExprs)
}

func windowOutOfPlace(f *ast.FuncExpr) error {
	return mysql.NewSQLError(3593, "HY000", "You cannot use the window function '%s' in this context.'", f.Name.Lowered())
}

// lackingWindow returns what a window function means that the planner lacks, nil for another.
func lackingWindow(f *ast.FuncExpr) (ast.Expr, error) {
	if f.Over == nil {
		return nil, nil
	}
	switch f.Name.Lowered() {
	case "lead":
		if x, ok := f.Exprs[0].(*ast.AliasedExpr); ok && len(f.Exprs) == 2 {
			if c, ok := x.Expr.(*ast.ColName); ok && c.Name.EqualString(ntileMark) {
				return &ast.FuncExpr{Name: ast.NewColIdent("ntile"), Exprs: f.Exprs[1:], Over: f.Over}, nil
			}
		}
	case "cume_dist":
		count := func(o *ast.Over) ast.Expr {
			return &ast.FuncExpr{Name: ast.NewColIdent("count"), Exprs: ast.SelectExprs{&ast.StarExpr{}}, Over: o}
		}
		if len(f.Exprs) > 0 {
			return nil, nil
		}
		whole := &ast.Over{PartitionBy: Cloned(f.Over.PartitionBy)}
		with := ast.Over{PartitionBy: Cloned(f.Over.PartitionBy), OrderBy: Cloned(f.Over.OrderBy)} // without a frame
		return &ast.BinaryExpr{Operator: ast.DivStr, Right: count(whole),
			Left: &ast.BinaryExpr{Operator: ast.MultStr, Left: count(&with), Right: ast.NewFloatVal([]byte("1e0"))}}, nil
	case "nth_value":
		var args []ast.Expr
		for _, e := range f.Exprs {
			if e, ok := e.(*ast.AliasedExpr); ok {
				args = append(args, e.Expr)
			}
		}
		if len(args) != 2 {
			return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function 'nth_value'")
		}
		return &ast.FuncExpr{Name: ast.NewColIdent("first_value"), Over: f.Over,
			Exprs: ast.SelectExprs{&ast.AliasedExpr{Expr: syntax.Call(function.NthFunction, args...)}}}, nil
	}
	return nil, nil
}

// GroupsTable is the derived table of the groups that window functions are over.
const GroupsTable = "\x00groups"

// OrdersBySubquery reports whether a subquery orders a window of a SELECT: the planner does not see it there.
func OrdersBySubquery(s *ast.Select) (found bool) {
	look := func(w *ast.WindowDef) {
		for _, o := range w.OrderBy {
			_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
				_, is := n.(*ast.Subquery)
				found = found || is
				return !found, nil
			}, o.Expr)
		}
	}
	for _, w := range s.Window {
		look(w)
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if f, ok := n.(*ast.FuncExpr); ok && f.Over != nil {
			look((*ast.WindowDef)(f.Over))
		}
		_, other := n.(*ast.Subquery)
		return !other, nil
	}, s.SelectExprs, s.OrderBy)
	return found
}

// WindowGroups is a SELECT with window functions over groups.
type WindowGroups struct {
	Table string // the name of the derived table
	Inner *ast.Select
	exprs []ast.Expr // the inner SELECT's columns
}

// windowsOfGroups makes a SELECT with groups and window functions one over a derived table
// of the groups, which it returns; nil for others. One whose windows a subquery orders is one over its rows.
func windowsOfGroups(s *ast.Select) (*ast.Select, error) {
	r := Rolling{S: s}
	over, grouped := false, len(s.GroupBy) > 0 || s.Having != nil && Groups(s.Having.Expr)
	ordered := OrdersBySubquery(s)
	look := func(e ast.Expr) {
		over = over || Windowed(e)
		grouped = grouped || Groups(e)
	}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		switch {
		case !ok && ordered:
			return nil, value.ErrNotSupported("* beside a window that a subquery orders")
		case !ok:
			return nil, nil
		}
		r.Exprs = append(r.Exprs, x)
		look(x.Expr)
	}
	for _, o := range s.OrderBy {
		look(o.Expr)
	}
	if !over || !grouped && !ordered {
		return nil, nil
	}
	g := WindowGroups{Table: GroupsTable, Inner: &ast.Select{From: s.From, Where: s.Where, Lock: s.Lock}}
	for _, e := range s.GroupBy {
		g.Inner.GroupBy = append(g.Inner.GroupBy, r.Group(e))
	}
	if s.Having != nil {
		g.Inner.Having = s.Having
		if err := syntax.ReplaceNodes(reflect.ValueOf(s.Having), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			col, ok := n.(*ast.ColName)
			if !ok {
				return nil, true, nil
			}
			e := r.Meant(col)
			if Windowed(e) {
				return nil, false, mysql.NewSQLError(3594, "HY000",
					"You cannot use the alias '%s' of an expression containing a window function in this context.'", col.Name.String())
			}
			return Cloned(e), false, nil
		}); err != nil {
			return nil, err
		}
	}
	for _, x := range r.Exprs {
		x.As = ast.NewColIdent(SelectedName(x))
		x.InputExpression = ""
		g.replace(&x.Expr)
	}
	for _, w := range s.Window {
		g.define(w)
	}
	for _, o := range s.OrderBy {
		if r.Column(o.Expr) < 0 {
			g.replace(&o.Expr)
		}
	}
	s.From, s.Where, s.GroupBy, s.Having, s.Lock = g.From(), nil, nil, nil, nil
	return g.Inner, nil
}

// From returns the FROM that has the derived table alone.
func (g *WindowGroups) From() ast.TableExprs {
	return ast.TableExprs{&ast.AliasedTableExpr{Auth: Open, Expr: &ast.Subquery{Select: g.Inner}, As: ast.NewTableIdent(g.Table)}}
}

// replace makes columns of the derived table of the parts of an expression that have no
// window functions in them.
func (g *WindowGroups) replace(e *ast.Expr) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(e), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.SQLVal, *ast.NullVal, ast.BoolVal, *ast.Default:
			return nil, false, nil
		case *ast.FuncExpr:
			if n.Over != nil {
				for _, a := range n.Exprs {
					if a, ok := a.(*ast.AliasedExpr); ok {
						g.replace(&a.Expr)
					}
				}
				g.define((*ast.WindowDef)(n.Over))
				return nil, false, nil
			}
		}
		x, ok := n.(ast.Expr)
		if !ok || Windowed(x) {
			return nil, true, nil
		}
		return g.Column(x), false, nil
	})
}

func (g *WindowGroups) define(w *ast.WindowDef) {
	for i := range w.PartitionBy {
		g.replace(&w.PartitionBy[i])
	}
	for _, o := range w.OrderBy {
		g.replace(&o.Expr)
	}
}

// Column returns the column of the derived table that an expression is.
func (g *WindowGroups) Column(e ast.Expr) ast.Expr {
	at := -1
	for i, x := range g.exprs {
		if Same(x, e) {
			at = i
		}
	}
	if at < 0 {
		at = len(g.exprs)
		g.exprs = append(g.exprs, e)
		g.Inner.SelectExprs = append(g.Inner.SelectExprs, &ast.AliasedExpr{Expr: e, As: ast.NewColIdent("g" + strconv.Itoa(at))})
	}
	return ColumnOf(g.Table, "g"+strconv.Itoa(at))
}

// SelectedName is the name of a column that is selected.
func SelectedName(e *ast.AliasedExpr) string {
	if !e.As.IsEmpty() {
		return e.As.String()
	}
	if col, ok := e.Expr.(*ast.ColName); ok {
		return col.Name.String()
	}
	return e.InputExpression
}

// ColumnOf returns a column with the alias of its table.
func ColumnOf(alias, name string) *ast.ColName {
	return &ast.ColName{Name: ast.NewColIdent(name), Qualifier: ast.TableName{Name: ast.NewTableIdent(alias)}}
}

// Contains reports whether a part of an expression, or all of it, is what is asked for.
func Contains(e ast.Expr, is func(ast.SQLNode) bool) bool {
	found := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		found = found || is(n)
		return !found, nil
	}, e)
	return found
}
