package gms

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/stats"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// optimizerStats gives the planner what the catalog says of a table's values (T-25). It
// reads nothing but the catalog that the statement has already, so planning never waits
// for storage; a table without statistics is planned by its count of rows alone.
type optimizerStats struct {
	b  *Backend
	mu sync.Mutex
	m  map[engine.TableID]*tableStats
}

var _ sql.StatsProvider = (*optimizerStats)(nil)

// optimizerStatsMax bounds the tables whose statistics are kept decoded; beyond it all
// are decoded anew.
const optimizerStatsMax = 4096

// tableStats are the statistics of a table as the planner wants them. They are immutable.
type tableStats struct {
	object  *engine.Object
	shape   *shape
	stored  *engine.Statistics
	indexes []sql.Statistic // of those analyzed; the planner uses them if none is missing
}

func newOptimizerStats(b *Backend) *optimizerStats {
	return &optimizerStats{b: b, m: map[engine.TableID]*tableStats{}}
}

// of returns a table's statistics, nil if there are none, or the table is none of ours.
func (o *optimizerStats) of(ctx *sql.Context, table sql.Table) (*tableStats, error) {
	t, ok := sql.GetUnderlyingTable(table).(*Table)
	if !ok || t.IsTemporary() {
		return nil, nil
	}
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return nil, err
	}
	return o.at(ctx, cat, t.shape)
}

// at returns the statistics that a catalog has of a table.
func (o *optimizerStats) at(ctx context.Context, cat *engine.Catalog, sh *shape) (*tableStats, error) {
	object := cat.Statistics(sh.def.ID)
	if object == nil {
		return nil, nil
	}
	o.mu.Lock()
	s := o.m[sh.def.ID]
	o.mu.Unlock()
	if s != nil && s.object == object && s.shape == sh {
		return s, nil
	}
	stored, err := object.Statistics()
	if err != nil {
		return nil, wireError(err)
	}
	s = &tableStats{object: object, shape: sh, stored: stored}
	sctx := sql.NewContext(ctx)
	for _, ix := range sh.indexes {
		st, err := s.statistic(sctx, ix)
		if err != nil {
			return nil, err
		}
		if st != nil {
			s.indexes = append(s.indexes, st)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.m) >= optimizerStatsMax {
		clear(o.m)
	}
	o.m[sh.def.ID] = s
	return s, nil
}

// statistic returns what is known of an index, nil if it was not analyzed yet.
func (s *tableStats) statistic(ctx *sql.Context, ix *Index) (*stats.Statistic, error) {
	def := s.shape.def
	fds, columns, err := stats.IndexFds(ctx, strings.ToLower(def.Name), s.shape.schema, ix)
	if err != nil {
		return nil, err
	}
	out := &stats.Statistic{
		RowCnt: s.stored.Rows, DistinctCnt: s.stored.Rows, AvgRowSize: s.averageSize(),
		Created: time.UnixMicro(s.stored.At).UTC(),
		Qual:    sql.NewStatQualifier(def.Database, "", def.Name, ix.ID()),
		Fds:     fds, Colset: columns,
	}
	for _, c := range ix.columns {
		out.Cols = append(out.Cols, strings.ToLower(s.shape.schema[c].Name))
		out.Typs = append(out.Typs, s.shape.schema[c].Type)
	}
	if ix.pseudo != nil {
		out.IdxClass = uint8(sql.IndexClassFulltext)
		if ix.IsSpatial() {
			out.IdxClass = uint8(sql.IndexClassSpatial)
		}
		return out, nil
	}
	x := s.stored.Of(def, ix.def)
	if x == nil {
		return nil, nil
	}
	out.DistinctCnt, out.NullCnt = x.Distinct[len(x.Distinct)-1], x.Nulls
	d := row.NewDesc(0, x.Columns)
	if out.LowerBnd, err = s.bound(d, ix, x.Lower); err != nil {
		return nil, err
	}
	for _, b := range x.Buckets {
		upper, err := s.bound(d, ix, b.Upper)
		if err != nil {
			return nil, err
		}
		out.Hist = append(out.Hist, stats.NewHistogramBucket(b.Rows, b.Distinct, b.Nulls, b.Bound, upper, nil, nil))
	}
	if ix.def.Columns[0].Desc {
		reverse(out)
	}
	return out, nil
}

// reverse turns the histogram of a descending index round.
func reverse(s *stats.Statistic) {
	top := s.LowerBnd
	for i, b := range s.Hist {
		s.Hist[i] = stats.NewHistogramBucket(b.RowCount(), b.DistinctCount(), b.NullCount(), 1, top, nil, nil)
		top = b.UpperBound()
	}
	s.LowerBnd = top
	slices.Reverse(s.Hist)
}

// bound decodes the values of an index's columns.
func (s *tableStats) bound(d *row.Desc, ix *Index, stored []byte) (sql.Row, error) {
	if stored == nil {
		return nil, nil
	}
	r := row.Row(stored)
	if err := d.Check(r); err != nil {
		return nil, wireError(err)
	}
	out := make(sql.Row, len(ix.columns))
	for i, c := range ix.columns {
		if d.IsNull(r, i) {
			continue
		}
		out[i] = s.shape.codecs[c].Get(d, r, i)
		if b, bad := out[i].(value.BadValue); bad {
			return nil, b.Err
		}
	}
	return out, nil
}

// rowCount is the number of the table's rows, 0 of no statistics.
func (s *tableStats) rowCount() uint64 {
	if s == nil {
		return 0
	}
	return s.stored.Rows
}

// cardinality is the different values of the first n columns of an index, nil of no statistics.
func (s *tableStats) cardinality(ix *engine.IndexDef, n int) any {
	if s == nil {
		return nil
	}
	x := s.stored.Of(s.shape.def, ix)
	if x == nil || n > len(x.Distinct) {
		return nil
	}
	return x.Distinct[n-1]
}

// dataLength is the bytes of the table's rows, 0 if it is not known.
func (s *tableStats) dataLength() uint64 {
	if s == nil {
		return 0
	}
	if x := s.stored.Of(s.shape.def, s.shape.def.Primary); x != nil {
		return x.Leaves * engine.PageSize
	}
	return 0
}

func (s *tableStats) averageSize() uint64 { return s.dataLength() / max(s.stored.Rows, 1) }

// GetTableStats implements sql.StatsProvider.
func (o *optimizerStats) GetTableStats(ctx *sql.Context, _, _ string, table sql.Table) ([]sql.Statistic, error) {
	s, err := o.of(ctx, table)
	if s == nil {
		return nil, err
	}
	return s.indexes, nil
}

// GetStats implements sql.StatsProvider.
func (o *optimizerStats) GetStats(ctx *sql.Context, q sql.StatQualifier, columns []string) (sql.Statistic, bool) {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return nil, false
	}
	def := cat.Table(q.Database, q.Tab)
	if def == nil {
		return nil, false
	}
	sh, err := o.b.shapes.of(ctx, def)
	if err != nil {
		return nil, false
	}
	s, err := o.at(ctx, cat, sh)
	if err != nil || s == nil {
		return nil, false
	}
	for _, st := range s.indexes {
		if strings.EqualFold(st.Qualifier().Index(), q.Idx) && slices.EqualFunc(st.Columns(), columns, strings.EqualFold) {
			return st, true
		}
	}
	return nil, false
}

