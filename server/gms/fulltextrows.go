package gms

import (
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/rowexec"
)

// fulltextRows builds a scan of a FULLTEXT index. The planner's returns a row for each
// word of the search that is in it; each row comes once.
func (b *builder) fulltextRows(ctx *sql.Context, s *Session, n *plan.IndexedTableAccess, r sql.Row) (sql.RowIter, error) {
	f, ok := n.Table.(*rowexec.FulltextFilterTable)
	if !ok {
		return nil, nil
	}
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	return &onceIter{RowIter: it, key: f.MatchAgainst.KeyCols.Positions, seen: map[string]bool{}}, nil
}

// onceIter drops the rows whose key it has returned.
type onceIter struct {
	sql.RowIter
	key  []int
	seen map[string]bool
}

// Next implements sql.RowIter.
func (i *onceIter) Next(ctx *sql.Context) (sql.Row, error) {
	for {
		r, err := i.RowIter.Next(ctx)
		if err != nil {
			return nil, err
		}
		var key strings.Builder
		for _, c := range i.key {
			fmt.Fprintf(&key, "%T %[1]v\x00", r[c])
		}
		if !i.seen[key.String()] {
			i.seen[key.String()] = true
			return r, nil
		}
	}
}
