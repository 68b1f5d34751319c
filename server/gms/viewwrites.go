package gms

import (
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

func (m *viewMerger) write(stmt ast.Statement, database string) error {
	switch stmt.(type) {
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Load:
	default:
		return nil
	}
	views := false
	eachName(stmt, database, func(t syntax.TableName, _ bool) { views = views || m.isView(t) })
	if !views {
		return nil
	}
	m.sent = (&scope{}).copy(m.ctx, stmt)
	if err := m.writes(stmt, database); err != nil && m.unknown == nil {
		return err
	}
	return m.unknown
}

// writes is write of a statement that names a view.
func (m *viewMerger) writes(stmt ast.Statement, database string) error {
	switch n := stmt.(type) {
	case *ast.Insert:
		return m.insert(n, database)
	case *ast.Load:
		return m.load(n, database)
	case *ast.Update:
		return m.update(n, database)
	case *ast.Delete:
		if len(n.Targets) == 0 {
			return m.delete(n, database)
		}
		return m.deleteJoined(n, database)
	}
	return nil
}

// isView reports whether a table is a view.
func (m *viewMerger) isView(t syntax.TableName) bool {
	return m.s.temporary(t.Database, t.Name) == nil && m.cat.Object(engine.ObjectView, t.Database, t.Name) != nil
}

// named merges a view whose base table, if it is one, has its own name for an alias.
func (m *viewMerger) named(t syntax.TableName) (*mergedView, error) {
	v, err := m.written(t, "")
	if err != nil || v == nil || len(v.tables) > 1 {
		return v, err
	}
	return m.merge(t, v.tables[0].name.Name)
}

// written is merge of a view that a statement writes. Returns 1356 of one that names what is gone.
func (m *viewMerger) written(t syntax.TableName, alias string) (*mergedView, error) {
	v, err := m.merge(t, alias)
	if err == nil && (v == nil || v.broken) && m.s.brokenView(m.ctx, t) {
		return nil, errViewRights(t)
	}
	return v, err
}

// insertable maps the columns of an INSERT of a view to those of the base table that they are of.
func (m *viewMerger) insertable(t syntax.TableName, columns *ast.Columns, ignore bool) (*mergedView, syntax.TableName, error) {
	v, err := m.named(t)
	if err != nil {
		return nil, syntax.TableName{}, err
	}
	refused := mysql.NewSQLError(1471, "HY000", "The target table %s of the INSERT is not insertable-into", t.Name)
	if v == nil || v.reads {
		return nil, syntax.TableName{}, refused
	}
	if len(*columns) == 0 {
		if len(v.tables) > 1 {
			return nil, syntax.TableName{}, mysql.NewSQLError(1394, "HY000", "Can not insert into join view '%s.%s' without fields list", t.Database, t.Name)
		}
		for _, c := range v.columns {
			*columns = append(*columns, ast.NewColIdent(c.name))
		}
	}
	alias := ""
	for i, c := range *columns {
		if strings.HasPrefix(c.String(), "@") {
			continue // a variable of LOAD DATA
		}
		e := v.column(c.String())
		if e == nil {
			return nil, syntax.TableName{}, mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'field list'", c.String())
		}
		col, err := updatable(v, c.String(), e, &alias)
		if err != nil {
			return nil, syntax.TableName{}, err
		}
		(*columns)[i] = col.Name
	}
	if alias == "" {
		alias = v.tables[0].alias
	}
	base := v.base(alias)
	if !v.insertable(alias) {
		return nil, syntax.TableName{}, refused
	}
	if a := (value.Assigner{Ignore: ignore}); a.Lenient(m.ctx) {
		return v, base, nil
	}
	return v, base, m.s.defaults(v, base, alias)
}

// insertable reports whether a base table's columns in a view are all there is, each once.
func (v *mergedView) insertable(alias string) bool {
	seen := map[string]bool{}
	for _, c := range v.columns {
		col, ok := c.expr.(*ast.ColName)
		if !ok {
			return false
		}
		if col.Qualifier.Name.String() != alias {
			continue
		}
		if seen[col.Name.Lowered()] {
			return false
		}
		seen[col.Name.Lowered()] = true
	}
	return true
}

// defaults returns the error of a column that is not in a view and needs a value.
func (s *Session) defaults(v *mergedView, base syntax.TableName, alias string) error {
	def := s.temporary(base.Database, base.Name)
	if def == nil {
		cat, err := s.b.db.CatalogAt(value.NoContext(), 0)
		if err != nil {
			return err
		}
		if def = cat.Table(base.Database, base.Name); def == nil {
			return nil
		}
	}
	for _, c := range def.Columns {
		if c.HasDefault || c.Nullable || c.AutoIncrement || c.Generated != "" || c.Hidden {
			continue
		}
		if !slices.ContainsFunc(v.columns, func(vc viewColumn) bool {
			col, ok := vc.expr.(*ast.ColName)
			return ok && col.Qualifier.Name.String() == alias && syntax.SameName(col.Name.String(), c.Name)
		}) {
			return mysql.NewSQLError(1423, "HY000", "Field of view '%s.%s' underlying table doesn't have a default value", v.name.Database, v.name.Name)
		}
	}
	return nil
}

// updatable returns the base column that a view's is, which must be of the base table with the
// alias, if that is known already.
func updatable(v *mergedView, name string, e ast.Expr, alias *string) (*ast.ColName, error) {
	col, ok := e.(*ast.ColName)
	if !ok {
		return nil, mysql.NewSQLError(1348, "HY000", "Column '%s' is not updatable", name)
	}
	if of := col.Qualifier.Name.String(); *alias == "" {
		*alias = of
	} else if *alias != of {
		return nil, mysql.NewSQLError(1393, "HY000", "Can not modify more than one base table through a join view '%s.%s'", v.name.Database, v.name.Name)
	}
	return col, nil
}

func (m *viewMerger) insert(n *ast.Insert, database string) error {
	t := m.full(n.Table, database)
	if !m.isView(t) {
		return nil
	}
	given := slices.Clone(n.Columns)
	v, base, err := m.insertable(t, &n.Columns, n.Ignore != "")
	if err != nil {
		return err
	}
	if rows, ok := n.Rows.(*ast.AliasedValues); ok && !rows.As.IsEmpty() && len(rows.Columns) == 0 {
		rows.Columns = given
		if len(given) == 0 {
			for _, c := range v.columns {
				rows.Columns = append(rows.Columns, ast.NewColIdent(c.name))
			}
		}
	}
	events := []string{ast.InsertStr}
	if n.Action == ast.ReplaceStr {
		events = append(events, ast.DeleteStr)
	}
	sc := &viewScope{m: m, tables: []scopeTable{{alias: t.Name, columns: v.columns, view: v}}}
	m.clause = "field list"
	alias := ""
	for _, a := range n.OnDup {
		if e := v.column(a.Name.Name.String()); e == nil {
			sc.unresolved(a.Name)
		} else if a.Name, err = updatable(v, a.Name.Name.String(), e, &alias); err != nil {
			return err
		}
		a.Expr = sc.expr(a.Expr)
	}
	if len(n.OnDup) > 0 {
		events = append(events, ast.UpdateStr)
	}
	if alias != "" && v.base(alias) != base {
		return mysql.NewSQLError(1393, "HY000", "Can not modify more than one base table through a join view '%s.%s'", t.Database, t.Name)
	}
	n.Table = base.Ast()
	for _, a := range n.OnDup {
		set := ast.Expr(a.Name)
		for _, e := range []*ast.Expr{&set, &a.Expr} { // the INSERT has no alias of a join's
			_ = syntax.ReplaceNodes(reflect.ValueOf(e), func(x ast.SQLNode) (ast.SQLNode, bool, error) {
				if c, ok := x.(*ast.ColName); ok && len(v.tables) > 1 && c.Qualifier.Name.String() == alias {
					return &ast.ColName{Name: c.Name, Qualifier: ast.TableName{Name: n.Table.Name}}, false, nil
				}
				return nil, true, nil
			})
		}
		a.Name = set.(*ast.ColName)
	}
	n.Auth, err = m.authorized(v, base, n.Auth, events...)
	return err
}

func (m *viewMerger) load(n *ast.Load, database string) error {
	t := m.full(n.Table, database)
	if !m.isView(t) {
		return nil
	}
	named := slices.DeleteFunc(slices.Clone(n.Columns), isVariable)
	v, base, err := m.insertable(t, &named, bool(n.Local) || n.IgnoreOrReplace == ast.IgnoreStr)
	if err != nil {
		return err
	}
	if len(n.Columns) == 0 {
		n.Columns = named
	}
	for i, c := range n.Columns {
		if !isVariable(c) {
			n.Columns[i], named = named[0], named[1:]
		}
	}
	sc := &viewScope{m: m, tables: []scopeTable{{alias: t.Name, columns: v.columns, view: v}}}
	m.clause = "field list"
	for _, a := range n.SetExprs {
		if col, ok := v.column(a.Name.Name.String()).(*ast.ColName); ok {
			a.Name = col
		} else {
			sc.unresolved(a.Name)
		}
		a.Expr = sc.expr(a.Expr)
	}
	events := []string{ast.InsertStr}
	if n.IgnoreOrReplace == ast.ReplaceStr {
		events = append(events, ast.DeleteStr)
	}
	n.Table = base.Ast()
	n.Auth, err = m.authorized(v, base, n.Auth, events...)
	return err
}

// isVariable reports whether a name of LOAD DATA's list is a variable's.
func isVariable(name ast.ColIdent) bool { return strings.HasPrefix(name.String(), "@") }

// targets are the tables of an UPDATE or DELETE.
type targets struct {
	scope viewScope
	views map[string]*mergedView // by the name that the statement has for them
	fixed map[string]bool        // views that cannot be written
	auth  map[string]*ast.AuthInformation
	made  map[ast.TableExpr]*mergedView // by what they are replaced by
	where ast.Expr                      // what their conditions ask of the rows of the FROM
}

// conditioned makes conditions of USING and NATURAL where one joins a view, of whose tables several may have the columns.
func (m *viewMerger) conditioned(database string, with *ast.With, list ast.TableExprs, parts ...any) error {
	view := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		a, ok := n.(*ast.AliasedTableExpr)
		if ok {
			name, table := a.Expr.(ast.TableName)
			view = view || table && m.isView(m.full(name, database))
		}
		return !ok && !view, nil
	}, list)
	if !view {
		return nil
	}
	return m.s.conditionedJoins(m.ctx, with, list, parts...)
}

