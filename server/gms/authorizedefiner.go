package gms

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// errNoDefiner is the error of what has a definer that is no account.
func errNoDefiner(n syntax.AccountName) error {
	return mysql.NewSQLError(1449, "HY000", "The user specified as a definer (%s) does not exist", quotedAccount(n))
}

// privilegesOf returns the privileges of an account and roles, false if there is no such
// account.
func (s *Session) privilegesOf(of syntax.AccountName, active func(granted []syntax.AccountName) []syntax.AccountName) (mysql_db.PrivilegeSet, bool) {
	rd := s.b.users.Reader()
	defer rd.Close()
	account, ok := rd.GetUser(of.Key())
	if !ok {
		return mysql_db.NewPrivilegeSet(), false
	}
	set := account.PrivilegeSet.Copy()
	for _, r := range reached(rd, active(rolesOf(rd, of))...) {
		if role, ok := rd.GetUser(r.Key()); ok {
			set.UnionWith(role.PrivilegeSet)
		}
	}
	return set, true
}

// definedBy returns the check of what an account may do that has defined something in a
// database: with its default roles.
func (a *rights) definedBy(n syntax.AccountName, db string) (*rights, error) {
	d := *a
	d.db = db
	if n == (syntax.AccountName{}) { // it was made before definers were kept
		return &d, nil
	}
	roles, err := a.s.defaultRoles(a.ctx, n)
	if err != nil {
		return nil, err
	}
	d.who, d.host = n, n.Host
	if d.set, err = a.s.definersSet(n, roles); err != nil {
		return nil, err
	}
	return &d, nil
}

func (s *Session) definersSet(n syntax.AccountName, r roles) (mysql_db.PrivilegeSet, error) {
	set, ok := s.privilegesOf(n, r.active)
	if !ok {
		return set, errNoDefiner(n)
	}
	return set, nil
}

// definedTexts are the views and triggers that were parsed to be checked.
type definedTexts struct {
	mu sync.Mutex
	of map[string]definedText
}

type definedText struct {
	head   rewrite.ObjectHead
	create *ast.DDL
}

// definedTextsMax bounds definedTexts.
const definedTextsMax = 1024

// defined parses the CREATE of a view or trigger, nil if it is none. What it returns is
// shared, and only read.
func (b *Backend) defined(text string) (rewrite.ObjectHead, *ast.DDL) {
	b.definitions.mu.Lock()
	d, ok := b.definitions.of[text]
	b.definitions.mu.Unlock()
	if ok {
		return d.head, d.create
	}
	if h, ok := rewrite.NewObjectHead(text); ok {
		if stmt, err := newParser().ParseSimple(text); err == nil {
			d.head = h
			d.create, _ = stmt.(*ast.DDL)
		}
	}
	b.definitions.mu.Lock()
	defer b.definitions.mu.Unlock()
	if len(b.definitions.of) >= definedTextsMax || b.definitions.of == nil {
		b.definitions.of = map[string]definedText{}
	}
	b.definitions.of[text] = d
	return d.head, d.create
}

// viewReader is a view and who reads it.
type viewReader struct {
	who  syntax.AccountName
	view syntax.TableName
}

// view checks that the definer of a view, or for SQL SECURITY INVOKER who reads it, may
// read what it reads.
func (a *rights) view(t syntax.TableName) error {
	of := viewReader{a.who, t}
	if a.views[of] {
		return nil
	}
	a.views[of] = true
	var v storedView
	if ok, err := getObject(a.ctx, engine.ObjectView, t.Database, t.Name, &v); !ok || err != nil {
		return err
	}
	h, create := a.s.b.defined(v.Create)
	if create == nil || create.ViewSpec == nil {
		return nil // its tables are not there
	}
	definer := h.Definer
	if h.Security == "INVOKER" {
		definer = syntax.AccountName{}
	}
	d, err := a.definedBy(definer, t.Database)
	if err != nil {
		return err
	}
	err = d.query(create.ViewSpec.ViewExpr, &fromScope{})
	if isDenied(err) {
		return errViewRights(t)
	}
	return err
}

