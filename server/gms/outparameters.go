package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// sendOut sends the values of the OUT and INOUT parameters for which a CALL has placeholders
// of the protocol's prepared statements: a result of one row.
func (s *Session) sendOut(ctx *sql.Context, n *plan.Call, top *scope) error {
	c, ok := s.locks.stmt.(*ast.Call)
	if !ok || s.depth > 0 || s.results == nil {
		return nil
	}
	var schema sql.Schema
	var row sql.Row
	for i, p := range n.Procedure.Params {
		if v, ok := c.Params[i].(*ast.SQLVal); !ok || v.Type != ast.ValArg || p.Direction == plan.ProcedureParamDirection_In {
			continue
		}
		l := top.vars[strings.ToLower(p.Name)]
		schema = append(schema, &sql.Column{Name: p.Name, Type: l.typ, Nullable: true})
		row = append(row, l.value)
	}
	if schema == nil || !s.results.w.OutParameters() {
		return nil
	}
	if err := s.results.send(ctx, schema, sql.RowsToRowIter(row)); err != nil {
		return err
	}
	return s.results.finish()
}
