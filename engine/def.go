package engine

import (
	"sextant/engine/row"
	"sextant/internal/redo"
)

// TableID names a table for ever: it survives RENAME and ALTER and is never reused.
type TableID uint64

// IndexID names an index within its table; 0 is the clustered index.
type IndexID uint32

// TreeID names one B+tree. TRUNCATE and rewriting ALTER give an index a new tree.
type TreeID uint64

// TableDef is one version of a table's definition. It is immutable once it is in
// a Catalog: change a copy made by Clone and hand that to Tx.AlterTable.
//
// Invariant: Primary is never nil. The rows of a table without a key are clustered
// on a hidden uint64 column, the last of Columns (see Keyless).
type TableDef struct {
	ID       TableID
	Database string
	Name     string
	// Version grows by one with every change of the definition; the engine counts it.
	Version uint64
	// Columns in table order, hidden ones last. A column keeps its row.Column.ID for ever.
	Columns     []ColumnDef
	Primary     *IndexDef
	Indexes     []*IndexDef // secondary indexes
	ForeignKeys []ForeignKeyDef
	Checks      []CheckDef
	Collation   row.CollationID // default of new columns
	Comment     string
	Partition   string            // text of the PARTITION BY clause
	Parts       []*PartDef        `json:",omitempty"` // of a partitioned table: it has no trees but theirs
	Options     map[string]string // what the SQL layer wants to keep with the table
	Temporary   bool              // lives in this instance's unlogged pages
	// AutoIncrementBase is the counter's first value, from CREATE or ALTER … AUTO_INCREMENT=n.
	AutoIncrementBase uint64
	// CounterGen names the counter that is in use; the engine counts it.
	CounterGen uint32

	nextColumn uint32
	nextIndex  IndexID
	history    []rowSchema // oldest first; the last is the one new rows are written with
	descs      map[uint32]*row.Desc
	desc       *row.Desc
	temp       *tempSpace // of a temporary table
	owner      *TableDef  // of which it is a partition
}

// ColumnDef is a column as SQL sees it around the column as the row format sees it.
// Text fields are SQL text that the engine only keeps.
type ColumnDef struct {
	row.Column
	SQLType       string // the type as SQL text
	Default       string // expression or literal; "" with HasDefault false: none
	HasDefault    bool
	DefaultExpr   bool // Default is an expression in parentheses, not a literal
	Generated     string
	Virtual       bool // generated and not stored
	OnUpdate      string
	Comment       string
	AutoIncrement bool
	Hidden        bool // not part of SELECT *; row id, virtual columns of indexes
	Options       map[string]string
	// Added is the value that rows written before the column existed have in it
	// (instant ADD COLUMN). The zero Datum with Null set: NULL.
	Added row.Datum
}

// IndexKind says what an index is for.
type IndexKind uint8

// The kinds of index.
const (
	IndexBTree IndexKind = iota
	IndexFulltext
	IndexSpatial
	IndexVector
)

// IndexDef is an index. Its tree holds the columns' key followed by the primary
// key; the primary's tree holds the primary key only and the whole row as value. A multi-valued
// index has as many entries of a row as its column has members, which may be none.
type IndexDef struct {
	ID        IndexID
	Name      string
	Columns   []IndexColumn
	Unique    bool
	Kind      IndexKind
	Comment   string
	Invisible bool
	Options   map[string]string

	Tree TreeID      // names the tree; new with each tree the index gets
	Root redo.PageID // 0 until the engine made the tree
	// KeyFormat and CollationHash say how the tree's keys were made: an index whose
	// collation's weights have changed since is not used (T-15).
	KeyFormat     uint8
	CollationHash uint64

	key      *row.Key
	unusable error // why key must not be used
}

// IndexColumn is one column of an index.
type IndexColumn struct {
	Column int    // ordinal in TableDef.Columns
	Prefix uint32 // characters (bytes of binary columns) of the prefix; 0: the whole value
	Desc   bool
	// Multi: the column, of row.TypeBytes, has a list of members (row.AppendMembers), and the index an entry for each.
	Multi bool `json:",omitempty"`
}

// ForeignKeyDef is a foreign key as declared; the SQL layer checks it.
type ForeignKeyDef struct {
	Name           string
	Columns        []string
	ParentDatabase string
	ParentTable    string
	ParentColumns  []string
	OnUpdate       string
	OnDelete       string
	Resolved       bool
	Options        map[string]string
}

// CheckDef is a CHECK constraint as SQL text.
type CheckDef struct {
	Name     string
	Expr     string
	Enforced bool
}

// DatabaseDef is a database.
type DatabaseDef struct {
	Name      string
	Collation row.CollationID
	Options   map[string]string
}

// rowSchema is the columns that rows of one schema version were written with.
type rowSchema struct {
	Version uint32
	Columns []row.Column
}

// ObjectKind is a kind of named thing whose content only the SQL layer understands.
type ObjectKind uint8

// The kinds of object. Numbers are stored and never reused.
const (
	ObjectView      ObjectKind = 1
	ObjectTrigger   ObjectKind = 2
	ObjectProcedure ObjectKind = 3
	ObjectEvent     ObjectKind = 4
	ObjectUsers     ObjectKind = 5 // users and grants, database "" and name ""
	ObjectVariable  ObjectKind = 6 // SET PERSIST
	ObjectStats     ObjectKind = 7 // histograms
	ObjectOther     ObjectKind = 8
	ObjectFunction  ObjectKind = 9 // stored function
)

// Object is one such thing.
type Object struct {
	Kind     ObjectKind
	Database string
	Name     string
	Data     []byte
}

// Keyless reports whether the table is clustered on a hidden row id.
func (t *TableDef) Keyless() bool {
	c := t.Primary.Columns
	return len(c) == 1 && t.Columns[c[0].Column].Name == RowIDColumn
}

// RowIDColumn is the name of the hidden column of keyless tables; no SQL name can equal it.
const RowIDColumn = "\x00row_id"

// Desc returns the row descriptor that new rows are encoded with.
func (t *TableDef) Desc() *row.Desc { return t.desc }

// DescAt returns the descriptor of the rows of a schema version, nil if the table never had it.
func (t *TableDef) DescAt(version uint32) *row.Desc { return t.descs[version] }

// Index returns the index of a name, the primary's being "PRIMARY"; nil if there is none.
func (t *TableDef) Index(name string) *IndexDef {
	if equalFold(t.Primary.Name, name) {
		return t.Primary
	}
	for _, ix := range t.Indexes {
		if equalFold(ix.Name, name) {
			return ix
		}
	}
	return nil
}

// Column returns the ordinal of a column, -1 if there is none of that name.
func (t *TableDef) Column(name string) int {
	for i := range t.Columns {
		if equalFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// AutoIncrement returns the ordinal of the AUTO_INCREMENT column, -1 if there is none.
func (t *TableDef) AutoIncrement() int {
	for i := range t.Columns {
		if t.Columns[i].AutoIncrement {
			return i
		}
	}
	return -1
}
