package gms

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Histograms of columns: ANALYZE TABLE … UPDATE HISTOGRAM makes one from the rows, and
// information_schema.COLUMN_STATISTICS has them in MySQL's form. EXPLAIN's filtered takes
// them into account; the planner itself knows the histograms of indexes only.

// Limits of histograms.
const (
	histogramSample     = 100_000 // values a histogram is made from
	histogramBuckets    = 100     // where the statement says no number
	histogramBucketsMax = 1024
	histogramText       = 42 // characters of a text that count
)

// histogramsName is the name of a table's histograms among its statistics.
const histogramsName = "histograms"

// histogram is one of a column, in the form of COLUMN_STATISTICS.
type histogram struct {
	Buckets   []json.RawMessage `json:"buckets"`
	DataType  string            `json:"data-type"`
	Nulls     float64           `json:"null-values"`
	Collation int               `json:"collation-id"`
	Updated   string            `json:"last-updated"`
	Rate      float64           `json:"sampling-rate"`
	Type      string            `json:"histogram-type"`
	Specified int               `json:"number-of-buckets-specified"`
}

// histograms are those of a table by the id of their column.
type histograms map[uint32]*histogram

// histogramsOf decodes those among a table's statistics.
func histogramsOf(s *engine.Statistics) (histograms, error) {
	h := histograms{}
	if raw := s.Extra[histogramsName]; raw != nil {
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, fmt.Errorf("%w: histograms: %w", engine.ErrCorrupt, err)
		}
	}
	return h, nil
}

// parseHistogram parses what follows the tables of ANALYZE TABLE: {UPDATE | DROP} HISTOGRAM ON
// columns [WITH n BUCKETS].
func parseHistogram(l *syntax.Lexer, tables []syntax.TableName) (ast.Statement, error) {
	drop := l.AcceptOne("update", "drop") == "drop"
	if !l.Accept("histogram", "on") {
		return nil, l.Syntax()
	}
	var columns []string
	for more := true; more; more = l.Accept(",") {
		name, ok := l.Name()
		if !ok {
			return nil, l.Syntax()
		}
		if slices.ContainsFunc(columns, func(c string) bool { return syntax.SameName(c, name) }) {
			return nil, mysql.NewSQLError(1060, "42S21", "Duplicate column name '%s'", name)
		}
		columns = append(columns, name)
	}
	buckets := uint64(histogramBuckets)
	switch {
	case drop:
	case l.Accept("with"):
		var ok bool
		if buckets, ok = l.Number(); !ok || !l.Accept("buckets") {
			return nil, l.Syntax()
		}
		if buckets < 1 || buckets > histogramBucketsMax {
			return nil, mysql.NewSQLError(1690, "22003", "Number of buckets value is out of range in 'ANALYZE TABLE'")
		}
	case l.Is("using"):
		return nil, value.ErrNotSupported("ANALYZE TABLE … UPDATE HISTOGRAM … USING DATA")
	}
	a := &admin{
		name: "ANALYZE TABLE", columns: textColumns("Table", "Op", "Msg_type", "Msg_text"), commits: true,
		auth: ast.AuthInformation{AuthType: ast.AuthType_SELECT, TargetType: ast.AuthTargetType_MultipleTableIdentifiers},
	}
	for _, t := range tables {
		a.auth.TargetNames = append(a.auth.TargetNames, t.Database, t.Name)
	}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		t := tables[0]
		if t.Database == "" {
			t.Database = ctx.GetCurrentDatabase()
		}
		if t.Database == "" {
			return nil, sql.ErrNoDatabaseSelected.New()
		}
		messages, err := analyzeColumns(ctx, s, t, len(tables), columns, int(buckets), drop)
		var rows []sql.Row
		for _, m := range messages {
			rows = append(rows, sql.Row{t.Database + "." + t.Name, "histogram", m.kind, m.text})
		}
		return rows, err
	}
	return a.statement(), nil
}

