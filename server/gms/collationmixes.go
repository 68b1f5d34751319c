package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
)

// illegalMixes returns MySQL's error of the first operation in a plan whose texts have collations of which none applies.
func illegalMixes(ctx *sql.Context, n sql.Node) (err error) {
	stored := map[string]bool{} // the names of tables
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		if x, named := n.(sql.NameableNode); named && tableOf(n) != nil {
			stored[strings.ToLower(x.Name())] = true
		}
		return true
	})
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		x, ok := n.(sql.Expressioner)
		if !ok || err != nil {
			return err == nil
		}
		for _, e := range x.Expressions() {
			sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
				if err == nil {
					err = expr.IllegalMix(ctx, e, stored)
				}
				return err == nil
			})
		}
		return err == nil
	})
	return err
}
