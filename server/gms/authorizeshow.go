package gms

import (
	"cmp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// show checks the SHOW statements of the planner's grammar.
func (a *rights) show(n *ast.Show) error {
	db := n.Database
	if o := n.ShowTablesOpt; o != nil && o.DbName != "" {
		db = o.DbName
	}
	if err := a.expressions(&fromScope{}, n.Filter, n.ShowTablesOpt, n.ShowCollationFilterOpt, n.ShowIndexFilterOpt); err != nil {
		return err
	}
	t := syntax.TableName{Database: cmp.Or(db, n.Table.DbQualifier.String(), a.db), Name: n.Table.Name.String()}
	var err error
	switch strings.ToLower(n.Type) {
	case "create database", "create schema", "tables", "triggers", ast.TableStatusStr:
		err = a.initDatabase(a.within(db))
	case ast.CreateTableStr, ast.CreateViewStr:
		err = a.showCreate(t, strings.EqualFold(n.Type, ast.CreateViewStr))
	case "columns", "fields", ast.IndexStr:
		if err = a.table(t, sql.PrivilegeType_Select); err != nil && a.anyTable(t) {
			err = nil
			a.use(t)
		}
		if err == nil {
			_ = a.view(t) // the planner looks at its tables; nothing has to be granted on them
		}
	case ast.CreateTriggerStr:
		err = a.showCreateTrigger(t)
	case ast.CreateEventStr:
		err = a.database(t.Database, sql.PrivilegeType_Event)
	case "events":
		err = a.database(db, sql.PrivilegeType_Event)
	case ast.CreateProcedureStr:
		if !a.seesRoutine(t) {
			err = mysql.NewSQLError(1305, "42000", "PROCEDURE %s does not exist", t.Name)
		}
		a.use(syntax.TableName{Database: t.Database})
	case "processlist": // of one's own threads without PROCESS
	case "binary log status", "replica status", "slave status":
		err = replicationClient(a)
	default:
		err = a.declared(n.Auth)
	}
	return err
}

// showCreate checks SHOW CREATE TABLE and SHOW CREATE VIEW, which is of views only.
func (a *rights) showCreate(t syntax.TableName, ofView bool) error {
	def, view, err := a.s.definition(a.ctx, t)
	switch {
	case err != nil:
		return err
	case view:
		if err := a.table(t, sql.PrivilegeType_Select); err != nil {
			return err
		}
		return a.table(t, sql.PrivilegeType_ShowView)
	case !a.ofTable(t) && a.s.temporary(t.Database, t.Name) == nil:
		return a.denied("SHOW", t)
	case ofView && def != nil:
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not VIEW", t.Database, t.Name)
	}
	a.use(t)
	return nil
}

func (a *rights) showCreateTrigger(t syntax.TableName) error {
	var tr storedTrigger
	if ok, err := getObject(a.ctx, engine.ObjectTrigger, t.Database, t.Name, &tr); !ok || err != nil {
		return err
	}
	h, ok := newTriggerHead(tr.Create)
	if ok && a.table(syntax.TableName{Database: t.Database, Name: h.table}, sql.PrivilegeType_Trigger) != nil {
		return errPrivilege("TRIGGER")
	}
	a.use(syntax.TableName{Database: t.Database})
	return nil
}

// seesRoutine reports whether a procedure is there to be seen.
func (a *rights) seesRoutine(t syntax.TableName) bool {
	if a.readsRoutine(t) {
		return true
	}
	for _, p := range []sql.PrivilegeType{sql.PrivilegeType_Execute, sql.PrivilegeType_AlterRoutine, sql.PrivilegeType_CreateRoutine} {
		if a.has(t.Database, p) || a.set.Database(t.Database).Routine(t.Name, true).Has(p) {
			return true
		}
	}
	return false
}

// readsRoutine reports whether the body of a procedure is there to be seen: for its
// definer and for those who may read everything.
func (a *rights) readsRoutine(t syntax.TableName) bool {
	if a.set.Has(sql.PrivilegeType_Select) || a.set.HasDynamic("show_routine") {
		return true
	}
	var p storedProcedure
	if ok, err := getObject(a.ctx, engine.ObjectProcedure, t.Database, t.Name, &p); !ok || err != nil {
		return false
	}
	h, ok := rewrite.NewObjectHead(p.Create)
	return ok && h.Defined && h.Definer == a.who
}
