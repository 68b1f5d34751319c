package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// A statement into which views were merged is checked as it was sent, so that each view is
// a table with the columns that it has and no other. What its base tables need is asked of
// the definers.

// viewUses returns what a statement does with the views that were merged into it.
func viewUses(stmt ast.Statement) (out []*viewUse) {
	add := func(auth ast.AuthInformation) {
		if use, ok := auth.Extra.(*viewUse); ok {
			out = append(out, use)
		}
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Insert:
			add(n.Auth)
		case *ast.Load:
			add(n.Auth)
		case *ast.AliasedTableExpr:
			add(n.Auth)
		}
		return true, nil
	}, stmt)
	return out
}

// through checks a statement into which views were merged; done is false if it is none.
func (a *rights) through(stmt ast.Statement) (done bool, err error) {
	uses := viewUses(stmt)
	if len(uses) == 0 {
		return false, nil
	}
	if err := a.changes(uses[0].sent); err != nil {
		return true, err
	}
	for _, u := range uses {
		for _, t := range u.view.tables {
			a.use(t.name)
		}
		if u.base.Name == "" {
			continue
		}
		if err := a.behind(u.view, u.base, u.events); err != nil {
			return true, err
		}
		def, _, err := a.s.definition(a.ctx, u.base)
		if err != nil {
			return true, err
		}
		if err := a.fired(u.base, def, u.events...); err != nil {
			return true, err
		}
	}
	return true, nil
}

// behind checks that the definers of a view and of the views under it, or for SQL SECURITY
// INVOKER who writes, may write what is under them down to a base table.
func (a *rights) behind(v *mergedView, base syntax.TableName, events []string) error {
	of := v.definer
	if v.invoker {
		of = syntax.AccountName{}
	}
	d, err := a.definedBy(of, v.name.Database)
	if err != nil {
		return err
	}
	target, next := base, (*mergedView)(nil)
	for _, u := range v.under {
		for _, t := range u.tables {
			if t.name == base {
				target, next = u.name, u
			}
		}
	}
	var want []sql.PrivilegeType
	for _, e := range events {
		want = append(want, map[string]sql.PrivilegeType{ast.InsertStr: sql.PrivilegeType_Insert,
			ast.UpdateStr: sql.PrivilegeType_Update, ast.DeleteStr: sql.PrivilegeType_Delete}[e])
	}
	if err = d.table(target, want...); err == nil && next != nil {
		err = d.behind(next, base, events)
	}
	if isDenied(err) {
		return errViewRights(v.name)
	}
	return err
}

// viewColumns returns the names of a view's columns, nil if they are those of other tables
// by *.
func (a *rights) viewColumns(t syntax.TableName) ([]string, error) {
	var v storedView
	if ok, err := getObject(a.ctx, engine.ObjectView, t.Database, t.Name, &v); !ok || err != nil {
		return nil, err
	}
	_, create := a.s.b.defined(v.Create)
	if create == nil || create.ViewSpec == nil {
		return nil, nil
	}
	var names []string
	for _, c := range create.ViewSpec.Columns {
		names = append(names, c.String())
	}
	if names == nil {
		names = rewrite.SelectedNames(create.ViewSpec.ViewExpr)
	}
	return names, nil
}
