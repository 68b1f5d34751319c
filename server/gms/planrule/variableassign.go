package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// IntoVariables returns a SELECT … INTO variables whose values are those of user's variables.
func IntoVariables(ctx *sql.Context, n *plan.Into) *plan.Into {
	columns := n.Child.Schema(ctx)
	values := make([]sql.Expression, len(columns))
	var list []sql.Expression // the select list
	transform.Inspect(n.Child, func(n sql.Node) bool {
		if p, ok := n.(*plan.Project); ok && list == nil {
			list = p.Projections
		}
		return list == nil && len(n.Children()) == 1
	})
	changed := false
	for i, c := range columns {
		values[i] = expression.NewGetField(i, c.Type, c.Name, c.Nullable)
		if i >= len(n.IntoVars) {
			continue
		}
		to, ok := n.IntoVars[i].(*expression.UserVar)
		if !ok {
			continue
		}
		if function.NoteCollation(ctx, to, values[i]); i < len(list) {
			function.NoteCollation(ctx, to, list[i])
		}
		if expr.IsMoment(c.Type) {
			values[i], changed = expr.ColumnText(ctx, values[i].(*expression.GetField), n.Child, i), true
		} else if text := expr.AsMemberText(ctx, values[i]); !expr.Unchanged(text, values[i]) {
			values[i], changed = text, true
		}
	}
	if !changed {
		return n
	}
	out := *n
	out.Child = plan.NewProject(ctx, values, n.Child)
	return &out
}