// joins replaces the views among the tables of a statement; ok is false if there are none.
func (m *viewMerger) joins(list ast.TableExprs, database string) (*targets, error) {
	t := &targets{scope: viewScope{m: m}, views: map[string]*mergedView{}, fixed: map[string]bool{}, auth: map[string]*ast.AuthInformation{}, made: map[ast.TableExpr]*mergedView{}}
	for i := range list {
		if err := syntax.ReplaceNodes(reflect.ValueOf(&list[i]), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			a, ok := n.(*ast.AliasedTableExpr)
			if !ok {
				_, within := n.(ast.TableExpr)
				return nil, within, nil
			}
			e, err := m.target(a, t, database)
			if e == nil {
				return nil, false, err
			}
			return e, false, err
		}); err != nil {
			return nil, err
		}
	}
	if len(t.views)+len(t.fixed) == 0 {
		return nil, nil
	}
	m.clause = "on clause"
	for i := range list {
		_ = syntax.ReplaceNodes(reflect.ValueOf(&list[i]), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			if j, ok := n.(*ast.JoinTableExpr); ok && j.Condition.On != nil && !madeBy(j) {
				j.Condition.On = t.scope.expr(j.Condition.On)
			}
			_, derived := n.(*ast.AliasedTableExpr)
			return nil, !derived, nil
		})
		where, err := t.asked(list[i])
		if err != nil {
			return nil, err
		}
		t.where = planrule.And(t.where, where)
	}
	return t, nil
}