// explains returns the error of EXPLAIN of a statement that has been checked, if it reads a
// view that its reader may not have shown, or whose tables he may not read himself.
func (a *rights) explains() error {
	for of := range maps.Clone(a.views) {
		var v storedView
		if ok, err := getObject(a.ctx, engine.ObjectView, of.view.Database, of.view.Name, &v); !ok || err != nil {
			return err
		}
		_, create := a.s.b.defined(v.Create)
		if create == nil || create.ViewSpec == nil {
			continue
		}
		d := *a
		d.db = of.view.Database
		err := a.table(of.view, sql.PrivilegeType_ShowView)
		if err == nil {
			err = d.query(create.ViewSpec.ViewExpr, &fromScope{})
		}
		if isDenied(err) {
			return mysql.NewSQLError(1345, "HY000", "EXPLAIN/SHOW can not be issued; lacking privileges for underlying table")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errViewRights is the error of a view whose tables must not be used through it.
func errViewRights(t syntax.TableName) error {
	return mysql.NewSQLError(1356, "HY000",
		"View '%s.%s' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them", t.Database, t.Name)
}

// isDenied reports whether an error is one of a privilege that is missing.
func isDenied(err error) bool {
	e, ok := err.(*mysql.SQLError)
	return ok && slices.Contains([]int{1044, 1045, 1142, 1143, 1227, 1356, 1370}, e.Num)
}

// triggers checks that the definers of a table's triggers of an event may have them, and read and write the columns of
// NEW and OLD; what else they do is checked as they run.
func (a *rights) triggers(t syntax.TableName, event string) error {
	tx, err := a.s.begin(a.ctx)
	if err != nil || a.s.temporary(t.Database, t.Name) != nil {
		return err
	}
	for _, o := range tx.NewestCatalog().Objects(engine.ObjectTrigger, t.Database) {
		var tr storedTrigger
		if err := json.Unmarshal(o.Data, &tr); err != nil {
			return fmt.Errorf("decode %s.%s: %w", t.Database, o.Name, err)
		}
		table, ok := newTriggerHead(tr.Create)
		if !ok || !syntax.SameName(table.table, t.Name) {
			continue
		}
		h, create := a.s.b.defined(tr.Create)
		if create == nil || create.TriggerSpec == nil || !strings.EqualFold(create.TriggerSpec.Event, event) {
			continue
		}
		d, err := a.definedBy(h.Definer, t.Database)
		if err != nil {
			return err
		}
		if err := d.table(t, sql.PrivilegeType_Trigger); err != nil {
			return err
		}
		if err := d.triggerRows(t, create.TriggerSpec.Body); err != nil {
			return err
		}
	}
	return nil
}

// triggerRows checks the columns of NEW and OLD that the body of a table's trigger names: UPDATE of what SET assigns,
// SELECT of others.
func (a *rights) triggerRows(t syntax.TableName, body ast.Statement) error {
	def, _, err := a.s.definition(a.ctx, t)
	if err != nil || def == nil {
		return err
	}
	need := func(n *ast.ColName, p sql.PrivilegeType) error {
		row := n.Qualifier.Name.String()
		if !strings.EqualFold(row, "new") && !strings.EqualFold(row, "old") || def.Column(n.Name.String()) < 0 {
			return nil
		}
		return a.column(t, n.Name.String(), p)
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.SetVarExpr:
			if err := need(n.Name, sql.PrivilegeType_Update); err != nil {
				return false, err
			}
			return false, syntax.Walk(func(n ast.SQLNode) (bool, error) {
				if c, ok := n.(*ast.ColName); ok {
					return false, need(c, sql.PrivilegeType_Select)
				}
				return true, nil
			}, n.Expr)
		case *ast.ColName:
			return false, need(n, sql.PrivilegeType_Select)
		}
		return true, nil
	}, body)
}

// as makes the session one of a definer's until the function it returns is called.
func (s *Session) as(ctx *sql.Context, n syntax.AccountName) (func(), error) {
	if n == s.account || !s.checked() {
		return func() {}, nil
	}
	r, err := s.defaultRoles(ctx, n)
	if err != nil {
		return nil, err
	}
	set, err := s.definersSet(n, r)
	if err != nil {
		return nil, err
	}
	account, own, client, borrowed := s.account, s.roles, s.Client(), s.borrowed
	outer, counter := s.BaseSession.GetPrivilegeSet()
	become := func(n syntax.AccountName, r roles, c sql.Client, set sql.PrivilegeSet, counter uint64, borrowed bool) {
		s.account, s.roles, s.borrowed = n, r, borrowed
		s.SetClient(c)
		s.BaseSession.SetPrivilegeSet(set, counter)
	}
	set.AddGlobalStatic(plannersOwn)
	become(n, r, sql.Client{User: n.User, Address: n.Host, Capabilities: client.Capabilities}, set, counter, true)
	return func() {
		if _, now := s.BaseSession.GetPrivilegeSet(); now != counter { // grants have changed: they are computed anew
			outer, counter = mysql_db.NewPrivilegeSet(), 0
		}
		become(account, own, client, outer, counter, borrowed)
	}, nil
}
