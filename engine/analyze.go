package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"sextant/engine/btree"
	"sextant/engine/row"
)

// Limits of statistics.
const (
	analyzeLeaves    = 128      // leaves of an index that are read for its statistics
	analyzeBuckets   = 100      // buckets of a histogram, as MySQL's default
	analyzeBytes     = 32 << 10 // bounds of a histogram; beyond it there are half as many buckets
	analyzeTables    = 16       // tables that one round of the background job takes
	analyzeRowsLeast = 200      // changes without which a table is not analyzed again
	analyzeShare     = 10       // and the part of its rows that must have changed, 1/n
)

// Statistics are what the planner knows of a table's values. They are made from a
// sample of each index's leaves, kept as a catalog object named by the table's id, and
// followed by readers like every other (T-25). They are estimates.
type Statistics struct {
	At      int64  // µs since 1970 UTC
	Rows    uint64 // of the table
	Indexes []IndexStatistics
	// Extra is what the SQL layer keeps with them, by name.
	Extra map[string]json.RawMessage `json:",omitempty"`
}

// IndexStatistics are those of one index.
type IndexStatistics struct {
	Index    IndexID
	Columns  []row.Column // of the index as they were; bounds are rows of them
	Leaves   uint64
	Distinct []uint64 // different values of the first 1, 2, … columns; NULLs are equal
	Nulls    uint64   // rows whose first column is NULL
	Lower    []byte   // the lowest values, nil of an empty index
	Buckets  []Bucket // in the order of the tree
}

// Bucket is a part of an index between the bound of the one before and its own.
type Bucket struct {
	Rows, Distinct, Nulls uint64
	Bound                 uint64 // rows that equal the bound
	Upper                 []byte
}

// statisticsName is the name of a table's statistics among the objects.
func statisticsName(id TableID) string { return strconv.FormatUint(uint64(id), 10) }

// Statistics returns the object of a table's statistics, nil if there are none.
func (c *Catalog) Statistics(id TableID) *Object {
	return c.Object(ObjectStats, "", statisticsName(id))
}

// Statistics decodes an object of statistics. Returns ErrCorrupt.
func (o *Object) Statistics() (*Statistics, error) {
	s := &Statistics{}
	if err := json.Unmarshal(o.Data, s); err != nil {
		return nil, fmt.Errorf("%w: statistics of table %s: %w", ErrCorrupt, o.Name, err)
	}
	return s, nil
}

// Of returns the statistics of an index, nil if there are none or its columns were others.
func (s *Statistics) Of(t *TableDef, ix *IndexDef) *IndexStatistics {
	for i := range s.Indexes {
		x := &s.Indexes[i]
		if x.Index == ix.ID && slices.EqualFunc(x.Columns, t.IndexColumns(ix), func(a, b row.Column) bool {
			return a.ID == b.ID && a.Type == b.Type && a.Collation == b.Collation
		}) {
			return x
		}
	}
	return nil
}

// IndexColumns returns the row format's columns of an index, all of them nullable.
func (t *TableDef) IndexColumns(ix *IndexDef) []row.Column {
	out := make([]row.Column, len(ix.Columns))
	for i, c := range ix.Columns {
		out[i] = t.Columns[c.Column].Column
		out[i].Nullable = true
	}
	return out
}

// Analyze makes a table's statistics from its newest committed rows.
func (db *DB) Analyze(ctx context.Context, t *TableDef) (*Statistics, error) {
	p, _, done := db.newest()
	defer done()
	rows, err := db.rowCount(ctx, p, t)
	if err != nil {
		return nil, err
	}
	s := &Statistics{At: db.opts.Clock().UnixMicro(), Rows: rows}
	if o := db.catalogs.newest().Statistics(t.ID); o != nil {
		if old, err := o.Statistics(); err == nil {
			s.Extra = old.Extra
		}
	}
	for _, ix := range t.allIndexes() {
		if !ix.stored() || ix.unusable != nil || ix == t.Primary && t.Keyless() {
			continue
		}
		a := analysis{t: t, ix: ix, p: p}
		x, err := a.run(ctx, float64(rows))
		if err != nil {
			return nil, err
		}
		s.Indexes = append(s.Indexes, x)
	}
	return s, nil
}