// asked returns the conditions of the views in a part of a FROM, without those of the side that an outer join may leave out: they are
// put to the join's.
func (t *targets) asked(e ast.TableExpr) (where ast.Expr, err error) {
	if v := t.made[e]; v != nil {
		return v.where, nil
	}
	switch e := e.(type) {
	case *ast.ParenTableExpr:
		for _, e := range e.Exprs {
			more, err := t.asked(e)
			if err != nil {
				return nil, err
			}
			where = planrule.And(where, more)
		}
	case *ast.JoinTableExpr:
		left, err := t.asked(e.LeftExpr)
		if err != nil {
			return nil, err
		}
		right, err := t.asked(e.RightExpr)
		if err != nil {
			return nil, err
		}
		switch kind := strings.TrimPrefix(e.Join, "natural "); {
		case strings.HasPrefix(kind, "right"):
			left, right = right, left
		case !strings.HasPrefix(kind, "left"):
			return planrule.And(left, right), nil
		}
		if right != nil && e.Condition.On == nil {
			return nil, value.ErrNotSupported("a view with conditions in an outer join with USING")
		}
		e.Condition.On = planrule.And(e.Condition.On, right)
		return left, nil
	}
	return where, nil
}

// madeBy reports whether a join is one of a view: its conditions are replaced already.
func madeBy(j *ast.JoinTableExpr) bool {
	a, ok := j.LeftExpr.(*ast.AliasedTableExpr)
	return ok && strings.HasPrefix(a.As.String(), rewrite.Derived)
}