// AnalyzeTable implements sql.StatsProvider.
func (o *optimizerStats) AnalyzeTable(ctx *sql.Context, table sql.Table, _ string) error {
	t, ok := sql.GetUnderlyingTable(table).(*Table)
	if !ok || t.IsTemporary() {
		return nil
	}
	return o.analyze(ctx, t.shape.def)
}

func (o *optimizerStats) analyze(ctx *sql.Context, def *engine.TableDef) error {
	if o.b.readOnly.Load() {
		return errReadOnly()
	}
	s, err := o.b.db.Analyze(ctx, def)
	if err == nil {
		err = o.b.db.SetStatistics(ctx, def.ID, s)
	}
	return wireError(err)
}

// SetStats implements sql.StatsProvider: what the statement brings takes the place of an
// index's statistics.
func (o *optimizerStats) SetStats(ctx *sql.Context, st sql.Statistic) error {
	return o.change(ctx, st.Qualifier(), func(sh *shape, s *engine.Statistics) error {
		ix := sh.findIndex(st.Qualifier().Index())
		if ix == nil || ix.pseudo != nil {
			return sql.ErrIndexNotFound.New(st.Qualifier().Index())
		}
		x, err := sh.indexStatistics(ctx, ix, st)
		if err != nil {
			return err
		}
		s.Indexes = slices.DeleteFunc(s.Indexes, func(old engine.IndexStatistics) bool { return old.Index == ix.def.ID })
		s.Indexes, s.Rows = append(s.Indexes, x), st.RowCount()
		return nil
	})
}