// analysis makes the statistics of one index.
type analysis struct {
	t  *TableDef
	ix *IndexDef
	p  *pager

	leaves []sampledLeaf // in the order of their keys
	total  float64       // leaves of the tree
	exact  bool          // every key is in leaves
}

// sampledLeaf is the keys of one leaf and for how many leaves it stands.
type sampledLeaf struct {
	keys   [][]byte
	weight float64
}

func (a *analysis) run(ctx context.Context, rows float64) (IndexStatistics, error) {
	out := IndexStatistics{Index: a.ix.ID, Columns: a.t.IndexColumns(a.ix), Distinct: make([]uint64, len(a.ix.Columns))}
	if err := a.sample(ctx); err != nil {
		return out, err
	}
	out.Leaves = uint64(a.total)
	cells := 0.0
	for _, l := range a.leaves {
		cells += l.weight * float64(len(l.keys))
	}
	if cells == 0 {
		return out, nil
	}
	if a.exact {
		rows = cells
	}
	for i := range a.leaves { // the count of rows knows better than a sample
		a.leaves[i].weight *= max(rows, 1) / cells
	}
	for n := range out.Distinct {
		d, err := a.distinct(n + 1)
		if err != nil {
			return out, err
		}
		out.Distinct[n] = uint64(min(max(d, 1), max(rows, 1)) + 0.5)
		if n > 0 {
			out.Distinct[n] = max(out.Distinct[n], out.Distinct[n-1])
		}
	}
	if a.ix.key.Multi() {
		return out, nil // no row has a member for its value
	}
	return out, a.histogram(ctx, &out, max(rows, 1))
}

// sample reads the leaves: all if they are few, otherwise some that are drawn.
func (a *analysis) sample(ctx context.Context) error {
	if len(a.t.Parts) > 0 {
		return a.sampleParts(ctx)
	}
	tree, p := a.ix.tree(), a.t.pager(a.p)
	byFirst := map[string]int{}
	draws := 0
	for draws < analyzeLeaves {
		var keys [][]byte
		w, err := tree.Sample(ctx, p, rand.IntN, func(key, _ []byte) { keys = append(keys, bytes.Clone(key)) })
		if err != nil {
			return err
		}
		draws++
		a.total += w
		if len(keys) == 0 {
			if w == 1 {
				break // an empty tree
			}
			continue
		}
		if i, again := byFirst[string(keys[0])]; again {
			a.leaves[i].weight += w
		} else {
			byFirst[string(keys[0])] = len(a.leaves)
			a.leaves = append(a.leaves, sampledLeaf{keys, w})
		}
		if w == 1 {
			break // the root is the only leaf
		}
		if draws == statSamples && a.total/float64(draws) <= analyzeLeaves {
			return a.all(ctx)
		}
	}
	a.exact = draws == 1
	for i := range a.leaves {
		a.leaves[i].weight /= float64(draws)
	}
	a.total /= float64(max(draws, 1))
	slices.SortFunc(a.leaves, func(x, y sampledLeaf) int { return bytes.Compare(x.keys[0], y.keys[0]) })
	return nil
}

// sampleParts samples the trees of every partition. Where each was read whole, so is the table.
func (a *analysis) sampleParts(ctx context.Context) error {
	a.exact = true
	for _, pt := range a.t.tables() {
		of := analysis{t: pt, ix: pt.indexByID(a.ix.ID), p: a.p}
		if err := of.sample(ctx); err != nil {
			return err
		}
		a.leaves, a.total, a.exact = append(a.leaves, of.leaves...), a.total+of.total, a.exact && of.exact
	}
	if a.exact {
		all := sampledLeaf{weight: 1}
		for _, l := range a.leaves {
			all.keys = append(all.keys, l.keys...)
		}
		slices.SortFunc(all.keys, bytes.Compare)
		a.leaves = []sampledLeaf{all}
	}
	a.leaves = slices.DeleteFunc(a.leaves, func(l sampledLeaf) bool { return len(l.keys) == 0 })
	slices.SortFunc(a.leaves, func(x, y sampledLeaf) int { return bytes.Compare(x.keys[0], y.keys[0]) })
	return nil
}

