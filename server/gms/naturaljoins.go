package gms

import (
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// joinedColumn is a column of a FROM.
type joinedColumn struct {
	name  ast.ColIdent
	table ast.TableName
}

// namedTables is what the names of tables in a statement stand for.
type namedTables struct {
	s      *Session
	ctx    *sql.Context
	ctes   map[string]*ast.CommonTableExpr
	tables []joinedColumn           // of the FROM that is looked at, table by table
	merged map[string]ast.TableName // the tables of its columns that are of two, by their names
	joins  []func()                 // give its joins conditions for NATURAL and USING
}

// naturalStars names the columns of `*` and t.* where a FROM joins by NATURAL or USING, beside WITH ROLLUP, and beside a window that
// a subquery orders. The planner has the columns that are joined by once for every table that is joined by them, and before the others
// of t.* too. Returns 1060 for a derived table with two columns of a name.
func (s *Session) naturalStars(ctx *sql.Context, stmt ast.Statement) error {
	n := namedTables{s: s, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}}
	named := map[ast.TableExpr]bool{} // with a list of columns of its own
	var visit ast.Visit
	visit = func(node ast.SQLNode) (bool, error) {
		switch node := node.(type) {
		case *ast.With:
			if node == nil {
				break
			}
			n.with(node)
			for _, c := range node.Ctes {
				if len(c.Columns) == 0 {
					continue
				}
				named[c.AliasedTableExpr] = true
				if err := distinct(c.Columns); err != nil {
					return false, err
				}
			}
		case *ast.AliasedTableExpr:
			if q, ok := node.Expr.(*ast.Subquery); ok && len(q.Columns) == 0 && !named[node] && node.As.String() != rewrite.Derived {
				return true, distinct(n.selected(q.Select))
			}
		case *ast.Select:
			if node.With != nil {
				if err := syntax.Walk(visit, node.With); err != nil {
					return false, err
				}
			}
			return true, n.expand(node)
		}
		return true, nil
	}
	return syntax.Walk(visit, stmt)
}

func (n *namedTables) with(w *ast.With) {
	if w == nil {
		return
	}
	for _, c := range w.Ctes {
		n.ctes[strings.ToLower(c.As.String())] = c
	}
}

// distinct returns the error of the columns of a derived table if two of them have one name; without one they are not known.
func distinct(columns ast.Columns) error {
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c.Lowered()] {
			return mysql.NewSQLError(mysql.ERDupFieldName, "42S21", "Duplicate column name '%s'", c.String())
		}
		seen[c.Lowered()] = c.String() != ""
	}
	return nil
}

// naturalColumns returns the expressions that the stars of a query stand for, nil if its FROM has no columns of two
// tables as one.
func (s *Session) naturalColumns(ctx *sql.Context, query string) (out []string) {
	stmt, err := ast.Parse(query)
	if q, ok := stmt.(*ast.Select); err == nil && ok && slices.ContainsFunc(q.From, merges) && s.naturalStars(ctx, q) == nil {
		for _, e := range q.SelectExprs {
			out = append(out, ast.String(e))
		}
	}
	return out
}

// merges reports whether a FROM has columns of two tables as one.
func merges(e ast.TableExpr) bool {
	switch e := e.(type) {
	case *ast.ParenTableExpr:
		return slices.ContainsFunc(e.Exprs, merges)
	case *ast.JoinTableExpr:
		return len(e.Condition.Using) > 0 || strings.HasPrefix(e.Join, "natural") || merges(e.LeftExpr) || merges(e.RightExpr)
	}
	return false
}

// expand replaces the stars of a SELECT.
func (n *namedTables) expand(s *ast.Select) error {
	if !slices.ContainsFunc(s.From, merges) && !rewrite.OrdersBySubquery(s) && !rewrite.RollsUp(s) {
		return nil
	}
	return n.expandAll(s)
}

// expandAll is expand of any SELECT.
func (n *namedTables) expandAll(s *ast.Select) error {
	n.tables, n.joins, n.merged = nil, nil, map[string]ast.TableName{}
	var all []joinedColumn
	for _, e := range s.From {
		columns, err := n.columns(e)
		if err != nil || columns == nil {
			return err
		}
		all = append(all, columns...)
	}
	var list ast.SelectExprs
	for _, e := range s.SelectExprs {
		star, ok := e.(*ast.StarExpr)
		columns := all
		if ok && !star.TableName.IsEmpty() {
			columns = slices.DeleteFunc(slices.Clone(n.tables), func(c joinedColumn) bool {
				return !syntax.SameName(c.table.Name.String(), star.TableName.Name.String())
			})
		}
		if !ok || len(columns) == 0 {
			list = append(list, e)
			continue
		}
		for _, c := range columns {
			list = append(list, &ast.AliasedExpr{Expr: &ast.ColName{Name: c.name, Qualifier: c.table}})
		}
	}
	s.SelectExprs = list
	if slices.ContainsFunc(s.From, mergesWithin) {
		n.qualify(s)
	}
	return nil
}

