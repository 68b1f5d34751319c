package gms

import (
	"slices"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// forPlanner checks a procedure and gives it an empty body: the planner does not run it.
func forPlanner(p *ast.ProcedureSpec) error {
	var params []local
	for _, param := range p.Params {
		if slices.ContainsFunc(params, func(l local) bool { return syntax.SameName(l.name, param.Name) }) {
			return mysql.NewSQLError(1330, "42000", "Duplicate parameter: %s", param.Name)
		}
		t, err := programType(&param.Type)
		if err != nil {
			return err
		}
		params = append(params, local{name: param.Name, typ: t})
	}
	if err := checkProgram(p.Body, programProcedure, "", params, nil); err != nil {
		return err
	}
	p.Body = &ast.BeginEndBlock{}
	return nil
}
