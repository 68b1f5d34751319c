package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"sextant/engine/row"
	"sextant/internal/redo"
)

// The catalog tree. Values begin with a format byte; definitions are JSON, so that
// a field added later needs no new format.
//
//	v                       catalog version (8), first LSN of the commit that made it (8), last LSN (8)
//	d name                  DatabaseDef
//	t table id (8)          TableDef
//	o kind (1) db 00 name   object: names and data, each with its length
//
// Names in keys are folded; integers in keys are big-endian.
const (
	catalogVersionKey  = 'v'
	catalogDatabaseKey = 'd'
	catalogTableKey    = 't'
	catalogObjectKey   = 'o'

	catalogFormat = 1
)

// storedTable is a TableDef with what is private to the engine.
type storedTable struct {
	*TableDef
	NextColumn uint32
	NextIndex  IndexID
	History    []rowSchema
}

// key returns the catalog tree's key of what is changed.
func (ch change) key() []byte {
	switch {
	case ch.database != nil:
		return append([]byte{catalogDatabaseKey}, fold(ch.database.Name)...)
	case ch.table != nil:
		return binary.BigEndian.AppendUint64([]byte{catalogTableKey}, uint64(ch.table.ID))
	}
	k := append([]byte{catalogObjectKey, byte(ch.object.Kind)}, fold(ch.object.Database)...)
	return append(append(k, 0), fold(ch.object.Name)...)
}

// value returns the catalog tree's value of what is put.
func (ch change) value() ([]byte, error) {
	var body []byte
	var err error
	switch {
	case ch.database != nil:
		body, err = json.Marshal(ch.database)
	case ch.table != nil:
		t := ch.table
		body, err = json.Marshal(storedTable{t, t.nextColumn, t.nextIndex, t.history})
	default:
		body = appendBytes(nil, []byte(ch.object.Database))
		body = appendBytes(body, []byte(ch.object.Name))
		body = appendBytes(body, ch.object.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("encode catalog entry: %w", err)
	}
	return append([]byte{catalogFormat}, body...), nil
}

// decodeChange is the inverse of key and value. Returns ErrCorrupt or ErrFormat.
func decodeChange(key, value []byte) (change, error) {
	if len(key) == 0 || len(value) == 0 {
		return change{}, fmt.Errorf("%w: empty catalog entry", ErrCorrupt)
	}
	if value[0] != catalogFormat {
		return change{}, fmt.Errorf("%w: catalog entry of format %d", ErrFormat, value[0])
	}
	body := value[1:]
	switch key[0] {
	case catalogDatabaseKey:
		d := &DatabaseDef{}
		if err := json.Unmarshal(body, d); err != nil {
			return change{}, fmt.Errorf("%w: database %q: %v", ErrCorrupt, key[1:], err)
		}
		return change{database: d}, nil
	case catalogTableKey:
		st := storedTable{TableDef: &TableDef{}}
		if err := json.Unmarshal(body, &st); err != nil {
			return change{}, fmt.Errorf("%w: table %x: %v", ErrCorrupt, key[1:], err)
		}
		t := st.TableDef
		t.nextColumn, t.nextIndex, t.history = st.NextColumn, st.NextIndex, st.History
		if err := t.compile(); err != nil {
			return change{}, err
		}
		return change{table: t}, nil
	case catalogObjectKey:
		if len(key) < 2 {
			return change{}, fmt.Errorf("%w: object key %x", ErrCorrupt, key)
		}
		o := &Object{Kind: ObjectKind(key[1])}
		db, rest, ok1 := readBytes(body)
		name, rest, ok2 := readBytes(rest)
		data, _, ok3 := readBytes(rest)
		if !ok1 || !ok2 || !ok3 {
			return change{}, fmt.Errorf("%w: object %x", ErrCorrupt, key)
		}
		o.Database, o.Name, o.Data = string(db), string(name), append([]byte(nil), data...)
		return change{object: o}, nil
	}
	return change{}, fmt.Errorf("%w: catalog key %x", ErrCorrupt, key)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func readBytes(b []byte) (v, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w : w+int(n)], b[w+int(n):], true
}

// encodeVersion returns the value of the version entry.
func (c *Catalog) encodeVersion() []byte {
	b := binary.BigEndian.AppendUint64([]byte{catalogFormat}, c.version)
	b = binary.BigEndian.AppendUint64(b, uint64(c.from))
	return b
}

func decodeVersion(b []byte) (version uint64, from redo.LSN, err error) {
	if len(b) < 17 {
		return 0, 0, fmt.Errorf("%w: catalog version %x", ErrCorrupt, b)
	}
	if b[0] != catalogFormat {
		return 0, 0, fmt.Errorf("%w: catalog version of format %d", ErrFormat, b[0])
	}
	return binary.BigEndian.Uint64(b[1:]), redo.LSN(binary.BigEndian.Uint64(b[9:])), nil
}

// compile fills in what a definition computes from its stored fields.
// Returns ErrCorrupt if they contradict each other.
func (t *TableDef) compile() error {
	if t.Primary == nil || len(t.history) == 0 {
		return fmt.Errorf("%w: table %d has no primary or no row schema", ErrCorrupt, t.ID)
	}
	t.descs = make(map[uint32]*row.Desc, len(t.history))
	for _, h := range t.history {
		for _, c := range h.Columns {
			if !c.Type.Valid() {
				return fmt.Errorf("%w: table %d column %q has type %d", ErrCorrupt, t.ID, c.Name, c.Type)
			}
		}
		t.descs[h.Version] = row.NewDesc(h.Version, h.Columns)
	}
	t.desc = t.descs[t.history[len(t.history)-1].Version]
	if len(t.desc.Columns) != len(t.Columns) {
		return fmt.Errorf("%w: table %d has %d columns, its rows %d", ErrCorrupt, t.ID, len(t.Columns), len(t.desc.Columns))
	}
	for _, ix := range t.allIndexes() {
		if err := ix.compile(t); err != nil {
			return err
		}
	}
	for _, p := range t.Parts {
		p.table = t.partTable(p)
	}
	return nil
}

// allIndexes returns the primary and the secondary indexes.
func (t *TableDef) allIndexes() []*IndexDef {
	return append([]*IndexDef{t.Primary}, t.Indexes...)
}