// mergesWithin reports whether a FROM has a NATURAL join or one by USING whose right side is another.
func mergesWithin(e ast.TableExpr) bool {
	switch e := e.(type) {
	case *ast.ParenTableExpr:
		return slices.ContainsFunc(e.Exprs, mergesWithin)
	case *ast.JoinTableExpr:
		return (len(e.Condition.Using) > 0 || strings.HasPrefix(e.Join, "natural")) && merges(e.RightExpr) || mergesWithin(e.LeftExpr) || mergesWithin(e.RightExpr)
	}
	return false
}

// qualify gives the joins of a SELECT conditions, and the columns that they merge the names of tables: the planner does
// not find those of a join within another.
func (n *namedTables) qualify(s *ast.Select) {
	for _, join := range n.joins {
		join()
	}
	aliases := map[string]bool{}
	for _, e := range s.SelectExprs {
		if a, ok := e.(*ast.AliasedExpr); ok && !a.As.IsEmpty() {
			aliases[a.As.Lowered()] = true
		}
	}
	for i, part := range []any{&s.SelectExprs, &s.Where, &s.GroupBy, &s.Window, &s.Having, &s.OrderBy} {
		n.qualifyNames(part, func(name string) bool { return i >= 4 && aliases[name] }) // HAVING and ORDER BY mean the alias
	}
}

// qualifyNames gives the merged columns in a part of a statement the names of tables, but for those that are something else.
func (n *namedTables) qualifyNames(part any, other func(name string) bool) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(part), func(node ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := node.(*ast.ColName)
		if _, sub := node.(*ast.Subquery); sub || !ok || !c.Qualifier.IsEmpty() {
			return nil, !sub, nil
		}
		if table, ok := n.merged[c.Name.Lowered()]; ok && !other(c.Name.Lowered()) {
			return &ast.ColName{Name: c.Name, Qualifier: table}, false, nil
		}
		return nil, false, nil
	})
}

// deleteJoins makes conditions of USING and NATURAL in a DELETE of several tables: the planner does not find
// the aliases of what they join.
func (s *Session) deleteJoins(ctx *sql.Context, stmt ast.Statement) error {
	d, ok := stmt.(*ast.Delete)
	if !ok || len(d.Targets) == 0 {
		return nil
	}
	return s.conditionedJoins(ctx, d.With, d.TableExprs, &d.Where)
}

// conditionedJoins makes conditions of USING and NATURAL in a list of tables, if all their columns are known, and gives the columns
// that they merge the names of tables in parts of the statement.
func (s *Session) conditionedJoins(ctx *sql.Context, with *ast.With, list ast.TableExprs, parts ...any) error {
	if !slices.ContainsFunc(list, merges) {
		return nil
	}
	n := namedTables{s: s, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}, merged: map[string]ast.TableName{}}
	n.with(with)
	for _, e := range list {
		if columns, err := n.columns(e); err != nil || columns == nil {
			return err
		}
	}
	for _, join := range n.joins {
		join()
	}
	for _, part := range parts {
		n.qualifyNames(part, func(string) bool { return false })
	}
	return nil
}

// columns returns what `*` of a part of a FROM stands for, nil if that is not known.
func (n *namedTables) columns(e ast.TableExpr) (out []joinedColumn, err error) {
	switch e := e.(type) {
	case *ast.AliasedTableExpr:
		table := ast.TableName{Name: e.As}
		if name, ok := e.Expr.(ast.TableName); ok && e.As.IsEmpty() {
			table = name
		}
		for _, c := range n.names(e.Expr) {
			out = append(out, joinedColumn{c, table})
		}
		n.tables = append(n.tables, out...)
		return out, nil
	case *ast.ParenTableExpr:
		for _, e := range e.Exprs {
			columns, err := n.columns(e)
			if err != nil || columns == nil {
				return nil, err
			}
			out = append(out, columns...)
		}
		return out, nil
	case *ast.JoinTableExpr:
		first, err := n.columns(e.LeftExpr)
		if err != nil || first == nil {
			return nil, err
		}
		second, err := n.columns(e.RightExpr)
		if err != nil || second == nil {
			return nil, err
		}
		kind, natural := strings.CutPrefix(e.Join, "natural ")
		if !natural && len(e.Condition.Using) == 0 {
			return append(first, second...), nil
		}
		if strings.HasPrefix(kind, "right") {
			first, second = second, first
		}
		common := func(c joinedColumn, others []joinedColumn) bool {
			if natural {
				return slices.ContainsFunc(others, func(o joinedColumn) bool { return o.name.Equal(c.name) })
			}
			return slices.ContainsFunc(e.Condition.Using, c.name.Equal)
		}
		for _, c := range e.Condition.Using {
			for _, side := range [][]joinedColumn{first, second} {
				if !slices.ContainsFunc(side, func(o joinedColumn) bool { return o.name.Equal(c) }) {
					return nil, mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'from clause'", c.String())
				}
			}
		}
		for _, c := range first {
			if !common(c, second) {
				continue
			}
			for _, side := range [][]joinedColumn{first, second} {
				if len(slices.DeleteFunc(slices.Clone(side), func(o joinedColumn) bool { return !o.name.Equal(c.name) })) > 1 {
					return nil, mysql.NewSQLError(1052, "23000", "Column '%s' in from clause is ambiguous", c.name.String())
				}
			}
			out = append(out, c)
		}
		merged := slices.Clone(out)
		n.merge(e, kind, merged, second)
		for _, c := range append(slices.Clone(first), second...) {
			if !slices.ContainsFunc(merged, func(m joinedColumn) bool { return m.name.Equal(c.name) }) {
				out = append(out, c)
			}
		}
		return out, nil
	}
	return nil, nil
}

