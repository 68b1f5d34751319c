package rewrite

import (
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// The names in the body of a trigger or procedure mean its own database's tables; the
// planner would look for them in the current one.

// QualifyBody gives the tables and procedures that a body names without a database the
// one of the CREATE statement, if that is not the current one.
func QualifyBody(n *ast.DDL, current string) {
	var body ast.Statement
	var db ast.TableIdent
	switch {
	case n.TriggerSpec != nil:
		body, db = n.TriggerSpec.Body, n.Table.DbQualifier
	case n.ProcedureSpec != nil:
		body, db = n.ProcedureSpec.Body, n.ProcedureSpec.ProcName.Qualifier
	}
	if body == nil || db.IsEmpty() || syntax.SameName(db.String(), current) {
		return
	}
	qualifyStatements(body, db)
}

// qualifyStatements looks for the statements and conditions in a body; ast.Walk leaves
// the conditions of compound statements out.
func qualifyStatements(n ast.SQLNode, db ast.TableIdent) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.IfStatement:
			for _, c := range n.Conditions {
				qualifyStatements(c.Expr, db)
			}
		case *ast.CaseStatement:
			if n.Expr != nil {
				qualifyStatements(n.Expr, db)
			}
			for _, c := range n.Cases {
				qualifyStatements(c.Case, db)
			}
		case *ast.While:
			qualifyStatements(n.Condition, db)
		case *ast.Repeat:
			qualifyStatements(n.Condition, db)
		case ast.SelectStatement, *ast.Insert, *ast.Update, *ast.Delete, *ast.Load, *ast.Call, *ast.AlterTable, *ast.DDL:
			newQualifier(n, db).walk(n)
			return false, nil
		}
		return true, nil
	}, n)
}

// qualifier qualifies the names of one statement.
type qualifier struct {
	db   ast.TableIdent
	ctes map[string]bool // names of WITH, in lower case
}

func newQualifier(n ast.SQLNode, db ast.TableIdent) *qualifier {
	q := &qualifier{db: db, ctes: map[string]bool{}}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.CommonTableExpr); ok {
			q.ctes[strings.ToLower(c.As.String())] = true
		}
		return true, nil
	}, n)
	return q
}

func (q *qualifier) walk(n ast.SQLNode) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		q.visit(n)
		return true, nil
	}, n)
}

func (q *qualifier) visit(n ast.SQLNode) {
	switch n := n.(type) {
	case *ast.AliasedTableExpr:
		if t, ok := n.Expr.(ast.TableName); ok && !q.ctes[strings.ToLower(t.Name.String())] {
			q.name(&t)
			n.Expr = t
		}
	case *ast.Insert:
		q.name(&n.Table)
	case *ast.Load:
		q.name(&n.Table)
	case *ast.Call:
		if n.ProcName.Qualifier.IsEmpty() {
			n.ProcName.Qualifier = q.db
		}
	case *ast.AlterTable:
		q.name(&n.Table)
		for _, d := range n.Statements {
			q.visit(d)
		}
	case *ast.DDL:
		q.name(&n.Table)
		for _, list := range []ast.TableNames{n.FromTables, n.ToTables, n.FromViews} {
			for i := range list {
				q.name(&list[i])
			}
		}
	}
}

func (q *qualifier) name(t *ast.TableName) {
	if !t.Name.IsEmpty() && t.DbQualifier.IsEmpty() && !strings.EqualFold(t.Name.String(), "dual") {
		t.DbQualifier = q.db
	}
}
