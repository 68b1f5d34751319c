package gms

import (
	"maps"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// fromScope is the tables that the names of columns in a query are of, and those of the
// queries around it.
type fromScope struct {
	outer   *fromScope
	tables  []fromTable
	ctes    map[string]bool
	aliases map[string]bool // of the select list
}

// fromTable is a table in a FROM.
type fromTable struct {
	alias string
	table syntax.TableName
	// def is nil for what is no table: a view, a query, a table function.
	def *engine.TableDef
	// columns are their names, nil if they are not known.
	columns []string
	// restricted: SELECT was granted on some of its columns at most.
	restricted bool
	target     bool // of UPDATE or DELETE: it is not read for being there
}

// cte reports whether a name is one of WITH.
func (sc *fromScope) cte(t ast.TableName) bool {
	for ; sc != nil && t.DbQualifier.IsEmpty(); sc = sc.outer {
		if sc.ctes[strings.ToLower(t.Name.String())] {
			return true
		}
	}
	return false
}

// with adds the names of a WITH, each for the queries behind it.
func (a *rights) with(w *ast.With, sc *fromScope) error {
	if w == nil {
		return nil
	}
	if sc.ctes == nil {
		sc.ctes = map[string]bool{}
	}
	for _, c := range w.Ctes {
		name := strings.ToLower(c.As.String())
		if w.Recursive {
			sc.ctes[name] = true
		}
		if q, ok := c.Expr.(*ast.Subquery); ok {
			if err := a.query(q.Select, &fromScope{outer: sc}); err != nil {
				return err
			}
		}
		sc.ctes[name] = true
		a.use(syntax.TableName{Database: a.db, Name: name}) // the planner asks for it
	}
	return nil
}

// query checks what a query needs; sc is its own scope.
func (a *rights) query(q ast.SelectStatement, sc *fromScope) error {
	switch q := q.(type) {
	case *ast.Select:
		return a.selects(q, sc)
	case *ast.ParenSelect:
		return a.query(q.Select, sc)
	case *ast.SetOp:
		if err := a.with(q.With, sc); err != nil {
			return err
		}
		for _, part := range []ast.SelectStatement{q.Left, q.Right} {
			if err := a.query(part, &fromScope{outer: sc}); err != nil {
				return err
			}
		}
		if err := a.outfile(q.Into); err != nil {
			return err
		}
		if err := a.locks(q.Lock, q); err != nil {
			return err
		}
		return a.expressions(&fromScope{outer: sc}, q.OrderBy, q.Limit)
	}
	return a.global(sql.PrivilegeType_Super)
}

func (a *rights) selects(q *ast.Select, sc *fromScope) error {
	if err := a.with(q.With, sc); err != nil {
		return err
	}
	if err := a.outfile(q.Into); err != nil {
		return err
	}
	if err := a.from(q.From, sc, nil); err != nil {
		return err
	}
	if err := a.locks(q.Lock, q); err != nil {
		return err
	}
	if err := a.selectList(q.SelectExprs, sc); err != nil {
		return err
	}
	if err := a.expressions(sc, q.Where, q.Window); err != nil {
		return err
	}
	sc.aliases = map[string]bool{}
	for _, e := range q.SelectExprs {
		if e, ok := e.(*ast.AliasedExpr); ok && !e.As.IsEmpty() {
			sc.aliases[e.As.Lowered()] = true
		}
	}
	for _, o := range q.OrderBy {
		if c, ok := o.Expr.(*ast.ColName); ok && c.Qualifier.IsEmpty() && sc.aliases[c.Name.Lowered()] {
			continue // there the alias comes first
		}
		if err := a.expressions(sc, o.Expr); err != nil {
			return err
		}
	}
	if err := a.having(q.Having, sc); err != nil {
		return err
	}
	return a.expressions(sc, q.GroupBy, q.Limit)
}

// having checks HAVING, where but within aggregates an alias comes before a column.
func (a *rights) having(w *ast.Where, sc *fromScope) error {
	if w == nil {
		return nil
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ColName:
			if n.Qualifier.IsEmpty() && sc.aliases[n.Name.Lowered()] {
				return false, nil
			}
			return false, a.expressions(sc, n)
		case *ast.Subquery:
			return false, a.expressions(sc, n)
		case *ast.FuncExpr:
			if rewrite.Groups(n) {
				return false, a.expressions(sc, n)
			}
			return true, a.function(n)
		case *ast.GroupConcatExpr:
			return false, a.expressions(sc, n)
		}
		return true, nil
	}, w.Expr)
}