// indexStatistics encodes the planner's statistics of an index.
func (s *shape) indexStatistics(ctx *sql.Context, ix *Index, st sql.Statistic) (engine.IndexStatistics, error) {
	x := engine.IndexStatistics{
		Index: ix.def.ID, Columns: s.def.IndexColumns(ix.def), Nulls: st.NullCount(),
		Distinct: slices.Repeat([]uint64{st.DistinctCount()}, len(ix.columns)),
	}
	b := row.NewBuilder(row.NewDesc(0, x.Columns))
	encode := func(values sql.Row) ([]byte, error) {
		for i, c := range ix.columns {
			b.SetNull(i)
			if i >= len(values) || values[i] == nil {
				continue
			}
			v, _, err := s.schema[c].Type.Convert(ctx, values[i])
			if err != nil {
				return nil, err
			}
			d, err := s.codecs[c].Datum(ctx, v)
			if err != nil {
				return nil, err
			}
			b.Set(i, d)
		}
		return b.Row()
	}
	var err error
	if st.LowerBound() != nil {
		if x.Lower, err = encode(st.LowerBound()); err != nil {
			return x, err
		}
	}
	for _, h := range st.Histogram() {
		out := engine.Bucket{Rows: h.RowCount(), Distinct: h.DistinctCount(), Nulls: h.NullCount(), Bound: h.BoundCount()}
		if out.Upper, err = encode(h.UpperBound()); err != nil {
			return x, err
		}
		x.Buckets = append(x.Buckets, out)
	}
	return x, nil
}

// DropStats implements sql.StatsProvider: it forgets the statistics of the indexes of
// exactly these columns, or of beginnings with them.
func (o *optimizerStats) DropStats(ctx *sql.Context, q sql.StatQualifier, columns []string) error {
	return o.change(ctx, q, func(sh *shape, s *engine.Statistics) error {
		for _, ix := range sh.indexes {
			if len(columns) > len(ix.columns) {
				continue
			}
			same := true
			for i, name := range columns {
				same = same && strings.EqualFold(sh.schema[ix.columns[i]].Name, name)
			}
			if same {
				s.Indexes = slices.DeleteFunc(s.Indexes, func(x engine.IndexStatistics) bool { return x.Index == ix.def.ID })
			}
		}
		return nil
	})
}

// change replaces a table's statistics by what f makes of them.
func (o *optimizerStats) change(ctx *sql.Context, q sql.StatQualifier, f func(*shape, *engine.Statistics) error) error {
	if o.b.readOnly.Load() {
		return errReadOnly()
	}
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return err
	}
	def := cat.Table(q.Database, q.Tab)
	if def == nil {
		return sql.ErrTableNotFound.New(q.Tab)
	}
	sh, err := o.b.shapes.of(ctx, def)
	if err != nil {
		return err
	}
	s := &engine.Statistics{At: time.Now().UnixMicro()}
	if object := cat.Statistics(def.ID); object != nil {
		if s, err = object.Statistics(); err != nil {
			return wireError(err)
		}
	}
	if err := f(sh, s); err != nil {
		return err
	}
	return wireError(o.b.db.SetStatistics(ctx, def.ID, s))
}

// DropDbStats implements sql.StatsProvider. A table's go with it.
func (o *optimizerStats) DropDbStats(*sql.Context, string, string, bool) error { return nil }

// RowCount implements sql.StatsProvider; 0: the planner asks the table.
func (o *optimizerStats) RowCount(ctx *sql.Context, _, _ string, table sql.Table) (uint64, error) {
	s, err := o.of(ctx, table)
	if s == nil {
		return 0, err
	}
	return s.stored.Rows, nil
}

// DataLength implements sql.StatsProvider; 0: the planner asks the table.
func (o *optimizerStats) DataLength(ctx *sql.Context, _, _ string, table sql.Table) (uint64, error) {
	s, err := o.of(ctx, table)
	if s == nil {
		return 0, err
	}
	return s.dataLength(), nil
}

// analyzeTable is ANALYZE TABLE of one table.
func analyzeTable(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error) {
	def, view, err := s.definition(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case view:
		return failed("Error", "'%s.%s' is not BASE TABLE", t.Database, t.Name), nil
	case def == nil:
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	case def.Temporary:
		return done(), nil
	}
	if err := s.b.stats.analyze(ctx, def); err != nil {
		return nil, err
	}
	return done(), nil
}