// analyzeColumns makes or drops histograms of a table's columns.
func analyzeColumns(ctx *sql.Context, s *Session, t syntax.TableName, tables int, columns []string, buckets int, drop bool) ([]tableMessage, error) {
	one := func(format string, args ...any) []tableMessage {
		return []tableMessage{{kind: "Error", text: fmt.Sprintf(format, args...)}}
	}
	if s.b.readOnly.Load() {
		return nil, errReadOnly()
	}
	if tables > 1 {
		return one("Only one table can be specified while modifying histogram statistics."), nil
	}
	def, view, err := s.definition(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case view:
		return one("Cannot create histogram statistics for a view."), nil
	case def == nil:
		return failed("Error", "Table '%s.%s' doesn't exist", t.Database, t.Name), nil
	case def.Temporary:
		return one("Cannot create histogram statistics for a temporary table."), nil
	}
	sh, err := s.b.shapes.of(ctx, def)
	if err != nil {
		return nil, err
	}
	st, err := s.b.db.Analyze(ctx, def)
	if err != nil {
		return nil, wireError(err)
	}
	all, err := histogramsOf(st)
	if err != nil {
		return nil, wireError(err)
	}
	out := make([]tableMessage, len(columns))
	var made []int // places in the schema
	for i, name := range columns {
		at := slices.IndexFunc(sh.schema, func(c *sql.Column) bool { return syntax.SameName(c.Name, name) && !c.HiddenSystem })
		switch {
		case at < 0:
			out[i] = one("The column '%s' does not exist.", name)[0]
			continue
		case drop:
			out[i] = one("No histogram statistics found for column '%s'.", name)[0]
			if id := def.Columns[at].ID; all[id] != nil {
				delete(all, id)
				out[i] = tableMessage{kind: "status", text: fmt.Sprintf("Histogram statistics removed for column '%s'.", name)}
			}
			continue
		case histogramType(sh.schema[at].Type) == "":
			out[i] = one("The column '%s' has an unsupported data type.", name)[0]
			continue
		case slices.ContainsFunc(sh.indexes, func(ix *Index) bool { return ix.def.Unique && len(ix.columns) == 1 && ix.columns[0] == at }):
			out[i] = one("The column '%s' is covered by a single-part unique index.", name)[0]
			continue
		}
		made = append(made, at)
		out[i] = tableMessage{kind: "status", text: fmt.Sprintf("Histogram statistics created for column '%s'.", name)}
	}
	if len(made) > 0 {
		samples, err := sampleColumns(ctx, s, t, sh, made)
		if err != nil {
			return nil, err
		}
		for i, at := range made {
			h, err := samples[i].histogram(ctx, sh.schema[at].Type, buckets)
			if err != nil {
				return nil, err
			}
			all[def.Columns[at].ID] = h
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	if st.Extra == nil {
		st.Extra = map[string]json.RawMessage{}
	}
	st.Extra[histogramsName] = raw
	return out, wireError(s.b.db.SetStatistics(ctx, def.ID, st))
}

// sample is a uniform sample of a column's values that are not NULL.
type sample struct {
	values      []any
	nulls, rows int
}

// sampleColumns reads a table.
func sampleColumns(ctx *sql.Context, s *Session, t syntax.TableName, sh *shape, columns []int) ([]*sample, error) {
	db, err := s.b.Database(ctx, t.Database)
	if err != nil {
		return nil, err
	}
	table, _, err := db.GetTableInsensitive(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	out := make([]*sample, len(columns))
	names := make([]string, len(columns))
	for i, at := range columns {
		out[i], names[i] = &sample{}, sh.schema[at].Name
	}
	if p, ok := table.(sql.ProjectedTable); ok {
		if table, err = p.WithProjections(ctx, names); err != nil {
			return nil, err
		}
	}
	places := make([]int, len(columns))
	for i, name := range names {
		places[i] = slices.IndexFunc(table.Schema(ctx), func(c *sql.Column) bool { return c.Name == name })
	}
	parts, err := table.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	rows := sql.NewTableRowIter(ctx, table, parts)
	for {
		r, err := rows.Next(ctx)
		if err == io.EOF {
			return out, rows.Close(ctx)
		}
		if err == nil {
			err = ctx.Err()
		}
		for i := 0; i < len(out) && err == nil; i++ {
			err = out[i].add(ctx, r[places[i]])
		}
		if err != nil {
			return nil, errors.Join(err, rows.Close(ctx))
		}
	}
}

// add adds a value; beyond histogramSample it takes another's place, or none.
func (s *sample) add(ctx *sql.Context, v any) error {
	s.rows++
	if v == nil {
		s.nulls++
		return nil
	}
	place := len(s.values)
	if place == histogramSample {
		if place = rand.IntN(s.rows - s.nulls); place >= histogramSample {
			return nil
		}
	}
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return err
	}
	switch text := v.(type) {
	case string:
		v = value.FirstRunes(text, histogramText)
	case []byte:
		v = slices.Clone(text[:min(len(text), histogramText)])
	}
	if place == len(s.values) {
		s.values = append(s.values, v)
	} else {
		s.values[place] = v
	}
	return nil
}

// histogram makes a histogram of at most so many buckets.
func (s *sample) histogram(ctx *sql.Context, t sql.Type, buckets int) (*histogram, error) {
	h := &histogram{
		Buckets: []json.RawMessage{}, DataType: histogramType(t), Collation: 8, Rate: 1, Type: "singleton", Specified: buckets,
		Updated: time.Now().UTC().Format("2006-01-02 15:04:05.000000"),
	}
	if c, ok := t.(sql.TypeWithCollation); ok {
		h.Collation = int(c.Collation())
	}
	if s.rows == 0 {
		return h, nil
	}
	h.Nulls = float64(s.nulls) / float64(s.rows)
	if n := s.rows - s.nulls; n > len(s.values) {
		h.Rate = float64(len(s.values)) / float64(n)
	}
	var failed error
	slices.SortFunc(s.values, func(a, b any) int {
		c, err := t.Compare(ctx, a, b)
		if err != nil {
			failed = err
		}
		return c
	})
	if failed != nil {
		return nil, failed
	}
	var ends []int // behind the equal ones
	for i := range s.values {
		if i+1 < len(s.values) {
			if c, err := t.Compare(ctx, s.values[i], s.values[i+1]); err != nil {
				return nil, err
			} else if c == 0 {
				continue
			}
		}
		ends = append(ends, i+1)
	}
	share := func(end int) json.RawMessage {
		return json.RawMessage(strconv.FormatFloat(float64(end)/float64(len(s.values))*(1-h.Nulls), 'g', 17, 64))
	}
	if len(ends) > buckets {
		h.Type = "equi-height"
	}
	from, distinct := 0, 0
	for _, end := range ends {
		distinct++
		// A bucket has its part of what the buckets before it have left, or more.
		if h.Type == "equi-height" && (end-from)*(buckets-len(h.Buckets)) < len(s.values)-from {
			continue
		}
		upper, err := histogramValue(ctx, t, s.values[end-1])
		if err != nil {
			return nil, err
		}
		bucket := []any{upper, share(end)}
		if h.Type == "equi-height" {
			lower, err := histogramValue(ctx, t, s.values[from])
			if err != nil {
				return nil, err
			}
			bucket = []any{lower, upper, share(end), distinct}
		}
		raw, err := json.Marshal(bucket)
		if err != nil {
			return nil, err
		}
		h.Buckets = append(h.Buckets, raw)
		from, distinct = end, 0
	}
	return h, nil
}

// histogramType is the data type of a type's histogram, "" if it can have none.
func histogramType(t sql.Type) string {
	switch k := t.Type(); {
	case sqltypes.IsSigned(k) || k == sqltypes.Year:
		return "int"
	case sqltypes.IsUnsigned(k) || k == sqltypes.Bit:
		return "uint"
	case sqltypes.IsFloat(k):
		return "double"
	case k == sqltypes.Decimal:
		return "decimal"
	case k == sqltypes.Datetime || k == sqltypes.Timestamp:
		return "datetime"
	case k == sqltypes.Date:
		return "date"
	case k == sqltypes.Time:
		return "time"
	case k == sqltypes.Enum:
		return "enum"
	case k == sqltypes.Set:
		return "set"
	case types.IsText(t):
		return "string"
	}
	return ""
}

// histogramValue is a value as a histogram has it.
func histogramValue(ctx *sql.Context, t sql.Type, v any) (any, error) {
	kind := histogramType(t)
	if kind == "enum" || kind == "set" {
		return v, nil // its number
	}
	cell, err := t.SQL(ctx, nil, v)
	if err != nil {
		return nil, err
	}
	text := cell.ToString()
	switch kind {
	case "int", "uint", "double", "decimal":
		if t.Type() == sqltypes.Bit {
			return v, nil
		}
		return json.RawMessage(text), nil
	case "datetime", "time":
		whole, fraction, _ := strings.Cut(text, ".")
		return whole + "." + (fraction + "000000")[:6], nil
	case "string":
		code := map[bool]string{true: "254", false: "15"}[t.Type() == sqltypes.Char || t.Type() == sqltypes.Binary]
		return "base64:type" + code + ":" + base64.StdEncoding.EncodeToString([]byte(text)), nil
	}
	return text, nil
}

// decoded is the value of a type that histogramValue has made a JSON value of.
func decoded(ctx *sql.Context, t sql.Type, raw json.RawMessage) (any, error) {
	text := string(raw)
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil {
		text = quoted
		if _, data, ok := strings.Cut(strings.TrimPrefix(quoted, "base64:type"), ":"); ok && strings.HasPrefix(quoted, "base64:type") {
			b, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
	}
	var v any = text
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && (types.IsEnum(t) || types.IsSet(t) || types.IsBit(t)) {
		v = n
	}
	v, _, err := t.Convert(ctx, v)
	return v, err
}

// shares are the shares of a column's rows that are below a value, and that are equal to it.
func (h *histogram) shares(ctx *sql.Context, t sql.Type, v any) (below, equal float64, err error) {
	if v, _, err = t.Convert(ctx, v); err != nil {
		return 0, 0, err
	}
	for _, raw := range h.Buckets {
		var b []json.RawMessage
		if err := json.Unmarshal(raw, &b); err != nil {
			return 0, 0, err
		}
		through, distinct := b[len(b)-1], 1.0
		if len(b) == 4 {
			through = b[2]
			if distinct, err = strconv.ParseFloat(string(b[3]), 64); err != nil {
				return 0, 0, err
			}
		}
		end, err := strconv.ParseFloat(string(through), 64)
		if err != nil {
			return 0, 0, err
		}
		upper, err := decoded(ctx, t, b[len(b)/4]) // [value, through] or [lower, upper, through, distinct]
		if err != nil {
			return 0, 0, err
		}
		lower, err := decoded(ctx, t, b[0])
		if err != nil {
			return 0, 0, err
		}
		low, err := t.Compare(ctx, v, lower)
		if err != nil {
			return 0, 0, err
		}
		high, err := t.Compare(ctx, v, upper)
		switch {
		case err != nil || low < 0:
			return below, 0, err
		case high > 0:
			below = end
			continue
		}
		equal = (end - below) / distinct
		if low > 0 {
			below += (end - below - equal) / 2
		}
		return below, equal, nil
	}
	return below, 0, nil
}

// columnStatisticsRows are COLUMN_STATISTICS.
func columnStatisticsRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := eachTable(ctx, s, cat, "", func(db sql.Database, _ sql.Table, b *base) error {
		if b == nil || b.IsTemporary() {
			return nil
		}
		st, err := s.b.stats.of(ctx, b.Table)
		if err != nil || st == nil {
			return err
		}
		all, err := histogramsOf(st.stored)
		if err != nil {
			return wireError(err)
		}
		for _, c := range b.shape.def.Columns {
			h := all[c.ID]
			if h == nil {
				continue
			}
			text, err := json.Marshal(h)
			if err != nil {
				return err
			}
			rows = append(rows, sql.Row{db.Name(), b.shape.def.Name, c.Name, string(text)})
		}
		return nil
	})
	return rows, err
}