// merge notes the columns that a join has of two tables, and its condition.
func (n *namedTables) merge(e *ast.JoinTableExpr, kind string, merged, second []joinedColumn) {
	var on ast.Expr
	for _, c := range merged {
		if n.merged != nil {
			n.merged[c.name.Lowered()] = c.table
		}
		for _, o := range second {
			if o.name.Equal(c.name) {
				on = planrule.And(on, &ast.ComparisonExpr{Operator: ast.EqualStr, Left: &ast.ColName{Name: c.name, Qualifier: c.table}, Right: &ast.ColName{Name: o.name, Qualifier: o.table}})
			}
		}
	}
	n.joins = append(n.joins, func() { e.Join, e.Condition = kind, ast.JoinCondition{On: on} })
}

// names returns the names of the columns of a table, nil if they are not known.
func (n *namedTables) names(e ast.SimpleTableExpr) ast.Columns {
	switch e := e.(type) {
	case ast.TableName:
		key := strings.ToLower(e.Name.String())
		if c, ok := n.ctes[key]; ok && e.DbQualifier.IsEmpty() {
			if c == nil {
				return nil
			}
			if len(c.Columns) > 0 {
				return c.Columns
			}
			n.ctes[key] = nil // it may be of itself
			defer func() { n.ctes[key] = c }()
			return n.names(c.Expr)
		}
		if columns := n.s.columnsOf(e); columns != nil {
			return columns
		}
		name := fullName(e, n.ctx.GetCurrentDatabase())
		if _, view, err := n.s.definition(n.ctx, name); err != nil || !view && !systemDatabase(name.Database) && name.Database != "performance_schema" && name.Database != "sys" {
			return nil
		}
		rows, err := n.s.bound(n.ctx, n.s.b.catalog, name.Database, "SELECT * FROM "+quoted(name))
		if err != nil {
			return nil
		}
		var out ast.Columns
		for _, c := range rows.Schema(n.ctx) {
			out = append(out, ast.NewColIdent(c.Name))
		}
		return out
	case *ast.Subquery:
		if len(e.Columns) > 0 {
			return e.Columns
		}
		return n.selected(e.Select)
	}
	return nil
}

// selected returns the names of the columns of a query, nil if they are not known.
func (n *namedTables) selected(q ast.SelectStatement) (out ast.Columns) {
	switch q := q.(type) {
	case *ast.ParenSelect:
		return n.selected(q.Select)
	case *ast.SetOp:
		return n.selected(q.Left)
	case *ast.Select:
		n.with(q.With)
		inner := *n
		inner.tables = nil
		var all []joinedColumn
		if slices.ContainsFunc(q.SelectExprs, func(e ast.SelectExpr) bool { _, star := e.(*ast.StarExpr); return star }) {
			for _, e := range q.From {
				columns, err := inner.columns(e)
				if err != nil || columns == nil {
					return nil
				}
				all = append(all, columns...)
			}
		}
		for _, e := range q.SelectExprs {
			switch e := e.(type) {
			case *ast.StarExpr:
				columns := all
				if !e.TableName.IsEmpty() {
					columns = inner.tables
				}
				if len(columns) == 0 {
					return nil
				}
				for _, c := range columns {
					if e.TableName.IsEmpty() || syntax.SameName(c.table.Name.String(), e.TableName.Name.String()) {
						out = append(out, c.name)
					}
				}
			case *ast.AliasedExpr:
				out = append(out, ast.NewColIdent(resultName(e)))
			}
		}
	}
	return out
}
