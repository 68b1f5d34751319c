package planrule

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// EscapeLikes keeps the planner from taking the escapes of a pattern for a part of the texts that it
// matches, where the statement has no place for an ESCAPE: in SHOW … LIKE.
func EscapeLikes(a *analyzer.Analyzer) {
	AroundRule(a, "simplifyFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := transform.NodeExprs(ctx, n, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			l, ok := e.(*expression.Like)
			if !ok || l.Escape != nil {
				return e, transform.SameTree, nil
			}
			if text, ok := expr.LiteralText(l.RightChild); !ok || !strings.Contains(text, `\`) {
				return e, transform.SameTree, nil
			}
			return expression.NewLike(l.LeftChild, l.RightChild, expression.NewLiteral(`\`, types.LongText)), transform.NewTree, nil
		})
		if err != nil {
			return n, same, err
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
}
