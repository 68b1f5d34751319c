package gms

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/fulltext"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/expr"
)

// Index is an index as the planner sees it. It is immutable.
type Index struct {
	shape       *shape
	def         *engine.IndexDef
	pseudo      *pseudoIndex // set for indexes without a tree
	columns     []int        // ordinals
	extended    []int        // the same and the primary key's that are not among them
	expressions []string
	prefix      []uint16
	hasPrefix   bool
	hasDesc     bool
	multi       int  // the part that is a CAST to an array, -1: none
	integers    bool // all columns are integers and not null
	space       keySpace
	array       atomic.Pointer[string] // see arrayText
}

var (
	_ sql.Index         = (*Index)(nil)
	_ sql.ExtendedIndex = (*Index)(nil)
	_ sql.OrderedIndex  = (*Index)(nil)
	_ fulltext.Index    = (*Index)(nil)
)

// ID implements sql.Index. The primary key's is PRIMARY.
func (ix *Index) ID() string { return ix.def.Name }

// Database implements sql.Index.
func (ix *Index) Database() string { return ix.shape.def.Database }

// Table implements sql.Index.
func (ix *Index) Table() string { return ix.shape.def.Name }

// Expressions implements sql.Index.
func (ix *Index) Expressions() []string { return ix.expressions }

// IsUnique implements sql.Index.
func (ix *Index) IsUnique() bool { return ix.def.Unique }

// IsSpatial implements sql.Index.
func (ix *Index) IsSpatial() bool { return ix.def.Kind == engine.IndexSpatial }

// IsFullText implements sql.Index.
func (ix *Index) IsFullText() bool { return ix.def.Kind == engine.IndexFulltext }

// IsVector implements sql.Index.
func (ix *Index) IsVector() bool { return ix.def.Kind == engine.IndexVector }

// Comment implements sql.Index.
func (ix *Index) Comment() string { return ix.def.Comment }

// IndexType implements sql.Index.
func (ix *Index) IndexType() string {
	switch ix.def.Kind {
	case engine.IndexFulltext:
		return "FULLTEXT"
	case engine.IndexSpatial:
		return "SPATIAL"
	}
	return "BTREE"
}

// IsGenerated implements sql.Index.
func (ix *Index) IsGenerated() bool { return false }

// ColumnExpressionTypes implements sql.Index.
func (ix *Index) ColumnExpressionTypes(*sql.Context) []sql.ColumnExpressionType {
	return ix.types(ix.columns)
}

func (ix *Index) types(columns []int) []sql.ColumnExpressionType {
	out := make([]sql.ColumnExpressionType, len(columns))
	for i, c := range columns {
		col := ix.shape.schema[c]
		t := col.Type
		switch d := t.(type) {
		case sql.DecimalType:
			t = expr.KeyDecimal{DecimalType: d}
		case types.StringType:
			t = expr.KeyType(d)
		}
		out[i] = sql.ColumnExpressionType{Type: t, Expression: ix.shape.def.Name + "." + col.Name}
	}
	return out
}

// ExtendedExpressions implements sql.ExtendedIndex.
func (ix *Index) ExtendedExpressions(*sql.Context) []string {
	out := make([]string, len(ix.extended))
	for i, c := range ix.extended {
		out[i] = ix.shape.def.Name + "." + ix.shape.schema[c].Name
	}
	return out
}

// ExtendedColumnExpressionTypes implements sql.ExtendedIndex.
func (ix *Index) ExtendedColumnExpressionTypes(*sql.Context) []sql.ColumnExpressionType {
	return ix.types(ix.extended)
}

// CanSupport implements sql.Index. The planner tries a FULLTEXT index for any condition on its
// column; for MATCH alone it has no range, or an empty one.
func (ix *Index) CanSupport(ctx *sql.Context, ranges ...sql.Range) bool {
	if !ix.IsFullText() {
		return true
	}
	for _, r := range ranges {
		if m, ok := r.(sql.MySQLRange); ok {
			if empty, err := m.IsEmpty(ctx); err != nil || !empty {
				return false
			}
		}
	}
	return true
}

// CanSupportOrderBy implements sql.Index; only vector indexes can.
func (ix *Index) CanSupportOrderBy(sql.Expression) bool { return false }

// CoversColumns implements sql.Index.
func (ix *Index) CoversColumns(cols []string) bool {
	if ix.pseudo != nil || ix.hasPrefix || ix.multi >= 0 {
		return false
	}
	for _, name := range cols {
		found := false
		for _, c := range ix.extended {
			if strings.EqualFold(ix.shape.schema[c].Name, name) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// has reports whether every one of the columns can be read from the index's key;
// nil means all of the table's.
func (ix *Index) has(columns []int) bool {
	if columns == nil || ix.hasPrefix || ix.multi >= 0 || ix.def == ix.shape.def.Primary {
		return false
	}
	for _, c := range columns {
		if !slices.Contains(ix.extended, c) {
			return false
		}
	}
	return true
}

// PrefixLengths implements sql.Index; nil if no column has one.
func (ix *Index) PrefixLengths() []uint16 {
	if !ix.hasPrefix {
		return nil
	}
	return ix.prefix
}

// Order implements sql.OrderedIndex. The planner takes every order for an ascending one, so that an index
// with a descending column has none for it, nor has one of prefixes; dropSort knows better.
func (ix *Index) Order(*sql.Context) sql.IndexOrder {
	if ix.pseudo != nil || ix.hasPrefix || ix.hasDesc || ix.multi >= 0 {
		return sql.IndexOrderNone
	}
	return sql.IndexOrderAsc
}

// Reversible implements sql.OrderedIndex.
func (ix *Index) Reversible(ctx *sql.Context) bool { return ix.Order(ctx) != sql.IndexOrderNone }

// FullTextTableNames implements fulltext.Index.
func (ix *Index) FullTextTableNames(*sql.Context) (fulltext.IndexTableNames, error) {
	p := ix.pseudo
	return fulltext.IndexTableNames{
		Config:   ix.shape.def.Options[optConfig],
		Position: p.Position, DocCount: p.DocCount, GlobalCount: p.GlobalCount, RowCount: p.RowCount,
	}, nil
}

// FullTextKeyColumns implements fulltext.Index.
func (ix *Index) FullTextKeyColumns(*sql.Context) (fulltext.KeyColumns, error) {
	p := ix.pseudo
	return fulltext.KeyColumns{Type: fulltext.KeyType(p.KeyType), Name: p.KeyName, Positions: p.KeyPositions}, nil
}