// target looks at a table of a statement and returns what a view is replaced by.
func (m *viewMerger) target(a *ast.AliasedTableExpr, t *targets, database string) (ast.SQLNode, error) {
	name, ok := a.Expr.(ast.TableName)
	if !ok {
		return nil, nil
	}
	full := m.full(name, database)
	known := full.Name
	if !a.As.IsEmpty() {
		known = a.As.String()
	}
	if !m.isView(full) {
		st := scopeTable{alias: known}
		for _, c := range m.s.columnsOf(full.Ast()) {
			st.columns = append(st.columns, viewColumn{name: c.String()})
		}
		t.scope.tables = append(t.scope.tables, st)
		return nil, nil
	}
	v, err := m.written(full, known)
	if err != nil {
		return nil, err
	}
	key := strings.ToLower(known)
	if v == nil {
		t.fixed[key] = true
		return nil, nil
	}
	t.views[key] = v
	t.scope.tables = append(t.scope.tables, scopeTable{alias: known, columns: v.columns, view: v})
	t.made[v.from] = v
	if first := firstTable(v.from); first != nil {
		first.Auth = a.Auth
		t.auth[key] = &first.Auth
	}
	return v.from, nil
}

// firstTable is the table at the left of a join.
func firstTable(e ast.TableExpr) *ast.AliasedTableExpr {
	for {
		switch x := e.(type) {
		case *ast.JoinTableExpr:
			e = x.LeftExpr
		case *ast.AliasedTableExpr:
			return x
		default:
			return nil
		}
	}
}

// of returns the view that a column which is written is of, by the statement's name for it; ""
// if it is none's.
func (t *targets) of(n *ast.ColName) string {
	if !n.Qualifier.Name.IsEmpty() {
		return strings.ToLower(n.Qualifier.Name.String())
	}
	for _, st := range t.scope.tables {
		if slices.ContainsFunc(st.columns, func(c viewColumn) bool { return syntax.SameName(c.name, n.Name.String()) }) {
			return strings.ToLower(st.alias)
		}
	}
	if len(t.fixed) == 1 && len(t.scope.tables) == 0 {
		for name := range t.fixed {
			return name
		}
	}
	return ""
}