// distinct estimates the different values of the first n columns: how often the value
// changes within the leaves, and as often, in proportion, between them.
func (a *analysis) distinct(n int) (float64, error) {
	sum := 0.0
	for _, l := range a.leaves {
		changes := 0
		var last []byte
		for i, k := range l.keys {
			size, err := a.ix.key.Len(k, n)
			if err != nil {
				return 0, err
			}
			if i > 0 && !bytes.Equal(k[:size], last) {
				changes++
			}
			last = k[:size]
		}
		switch {
		case a.exact:
			sum += float64(changes + 1)
		case len(l.keys) > 1:
			sum += l.weight * float64(changes) * float64(len(l.keys)) / float64(len(l.keys)-1)
		default:
			sum += l.weight
		}
	}
	return sum, nil
}

// cut is a bucket while it is filled.
type cut struct {
	rows, distinct, nulls, bound float64
	key                          []byte // of the last cell
}

// histogram cuts the rows into buckets of about the same height; NULLs are apart.
func (a *analysis) histogram(ctx context.Context, out *IndexStatistics, rows float64) error {
	columns := len(a.ix.Columns)
	var cuts []cut
	var first, last []byte
	now, lastNull := cut{}, false
	for _, l := range a.leaves {
		for _, k := range l.keys {
			size, err := a.ix.key.Len(k, columns)
			if err != nil {
				return err
			}
			null := a.null(k)
			if last != nil && (now.rows >= rows/analyzeBuckets || null != lastNull) {
				cuts, now = append(cuts, now), cut{}
			}
			switch {
			case first == nil:
				first = k
				now.distinct += l.weight
			case bytes.Equal(last, k[:size]): // of the bucket before, perhaps
				now.distinct = max(now.distinct, 1)
			default:
				now.distinct += l.weight
				now.bound = 0
			}
			now.rows += l.weight
			now.bound += l.weight
			if null {
				now.nulls += l.weight
			}
			now.key, last, lastNull = k, k[:size], null
		}
	}
	if cuts = append(cuts, now); first == nil {
		return nil
	}
	var err error
	if out.Lower, err = a.bound(ctx, first); err != nil {
		return err
	}
	for _, c := range cuts {
		b := Bucket{
			Rows: uint64(c.rows + 0.5), Distinct: uint64(min(c.distinct, c.rows) + 0.5), Nulls: uint64(c.nulls + 0.5), Bound: uint64(c.bound + 0.5),
		}
		b.Rows, b.Distinct, b.Bound = max(b.Rows, 1), max(b.Distinct, 1), max(b.Bound, 1)
		out.Nulls += b.Nulls
		if b.Upper, err = a.bound(ctx, c.key); err != nil {
			return err
		}
		if b.Upper != nil { // the row may be gone: its rows are the next one's then
			out.Buckets = append(out.Buckets, b)
		}
	}
	for bytesOf(out.Buckets) > analyzeBytes {
		out.Buckets = halved(out.Buckets)
	}
	return nil
}

// all reads every leaf, as one.
func (a *analysis) all(ctx context.Context) error {
	a.leaves, a.exact = []sampledLeaf{{weight: 1}}, true
	a.total /= statSamples
	c := btree.NewCursor(a.ix.tree(), a.t.pager(a.p))
	for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
		a.leaves[0].keys = append(a.leaves[0].keys, bytes.Clone(c.Key()))
	}
	return c.Err()
}

// null reports whether the first column of a key is NULL.
func (a *analysis) null(key []byte) bool {
	c := a.ix.Columns[0]
	null := byte(0)
	if c.Desc {
		null = 0xff
	}
	return a.t.Columns[c.Column].Nullable && key[0] == null
}