// outfile checks SELECT … INTO OUTFILE and DUMPFILE.
func (a *rights) outfile(into *ast.Into) error {
	if into == nil || into.Outfile+into.Dumpfile == "" {
		return nil
	}
	return a.everywhere(sql.PrivilegeType_File)
}

// everywhere returns the error of a global privilege that is missing in a statement which
// does not say which.
func (a *rights) everywhere(p sql.PrivilegeType) error {
	if a.set.Has(p) {
		return nil
	}
	return mysql.NewSQLError(1045, "28000", "Access denied for user %s (using password: YES)", quotedAccount(a.who))
}

// locks checks FOR UPDATE, which is for those who may change or lock the tables.
func (a *rights) locks(l *ast.Lock, q ast.SelectStatement) error {
	if l == nil || l.Type == "" {
		return nil
	}
	var of ast.TableNames
	writes := false
	for _, c := range parseLock(l) {
		if c.lock >= lockWrite {
			of, writes = append(of, c.of...), true
		}
	}
	if !writes {
		return nil
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		e, ok := n.(*ast.AliasedTableExpr)
		if !ok {
			_, sub := n.(*ast.Subquery)
			return !sub, nil
		}
		name, ok := e.Expr.(ast.TableName)
		if !ok || len(of) > 0 && !slices.ContainsFunc(of, func(t ast.TableName) bool {
			return syntax.SameName(t.Name.String(), e.As.String()) || e.As.IsEmpty() && syntax.SameName(t.Name.String(), name.Name.String())
		}) {
			return false, nil
		}
		t := a.name(name)
		if name.Name.String() == "dual" || a.s.temporary(t.Database, t.Name) != nil {
			return false, nil
		}
		granted := a.set.Database(t.Database).Table(t.Name)
		for _, p := range []sql.PrivilegeType{sql.PrivilegeType_Update, sql.PrivilegeType_Delete, sql.PrivilegeType_LockTables} {
			if a.has(t.Database, p) || granted.Has(p) {
				return false, nil
			}
		}
		return false, a.denied("SELECT with locking clause", t)
	}, q)
}

// from checks the tables of a FROM and puts them into its scope. targets are those that
// UPDATE or DELETE changes, by alias.
func (a *rights) from(list ast.TableExprs, sc *fromScope, targets map[string]bool) error {
	for _, e := range list {
		if err := a.tableExpr(e, sc, targets); err != nil {
			return err
		}
	}
	return nil
}

func (a *rights) tableExpr(e ast.TableExpr, sc *fromScope, targets map[string]bool) error {
	switch e := e.(type) {
	case *ast.AliasedTableExpr:
		switch x := e.Expr.(type) {
		case ast.TableName:
			return a.source(x, e.As.String(), sc, targets)
		case *ast.Subquery:
			outer := sc.outer
			if e.Lateral {
				outer = sc
			}
			inner := &fromScope{outer: outer, ctes: maps.Clone(sc.ctes)}
			if err := a.query(x.Select, inner); err != nil {
				return err
			}
			sc.tables = append(sc.tables, fromTable{alias: e.As.String()})
		case *ast.ValuesStatement:
			sc.tables = append(sc.tables, fromTable{alias: e.As.String()})
			return a.expressions(sc, x.Rows)
		}
	case *ast.ParenTableExpr:
		return a.from(e.Exprs, sc, targets)
	case *ast.JoinTableExpr:
		if err := a.from(ast.TableExprs{e.LeftExpr, e.RightExpr}, sc, targets); err != nil {
			return err
		}
		if strings.HasPrefix(e.Join, "natural") {
			return a.selectList(ast.SelectExprs{&ast.StarExpr{}}, sc)
		}
		for _, c := range e.Condition.Using {
			for _, t := range sc.tables {
				if t.restricted && (t.columns == nil || t.hasColumn(c.String())) {
					if err := a.column(t.table, c.String(), sql.PrivilegeType_Select); err != nil {
						return err
					}
				}
			}
		}
		if e.Condition.On != nil {
			return a.expressions(sc, e.Condition.On)
		}
	case *ast.JSONTableExpr:
		sc.tables = append(sc.tables, fromTable{alias: e.Alias.String()})
		return a.expressions(sc, e.Data)
	case *ast.TableFuncExpr:
		sc.tables = append(sc.tables, fromTable{alias: e.Alias.String()})
		return a.selectList(e.Exprs, sc)
	}
	return nil
}