func (m *viewMerger) update(n *ast.Update, database string) error {
	if err := m.conditioned(database, n.With, n.TableExprs, &n.Exprs, &n.Where); err != nil {
		return err
	}
	t, err := m.joins(n.TableExprs, database)
	if t == nil || err != nil {
		return err
	}
	written := map[string]*string{}
	m.clause = "field list"
	for _, a := range n.Exprs {
		of := t.of(a.Name)
		if t.fixed[of] {
			return notUpdatable(of, "UPDATE")
		}
		if v := t.views[of]; v != nil {
			if written[of] == nil {
				written[of] = new(string)
			}
			if e := v.column(a.Name.Name.String()); e != nil {
				col, err := updatable(v, a.Name.Name.String(), e, written[of])
				if err != nil {
					return err
				}
				same := *col
				a.Name = &same
			} else {
				t.scope.unresolved(a.Name)
			}
		} else {
			t.scope.expr(a.Name) // it is no view's
		}
		a.Expr = t.scope.expr(a.Expr)
	}
	for of, alias := range written {
		v := t.views[of]
		if *t.auth[of], err = m.authorized(v, v.base(*alias), *t.auth[of], ast.UpdateStr); err != nil {
			return err
		}
	}
	for of, v := range t.views {
		if written[of] == nil {
			*t.auth[of] = m.read(v, *t.auth[of])
		}
	}
	n.Where, n.OrderBy = t.narrowed(n.Where), t.ordered(n.OrderBy)
	return nil
}

// narrowed returns a condition with that of the views.
func (t *targets) narrowed(w *ast.Where) *ast.Where {
	var e ast.Expr
	t.scope.m.clause = "where clause"
	if w != nil {
		e = t.scope.expr(w.Expr)
	}
	if e = planrule.And(e, t.where); e == nil {
		return nil
	}
	return ast.NewWhere(ast.WhereStr, e)
}

func (t *targets) ordered(list ast.OrderBy) ast.OrderBy {
	t.scope.m.clause = "order clause"
	for _, o := range list {
		o.Expr = t.scope.expr(o.Expr)
	}
	return list
}

func (m *viewMerger) delete(n *ast.Delete, database string) error {
	a, ok := n.TableExprs[0].(*ast.AliasedTableExpr)
	if !ok {
		return nil
	}
	name, ok := a.Expr.(ast.TableName)
	if !ok {
		return nil
	}
	full := m.full(name, database)
	if !m.isView(full) {
		return nil
	}
	v, err := m.named(full)
	switch {
	case err != nil:
		return err
	case v == nil:
		return notUpdatable(full.Name, "DELETE")
	case len(v.tables) > 1:
		return errJoinViewDelete(full)
	}
	t := &targets{scope: viewScope{m: m, tables: []scopeTable{{alias: full.Name, columns: v.columns, view: v}}}, where: v.where}
	if !a.As.IsEmpty() {
		t.scope.tables[0].alias = a.As.String()
	}
	base := v.tables[0].name
	a.Expr, a.As = base.Ast(), ast.TableIdent{}
	n.Where, n.OrderBy = t.narrowed(n.Where), t.ordered(n.OrderBy)
	a.Auth, err = m.authorized(v, base, a.Auth, ast.DeleteStr)
	return err
}

func errJoinViewDelete(t syntax.TableName) error {
	return mysql.NewSQLError(1395, "HY000", "Can not delete from join view '%s.%s'", t.Database, t.Name)
}

