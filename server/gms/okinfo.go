package gms

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// info returns what OK says of a statement besides the numbers, as MySQL does of those
// that read or write several rows.
func (o *resultSets) info(ctx *sql.Context, ok types.OkResult) string {
	warnings := ctx.Session.WarningCount()
	if u, is := ok.Info.(plan.UpdateInfo); is {
		u.Warnings = int(warnings)
		return u.String()
	}
	if n := o.insert; n != nil {
		records := uint64(o.records)
		deleted, skipped := uint64(0), uint64(0)
		if ok.RowsAffected > records { // one that replaces or updates another counts twice
			deleted = ok.RowsAffected - records
		} else if n.Ignore {
			skipped = records - ok.RowsAffected
		}
		switch {
		case loads(n.Source):
			return fmt.Sprintf("Records: %d  Deleted: %d  Skipped: %d  Warnings: %d", records, deleted, skipped, warnings)
		case valueRows(ctx, n.Source) != 1:
			return fmt.Sprintf("Records: %d  Duplicates: %d  Warnings: %d", records, deleted+skipped, warnings)
		}
		return ""
	}
	if query := ctx.Query(); phrase(leading(query, 2), "alter", "table") || phrase(leading(query, 2), "create", "index") ||
		phrase(leading(query, 3), "unique", "index") || phrase(leading(query, 2), "drop", "index") {
		return fmt.Sprintf("Records: 0  Duplicates: 0  Warnings: %d", warnings)
	}
	if ok.Info != nil {
		return ok.Info.String()
	}
	return ""
}

// loads reports whether the source of an INSERT is a LOAD DATA.
func loads(n sql.Node) (found bool) {
	transform.Inspect(n, func(n sql.Node) bool {
		if _, ok := n.(*plan.LoadData); ok {
			found = true
		}
		return !found
	})
	return found
}