// source checks a table that a query reads, or for its changes are checked elsewhere.
func (a *rights) source(n ast.TableName, alias string, sc *fromScope, targets map[string]bool) error {
	if n.Name.String() == "dual" && n.DbQualifier.IsEmpty() {
		return nil
	}
	if alias == "" {
		alias = n.Name.String()
	}
	if sc.cte(n) {
		sc.tables = append(sc.tables, fromTable{alias: alias})
		return nil
	}
	t := a.name(n)
	f := fromTable{alias: alias, table: t, target: targets[strings.ToLower(alias)]}
	if err := a.table(t, sql.PrivilegeType_Select); err != nil {
		if !f.target && !a.someColumn(t, sql.PrivilegeType_Select) {
			return err
		}
		f.restricted = true
		a.use(t)
	}
	view := false
	var err error
	if f.def, view, err = a.s.definition(a.ctx, t); err != nil {
		return err
	}
	f.columns = columnNames(f.def)
	if view && f.restricted {
		if f.columns, err = a.viewColumns(t); err != nil {
			return err
		}
	}
	sc.tables = append(sc.tables, f)
	if view {
		return a.view(t)
	}
	return nil
}

func (t fromTable) hasColumn(name string) bool {
	return slices.ContainsFunc(t.columns, func(c string) bool { return syntax.SameName(c, name) })
}

// named reports whether a table is the one that a column's qualifier names.
func (t fromTable) named(q ast.TableName) bool {
	return syntax.SameName(t.alias, q.Name.String()) && (q.DbQualifier.IsEmpty() || t.table.Name == "" || syntax.SameName(t.table.Database, q.DbQualifier.String()))
}

// function checks the call of a stored function.
func (a *rights) function(n *ast.FuncExpr) error {
	if n.Qualifier.IsEmpty() && nativeFunction(a.ctx, n.Name.String()) {
		return nil
	}
	name := syntax.TableName{Database: a.within(n.Qualifier.String()), Name: n.Name.String()}
	if name.Database == "" {
		return nil
	}
	if ok, err := getObject(a.ctx, engine.ObjectFunction, name.Database, name.Name, &storedProcedure{}); !ok || err != nil {
		return err
	}
	if err := a.routine(name.Database, name.Name, false, "execute", sql.PrivilegeType_Execute); err != nil {
		return err
	}
	a.use(functionKey(name))
	return nil
}

// selectList checks what a select list reads.
func (a *rights) selectList(list ast.SelectExprs, sc *fromScope) error {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.StarExpr:
			for _, t := range sc.tables {
				if !t.restricted || !e.TableName.IsEmpty() && !syntax.SameName(e.TableName.Name.String(), t.alias) {
					continue
				}
				if err := a.columns(t.table, sql.PrivilegeType_Select, nil, t.columns); err != nil {
					return err
				}
			}
		case *ast.AliasedExpr:
			if err := a.expressions(sc, e.Expr); err != nil {
				return err
			}
		}
	}
	return nil
}

// expressions checks the columns and queries in expressions.
func (a *rights) expressions(sc *fromScope, list ...ast.SQLNode) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, a.query(n.Select, &fromScope{outer: sc})
		case ast.SelectStatement:
			return false, a.query(n, &fromScope{outer: sc})
		case *ast.ColName:
			return false, a.columnName(n, sc)
		case *ast.FuncExpr:
			return true, a.function(n)
		}
		return true, nil
	}, list...)
}

// columnName checks a column that is read.
func (a *rights) columnName(n *ast.ColName, sc *fromScope) error {
	name, qualifier := n.Name.String(), n.Qualifier.Name.String()
	for ; sc != nil; sc = sc.outer {
		var opaque []fromTable
		for _, t := range sc.tables {
			switch {
			case qualifier != "" && !t.named(n.Qualifier):
			case t.hasColumn(name) || qualifier != "":
				if !t.restricted {
					return nil
				}
				return a.column(t.table, name, sql.PrivilegeType_Select)
			case t.restricted && t.columns == nil:
				opaque = append(opaque, t)
			}
		}
		if qualifier == "" && sc.aliases[strings.ToLower(name)] {
			return nil
		}
		for _, t := range opaque {
			if err := a.column(t.table, name, sql.PrivilegeType_Select); err != nil {
				return err
			}
		}
	}
	return nil
}
