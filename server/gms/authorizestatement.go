package gms

import (
	"cmp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// statement checks what a statement needs. Statements over accounts, SET and KILL are
// checked where they are executed; what is not named here is for SUPER.
func (a *rights) statement(stmt ast.Statement) error {
	switch n := stmt.(type) {
	case ast.SelectStatement:
		return a.query(n, &fromScope{})
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Load:
		return a.write(n)
	case *ast.DDL:
		return a.ddl(n)
	case *ast.AlterTable:
		return a.alterTable(n)
	case *ast.DBDDL:
		return a.databaseDDL(n)
	case *ast.Show:
		return a.show(n)
	case *ast.Use:
		return a.initDatabase(n.DBName.String())
	case *ast.LockTables:
		return a.lockTables(n)
	case *ast.Call:
		if err := a.routine(n.ProcName.Qualifier.String(), n.ProcName.Name.String(), true, "execute", sql.PrivilegeType_Execute); err != nil {
			return err
		}
		for _, e := range n.Params {
			if err := a.expressions(&fromScope{}, e); err != nil {
				return err
			}
		}
	case *ast.Explain:
		if err := a.statement(n.Statement); err != nil {
			return err
		}
		return a.explains()
	case *ast.Execute:
		if of, ok := a.s.BaseSession.GetPreparedQuery(n.Name); ok {
			return a.statement(of)
		}
	case *ast.Set:
		return a.assignments(n)
	case *ast.Flush:
		return a.global(sql.PrivilegeType_Reload)
	case ast.InjectedStatement:
		adm, ok := n.Statement.(*admin)
		if ok && adm.check != nil {
			return adm.check(a)
		}
		if err := a.declared(n.Auth); err != nil {
			return err
		}
		for _, e := range n.Children {
			if err := a.expressions(&fromScope{}, e); err != nil {
				return err
			}
		}
	case *ast.Prepare:
		return a.prepare(n)
	case *ast.Analyze:
		for _, t := range n.Tables {
			if err := a.table(a.name(t), sql.PrivilegeType_Select, sql.PrivilegeType_Insert); err != nil {
				return err
			}
		}
	case *ast.Begin, *ast.Commit, *ast.Rollback, *ast.Savepoint, *ast.RollbackSavepoint, *ast.ReleaseSavepoint, *ast.UnlockTables,
		*ast.Deallocate, *ast.Kill, *ast.Signal, *ast.Resignal, *ast.ShowPrivileges:
	default:
		return a.global(sql.PrivilegeType_Super)
	}
	return nil
}

// write checks a statement that changes rows.
func (a *rights) write(stmt ast.Statement) error {
	if done, err := a.through(stmt); done || err != nil {
		return err
	}
	return a.changes(stmt)
}

// changes is write of a statement with no views merged into it.
func (a *rights) changes(stmt ast.Statement) error {
	switch n := stmt.(type) {
	case *ast.Insert:
		return a.insert(n)
	case *ast.Update:
		return a.update(n)
	case *ast.Delete:
		return a.delete(n)
	case *ast.Load:
		return a.load(n)
	}
	return nil
}

// declared checks the privilege, global or on tables, that a statement is declared to need.
func (a *rights) declared(auth ast.AuthInformation) error {
	p, ok := sql.PrivilegeTypeFromString(strings.ReplaceAll(auth.AuthType, "_", " "))
	switch {
	case !ok:
	case auth.TargetType == ast.AuthTargetType_Global:
		return a.global(p)
	case auth.TargetType == ast.AuthTargetType_MultipleTableIdentifiers, auth.TargetType == ast.AuthTargetType_SingleTableIdentifier:
		for i := 0; i+1 < len(auth.TargetNames); i += 2 {
			if err := a.table(syntax.TableName{Database: a.within(auth.TargetNames[i]), Name: auth.TargetNames[i+1]}, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare checks the statement that PREPARE prepares.
func (a *rights) prepare(n *ast.Prepare) error {
	text := n.Expr
	if strings.HasPrefix(text, "@") {
		_, v, err := a.ctx.GetUserVariable(a.ctx, strings.ToLower(strings.Trim(text, "@`")))
		if err != nil {
			return err
		}
		if text, _ = v.(string); text == "" {
			return nil
		}
	}
	stmt, _, _, err := newParser().ParseWithOptions(a.ctx, text, ';', false, sql.LoadSqlMode(a.ctx).ParserOptions())
	if err != nil {
		return nil // it is told by who prepares it
	}
	return a.statement(stmt)
}

// assignments checks the queries in a SET.
func (a *rights) assignments(n *ast.Set) error {
	for _, e := range n.Exprs {
		if err := a.expressions(&fromScope{}, e.Expr); err != nil {
			return err
		}
	}
	return nil
}

// initDatabase returns the error of a database that is not there to be seen.
func (a *rights) initDatabase(db string) error {
	if db != "" && !a.visible(db) {
		return a.deniedDatabase(db)
	}
	a.use(syntax.TableName{Database: db})
	return nil
}

// written checks the change of a table, of all or of some columns, and its triggers.
func (a *rights) written(t syntax.TableName, p sql.PrivilegeType, columns []string, events ...string) error {
	def, view, err := a.s.definition(a.ctx, t)
	if err != nil {
		return err
	}
	all := columnNames(def)
	if view {
		if all, err = a.viewColumns(t); err != nil {
			return err
		}
	}
	if err := a.columns(t, p, columns, all); err != nil {
		return err
	}
	if view {
		return a.view(t)
	}
	return a.fired(t, def, events...)
}

// fired checks what the change of a table leads to: its triggers, and foreign keys.
func (a *rights) fired(t syntax.TableName, def *engine.TableDef, events ...string) error {
	if err := a.relatives(def, map[syntax.TableName]bool{}); err != nil {
		return err
	}
	for _, e := range events {
		if err := a.triggers(t, e); err != nil {
			return err
		}
	}
	return nil
}

// relatives lets the planner see the tables that foreign keys lead to: nothing has to be
// granted on them.
func (a *rights) relatives(def *engine.TableDef, seen map[syntax.TableName]bool) error {
	if def == nil || seen[syntax.TableName{Database: def.Database, Name: def.Name}] {
		return nil
	}
	cat, _, err := catalogOf(a.ctx)
	if err != nil {
		return err
	}
	seen[syntax.TableName{Database: def.Database, Name: def.Name}] = true
	related := func(db, name string) {
		a.use(syntax.TableName{Database: db, Name: name})
		_ = a.relatives(cat.Table(db, name), seen)
	}
	for _, fk := range def.ForeignKeys {
		related(cmp.Or(fk.ParentDatabase, def.Database), fk.ParentTable)
	}
	for _, fk := range a.s.b.children.of(cat, def.Database, def.Name) {
		related(fk.Database, fk.Table)
	}
	return nil
}

// insert checks INSERT and REPLACE.
func (a *rights) insert(n *ast.Insert) error {
	t := a.name(n.Table)
	sc := &fromScope{}
	if err := a.with(n.With, sc); err != nil {
		return err
	}
	var columns []string
	for _, c := range n.Columns {
		columns = append(columns, c.String())
	}
	if rows, ok := n.Rows.(*ast.AliasedValues); ok && columns == nil && len(rows.Values) > 0 && len(rows.Values[0]) == 0 {
		columns = []string{} // VALUES (): no column
	}
	events := []string{ast.InsertStr}
	if n.Action == ast.ReplaceStr {
		if err := a.table(t, sql.PrivilegeType_Insert, sql.PrivilegeType_Delete); err != nil && !a.someColumn(t, sql.PrivilegeType_Insert) {
			return err
		}
		if err := a.table(t, sql.PrivilegeType_Delete); err != nil {
			return err
		}
		events = append(events, ast.DeleteStr)
	}
	if err := a.written(t, sql.PrivilegeType_Insert, columns, events...); err != nil {
		return err
	}
	if err := a.expressions(sc, n.Rows); err != nil {
		return err
	}
	if len(n.OnDup) == 0 {
		return nil
	}
	def, _, err := a.s.definition(a.ctx, t)
	if err != nil {
		return err
	}
	target := fromTable{alias: n.Table.Name.String(), table: t, def: def, columns: columnNames(def)}
	target.restricted = len(a.without(t.Database, []sql.PrivilegeType{sql.PrivilegeType_Select})) > 0 &&
		!a.set.Database(t.Database).Table(t.Name).Has(sql.PrivilegeType_Select) && a.s.temporary(t.Database, t.Name) == nil
	sc.tables = append(sc.tables, target)
	var set []string
	for _, e := range n.OnDup {
		set = append(set, e.Name.Name.String())
	}
	if err := a.written(t, sql.PrivilegeType_Update, set, ast.UpdateStr); err != nil {
		return err
	}
	for _, e := range n.OnDup {
		if err := a.updated(e.Expr, sc); err != nil {
			return err
		}
	}
	return nil
}

// updated checks the value of an assignment; VALUES(c) reads what is inserted.
func (a *rights) updated(e ast.Expr, sc *fromScope) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ValuesFuncExpr:
			return false, nil
		case *ast.Subquery, *ast.ColName:
			return false, a.expressions(sc, n)
		case *ast.FuncExpr:
			return true, a.function(n)
		}
		return true, nil
	}, e)
}

// update checks UPDATE: the columns that it sets, and reads.
func (a *rights) update(n *ast.Update) error {
	sc := &fromScope{}
	if err := a.with(n.With, sc); err != nil {
		return err
	}
	targets := map[string]bool{}
	single := len(n.TableExprs) == 1
	if single {
		_, single = n.TableExprs[0].(*ast.AliasedTableExpr)
	}
	_ = syntax.Walk(func(node ast.SQLNode) (bool, error) {
		if t, ok := node.(*ast.AliasedTableExpr); ok {
			if name, ok := t.Expr.(ast.TableName); ok {
				alias := t.As.String()
				if alias == "" {
					alias = name.Name.String()
				}
				for _, e := range n.Exprs {
					if q := e.Name.Qualifier.Name.String(); single || q == "" || syntax.SameName(q, alias) {
						targets[strings.ToLower(alias)] = true
					}
				}
			}
			return false, nil
		}
		return true, nil
	}, n.TableExprs)
	if single {
		if e := n.TableExprs[0].(*ast.AliasedTableExpr); true {
			if name, ok := e.Expr.(ast.TableName); ok {
				if err := a.table(a.name(name), sql.PrivilegeType_Update); err != nil && !a.someColumn(a.name(name), sql.PrivilegeType_Update) {
					return err
				}
			}
		}
	}
	if err := a.from(n.TableExprs, sc, targets); err != nil {
		return err
	}
	done := map[syntax.TableName]bool{}
	for _, e := range n.Exprs {
		q := e.Name.Qualifier.Name.String()
		for _, t := range sc.tables {
			if t.table.Name == "" || q != "" && !t.named(e.Name.Qualifier) || q == "" && len(sc.tables) > 1 && !t.hasColumn(e.Name.Name.String()) {
				continue
			}
			if err := a.written(t.table, sql.PrivilegeType_Update, []string{e.Name.Name.String()}); err != nil {
				return err
			}
			if !done[t.table] {
				done[t.table] = true
				if err := a.triggers(t.table, ast.UpdateStr); err != nil {
					return err
				}
			}
			break
		}
		if err := a.expressions(sc, e.Expr); err != nil {
			return err
		}
	}
	for _, t := range sc.tables { // that nothing is set in
		if t.target && t.restricted && !done[t.table] && !a.someColumn(t.table, sql.PrivilegeType_Select) {
			return a.table(t.table, sql.PrivilegeType_Select)
		}
	}
	return a.expressions(sc, n.Where, n.OrderBy, n.Limit)
}

// delete checks DELETE.
func (a *rights) delete(n *ast.Delete) error {
	sc := &fromScope{}
	if err := a.with(n.With, sc); err != nil {
		return err
	}
	targets := map[string]bool{}
	for _, t := range n.Targets {
		targets[strings.ToLower(t.Name.String())] = true
	}
	if len(n.Targets) == 0 {
		for _, e := range n.TableExprs {
			if e, ok := e.(*ast.AliasedTableExpr); ok {
				if name, ok := e.Expr.(ast.TableName); ok {
					alias := e.As.String()
					if alias == "" {
						alias = name.Name.String()
					}
					targets[strings.ToLower(alias)] = true
					if err := a.table(a.name(name), sql.PrivilegeType_Delete); err != nil {
						return err
					}
				}
			}
		}
	}
	if err := a.from(n.TableExprs, sc, targets); err != nil {
		return err
	}
	for _, t := range sc.tables {
		if t.target && t.table.Name != "" {
			if err := a.written(t.table, sql.PrivilegeType_Delete, nil, ast.DeleteStr); err != nil {
				return err
			}
		}
	}
	return a.expressions(sc, n.Where, n.OrderBy, n.Limit)
}

// load checks LOAD DATA.
func (a *rights) load(n *ast.Load) error {
	if !bool(n.Local) {
		if err := a.everywhere(sql.PrivilegeType_File); err != nil {
			return err
		}
	}
	t := a.name(n.Table)
	if strings.HasPrefix(strings.ToLower(n.IgnoreOrReplace), "replace") {
		if err := a.table(t, sql.PrivilegeType_Insert, sql.PrivilegeType_Delete); err != nil {
			return err
		}
	}
	var columns []string
	for _, c := range n.Columns {
		if !isVariable(c) {
			columns = append(columns, c.String())
		}
	}
	for _, e := range n.SetExprs {
		columns = append(columns, e.Name.Name.String())
		if err := a.updated(e.Expr, &fromScope{}); err != nil {
			return err
		}
	}
	return a.written(t, sql.PrivilegeType_Insert, columns, ast.InsertStr)
}

// lockTables checks LOCK TABLES.
func (a *rights) lockTables(n *ast.LockTables) error {
	for _, l := range n.Tables {
		if e, ok := l.Table.(*ast.AliasedTableExpr); ok {
			if name, ok := e.Expr.(ast.TableName); ok {
				if err := a.table(a.name(name), sql.PrivilegeType_Select, sql.PrivilegeType_LockTables); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// databaseDDL checks CREATE, ALTER and DROP DATABASE.
func (a *rights) databaseDDL(n *ast.DBDDL) error {
	switch n.Action {
	case ast.CreateStr:
		return a.database(n.DBName, sql.PrivilegeType_Create)
	case ast.DropStr:
		return a.database(n.DBName, sql.PrivilegeType_Drop)
	}
	return a.database(n.DBName, sql.PrivilegeType_Alter)
}

// ddl checks the statements over tables, views and programs.
func (a *rights) ddl(n *ast.DDL) error {
	switch {
	case n.ViewSpec != nil:
		return a.createView(n)
	case n.TriggerSpec != nil:
		return a.trigger(n)
	case n.ProcedureSpec != nil:
		db, name := n.ProcedureSpec.ProcName.Qualifier.String(), n.ProcedureSpec.ProcName.Name.String()
		if n.Action == ast.CreateStr {
			return a.database(db, sql.PrivilegeType_CreateRoutine)
		}
		return a.routine(db, name, true, "alter routine", sql.PrivilegeType_AlterRoutine)
	case n.EventSpec != nil:
		if err := a.database(n.EventSpec.EventName.Qualifier.String(), sql.PrivilegeType_Event); err != nil {
			return err
		}
		if db := n.EventSpec.RenameName.Qualifier.String(); db != "" {
			return a.database(db, sql.PrivilegeType_Event)
		}
		return nil
	case n.Action == ast.CreateStr && n.TableSpec != nil, n.Action == ast.CreateStr && (n.OptLike != nil || n.OptSelect != nil):
		return a.createTable(n)
	case n.Action == ast.TruncateStr:
		return a.table(a.name(n.Table), sql.PrivilegeType_Drop)
	case n.Action == ast.DropStr && len(n.FromTables)+len(n.FromViews) > 0:
		for _, t := range append(append(ast.TableNames{}, n.FromTables...), n.FromViews...) {
			if err := a.table(a.name(t), sql.PrivilegeType_Drop); err != nil {
				return err
			}
		}
	case n.Action == ast.RenameStr && len(n.FromTables) > 0:
		for i := range n.FromTables {
			if err := a.renamed(a.name(n.FromTables[i]), a.name(n.ToTables[i])); err != nil {
				return err
			}
		}
	case n.Action == ast.AlterStr:
		return a.alterTable(&ast.AlterTable{Table: n.Table, Statements: []*ast.DDL{n}})
	}
	return nil
}

// renamed checks the renaming of a table.
func (a *rights) renamed(from, to syntax.TableName) error {
	if err := a.table(from, sql.PrivilegeType_Alter, sql.PrivilegeType_Drop); err != nil {
		return err
	}
	return a.table(to, sql.PrivilegeType_Create, sql.PrivilegeType_Insert)
}

// createTable checks CREATE TABLE.
func (a *rights) createTable(n *ast.DDL) error {
	t := a.name(n.Table)
	if n.Temporary {
		if err := a.database(t.Database, sql.PrivilegeType_CreateTempTable); err != nil {
			return err
		}
		a.use(t)
	} else {
		want := []sql.PrivilegeType{sql.PrivilegeType_Create}
		if n.OptSelect != nil {
			want = append(want, sql.PrivilegeType_Insert)
		}
		if err := a.table(t, want...); err != nil {
			return err
		}
	}
	if n.OptLike != nil {
		for _, like := range n.OptLike.LikeTables {
			if err := a.table(a.name(like), sql.PrivilegeType_Select); err != nil {
				return err
			}
		}
	}
	if n.OptSelect != nil {
		if err := a.query(n.OptSelect.Select, &fromScope{}); err != nil {
			return err
		}
	}
	return a.references(t, n.TableSpec)
}

// references checks the foreign keys that a table is to have.
func (a *rights) references(of syntax.TableName, spec *ast.TableSpec) error {
	if spec == nil {
		return nil
	}
	for _, c := range spec.Constraints {
		fk, ok := c.Details.(*ast.ForeignKeyDefinition)
		if !ok {
			continue
		}
		t := fullName(fk.ReferencedTable, of.Database)
		if t == of {
			continue
		}
		var names []string
		for _, c := range fk.ReferencedColumns {
			names = append(names, c.String())
		}
		if err := a.columns(t, sql.PrivilegeType_References, names, nil); err != nil {
			return err
		}
	}
	return nil
}

// alterTable checks ALTER TABLE, CREATE INDEX and DROP INDEX.
func (a *rights) alterTable(n *ast.AlterTable) error {
	t := a.name(n.Table)
	if words := leading(a.ctx.Query(), 1); len(words) > 0 && words[0] != "alter" && len(n.Statements) == 1 && n.Statements[0].IndexSpec != nil {
		return a.table(t, sql.PrivilegeType_Index)
	}
	if err := a.table(t, sql.PrivilegeType_Alter); err != nil {
		return err
	}
	for _, st := range n.Statements {
		if st.Action == ast.RenameStr && len(st.ToTables) == 1 {
			if err := a.renamed(t, a.name(st.ToTables[0])); err != nil {
				return err
			}
		}
		if err := a.references(t, st.TableSpec); err != nil {
			return err
		}
	}
	return nil
}

// createView checks CREATE VIEW: something is needed on each table, and SELECT of what it
// reads.
func (a *rights) createView(n *ast.DDL) error {
	t := a.name(n.ViewSpec.ViewName)
	want := []sql.PrivilegeType{sql.PrivilegeType_CreateView}
	if n.OrReplace {
		want = append(want, sql.PrivilegeType_Drop)
	}
	if err := a.table(t, want...); err != nil {
		return err
	}
	sc := &fromScope{}
	err := a.query(n.ViewSpec.ViewExpr, sc)
	if e, ok := err.(*mysql.SQLError); ok && e.Num == 1142 {
		e.Message = strings.Replace(e.Message, "SELECT command", "ANY command", 1)
	}
	return err
}

// trigger checks CREATE and DROP TRIGGER.
func (a *rights) trigger(n *ast.DDL) error {
	if n.Action == ast.CreateStr {
		return a.table(a.name(n.Table), sql.PrivilegeType_Trigger)
	}
	name := n.TriggerSpec.TrigName
	db := a.within(name.Qualifier.String())
	var tr storedTrigger
	if ok, err := getObject(a.ctx, engine.ObjectTrigger, db, name.Name.String(), &tr); !ok || err != nil {
		if err == nil && db != "" && !a.visible(db) {
			return a.deniedDatabase(db)
		}
		return err
	}
	if h, ok := newTriggerHead(tr.Create); ok {
		return a.table(syntax.TableName{Database: db, Name: h.table}, sql.PrivilegeType_Trigger)
	}
	return nil
}

// checkTables is the check of a statement that needs the same of every table.
func checkTables(tables []syntax.TableName, want ...sql.PrivilegeType) func(a *rights) error {
	return func(a *rights) error {
		for _, t := range tables {
			t.Database = a.within(t.Database)
			if err := a.table(t, want...); err != nil {
				return err
			}
		}
		return nil
	}
}