// bound returns the values of a key's columns, which the key does not hold as such, from
// its row; nil if that is gone.
func (a *analysis) bound(ctx context.Context, key []byte) ([]byte, error) {
	pk, err := a.t.PrimaryKeyOf(a.ix, key)
	if err != nil {
		return nil, err
	}
	var r row.Row
	for _, pt := range a.t.tables() {
		if r, err = pt.committedRow(ctx, a.t.pager(a.p), pk); err != nil || r != nil {
			break
		}
	}
	if err != nil || r == nil {
		return nil, err
	}
	b := row.NewBuilder(row.NewDesc(0, a.t.IndexColumns(a.ix)))
	for i, c := range a.ix.Columns {
		b.Set(i, a.t.desc.Datum(r, c.Column))
	}
	return b.Row()
}

func bytesOf(buckets []Bucket) int {
	n := 0
	for _, b := range buckets {
		n += len(b.Upper)
	}
	if len(buckets) < 2 {
		return 0
	}
	return n
}

// halved joins every two buckets.
func halved(buckets []Bucket) []Bucket {
	var out []Bucket
	for pair := range slices.Chunk(buckets, 2) {
		b := pair[len(pair)-1]
		if len(pair) == 2 {
			b.Rows += pair[0].Rows
			b.Distinct += pair[0].Distinct
			b.Nulls += pair[0].Nulls
		}
		out = append(out, b)
	}
	return out
}

// allChanged is as if every row of a table had changed. What changes while it is analyzed is
// counted on top.
const allChanged = 1 << 60

// change notes rows that a commit changed.
func (s *statistics) change(id TableID, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id&temporaryID == 0 {
		s.changed[id] += min(n, math.MaxUint64-s.changed[id])
	}
}

// due returns the tables whose statistics are to be made again, and the changes that
// each has seen, some at most.
func (s *statistics) due() map[TableID]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[TableID]uint64{}
	for id, n := range s.changed {
		var rows int64
		if r := s.byTable[id]; r != nil {
			rows = max(r.rows+r.delta, 0)
		}
		if n >= max(analyzeRowsLeast, uint64(rows)/analyzeShare) {
			if out[id] = n; len(out) == analyzeTables {
				break
			}
		}
	}
	return out
}

// analyzed forgets changes that the statistics now know.
func (s *statistics) analyzed(id TableID, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed[id] -= min(n, s.changed[id]); s.changed[id] == 0 {
		delete(s.changed, id)
	}
}

// analyzeTables makes the statistics of tables that changed enough, some in a round.
func (db *writer) analyzeTables(ctx context.Context) error {
	due := db.stats.due()
	made := map[TableID]*Statistics{}
	for id := range due {
		c := db.catalogs.newest()
		t := c.TableByID(id)
		if t == nil {
			continue
		}
		t = t.Owner()
		if made[t.ID] != nil {
			continue
		}
		s, err := db.Analyze(ctx, t)
		if err != nil {
			return fmt.Errorf("analyze %s.%s: %w", t.Database, t.Name, err)
		}
		if s.Rows > 0 || c.Statistics(t.ID) != nil {
			made[t.ID] = s
		}
	}
	if err := db.putStatistics(ctx, made); err != nil {
		return err
	}
	for id, n := range due {
		db.stats.analyzed(id, n)
	}
	return nil
}

// putStatistics commits statistics. Those of tables that are gone are left out.
func (db *writer) putStatistics(ctx context.Context, made map[TableID]*Statistics) error {
	objects := map[TableID]*Object{}
	for id, s := range made {
		data, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode statistics: %w", err)
		}
		objects[id] = &Object{Kind: ObjectStats, Name: statisticsName(id), Data: data}
	}
	if len(objects) == 0 {
		return nil
	}
	_, err := db.commit(ctx, &commitRequest{apply: func(t *turn) error {
		var changes []change
		for id, o := range objects {
			if t.catalog.TableByID(id) != nil {
				changes = append(changes, change{object: o})
			}
		}
		if len(changes) == 0 {
			return nil
		}
		return t.writeCatalog(changes)
	}})
	return err
}

// SetStatistics keeps a table's statistics. Returns ErrNotWriter on a reader.
func (db *DB) SetStatistics(ctx context.Context, id TableID, s *Statistics) error {
	w := db.state.Load().w
	if w == nil {
		return ErrNotWriter
	}
	return w.putStatistics(ctx, map[TableID]*Statistics{id: s})
}
