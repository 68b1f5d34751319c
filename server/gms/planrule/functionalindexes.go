package planrule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
)

// HideFunctional makes hidden columns of those of rewrite.FunctionalIndexes.
func HideFunctional(ctx *sql.Context, n *plan.CreateTable) error {
	for _, c := range n.PkSchema().Schema {
		name, ok := strings.CutPrefix(c.Name, rewrite.FunctionalMark)
		if !ok {
			continue
		}
		if c.Generated == nil {
			return fmt.Errorf("gms: column %s has no expression", c.Name)
		}
		e, err := expr.NamedArray(ctx, c.Generated.Expr, indexOf(n.Indexes(), c.Name))
		if err != nil {
			return err
		}
		value, err := sql.NewColumnDefaultValue(e, e.Type(ctx), false, true, true)
		if err != nil {
			return err
		}
		c.Name, c.Type, c.Generated, c.Virtual, c.HiddenSystem = name, e.Type(ctx), value, true, true
	}
	for _, ix := range n.Indexes() {
		for i, c := range ix.Columns {
			ix.Columns[i].Name = strings.TrimPrefix(c.Name, rewrite.FunctionalMark)
		}
	}
	return nil
}

// indexOf returns the name of the index that has a column.
func indexOf(indexes sql.IndexDefs, column string) string {
	for _, ix := range indexes {
		if slices.Contains(ix.ColumnNames(), column) {
			return ix.Name
		}
	}
	return ""
}
