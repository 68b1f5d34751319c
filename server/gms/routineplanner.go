package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// forPlanner checks a procedure and gives it an empty body: the planner does not run it.
func forPlanner(p *ast.ProcedureSpec) error {
	var params []local
	for i := range p.Params {
		param := &p.Params[i]
		if slices.ContainsFunc(params, func(l local) bool { return syntax.SameName(l.name, param.Name) }) {
			return mysql.NewSQLError(1330, "42000", "Duplicate parameter: %s", param.Name)
		}
		l, err := newLocal(param.Name, &param.Type, sql.Collation_Default)
		if err != nil {
			return err
		}
		param.Type.ResolvedType = l.typ // the planner does not know all
		params = append(params, l)
	}
	if err := checkProgram(p.Body, programProcedure, "", params, nil); err != nil {
		return err
	}
	p.Body = &ast.BeginEndBlock{}
	return nil
}