// deleteJoined is a DELETE that names tables beside those that it reads.
func (m *viewMerger) deleteJoined(n *ast.Delete, database string) error {
	if err := m.conditioned(database, n.With, n.TableExprs, &n.Where); err != nil {
		return err
	}
	t, err := m.joins(n.TableExprs, database)
	if t == nil || err != nil {
		return err
	}
	for i, target := range n.Targets {
		name := strings.ToLower(target.Name.String())
		v := t.views[name]
		switch {
		case t.fixed[name]:
			return notUpdatable(name, "DELETE")
		case v == nil:
			continue
		case len(v.tables) > 1:
			return errJoinViewDelete(v.name)
		}
		n.Targets[i] = ast.TableName{Name: ast.NewTableIdent(v.tables[0].alias)}
		if *t.auth[name], err = m.authorized(v, v.tables[0].name, *t.auth[name], ast.DeleteStr); err != nil {
			return err
		}
	}
	for name, v := range t.views {
		if (*t.auth[name]).Extra == nil {
			*t.auth[name] = m.read(v, *t.auth[name])
		}
	}
	n.Where = t.narrowed(n.Where)
	return nil
}

// viewUse is what a statement does with a view, kept with the authorization of its table.
type viewUse struct {
	sent   ast.Statement // as it is checked: with the view
	view   *mergedView
	base   syntax.TableName // that is written; without a name: the view is read
	events []string         // what is done to the base table
	checks []sql.CheckDefinition
	asking []sql.CheckDefinition // the checks with subqueries
}

// authorized returns the authorization of a statement that writes a base table through a view,
// which is asked for the view.
func (m *viewMerger) authorized(v *mergedView, base syntax.TableName, auth ast.AuthInformation, events ...string) (ast.AuthInformation, error) {
	use := &viewUse{sent: m.sent, view: v, base: base, events: events}
	if len(v.checks) > 0 {
		if len(v.tables) > 1 {
			return auth, value.ErrNotSupported("WITH CHECK OPTION of a join view")
		}
		again, err := m.merge(v.name, "") // names lose their tables
		if err != nil {
			return auth, err
		}
		for _, c := range again.checks {
			if c == nil {
				continue
			}
			alias, asks, qualifier := again.tables[0].alias, hasSubquery(c), ast.TableName{}
			if asks {
				qualifier.Name = ast.NewTableIdent(again.tables[0].name.Name)
			}
			err := syntax.Walk(func(n ast.SQLNode) (bool, error) {
				switch n := n.(type) {
				case *ast.ColName:
					if n.Qualifier.Name.String() == alias {
						n.Qualifier = qualifier
					}
				case *ast.AliasedTableExpr:
					t, _ := n.Expr.(ast.TableName)
					if n.As.IsEmpty() && syntax.SameName(t.Name.String(), qualifier.Name.String()) || syntax.SameName(n.As.String(), qualifier.Name.String()) {
						return false, value.ErrNotSupported("WITH CHECK OPTION of a view with a subquery of its own table")
					}
				}
				return true, nil
			}, c)
			if err != nil {
				return auth, err
			}
			check := sql.CheckDefinition{
				Name: checkOption + v.name.Database + "." + v.name.Name, CheckExpression: "ifnull((" + ast.String(rewrite.WithoutLikeBounds(c)) + "), 0)", Enforced: true,
			}
			if asks {
				use.asking = append(use.asking, check)
			} else {
				use.checks = append(use.checks, check)
			}
		}
	}
	auth = m.read(v, auth)
	auth.Extra = use
	return auth, nil
}

// read returns the authorization of a view that is read.
func (m *viewMerger) read(v *mergedView, auth ast.AuthInformation) ast.AuthInformation {
	auth.Extra = &viewUse{sent: m.sent, view: v}
	if auth.TargetType == ast.AuthTargetType_SingleTableIdentifier {
		auth.TargetNames = []string{v.name.Database, v.name.Name}
	}
	return auth
}

// checkOption begins the names of the checks of views.
const checkOption = "CHECK OPTION "

// viewChecks returns the checks of views through which the statement writes a table: those with subqueries, or the others.
func (s *Session) viewChecks(t syntax.TableName, asking bool) (out []sql.CheckDefinition) {
	for _, u := range s.viewUses {
		if syntax.SameName(u.base.Database, t.Database) && syntax.SameName(u.base.Name, t.Name) {
			if asking {
				out = append(out, u.asking...)
			} else {
				out = append(out, u.checks...)
			}
		}
	}
	return out
}
