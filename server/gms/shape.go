package gms

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// Keys of the Options that this package keeps with definitions.
const (
	optSystem    = "system"         // column: hidden, made for an index on an expression
	optArray     = "array"          // column: type of the members, of a hidden one of a multi-valued index
	optHidden    = "hidden"         // column: INVISIBLE
	optVirtual   = "virtual"        // column: VIRTUAL, stored all the same (see column)
	optExtra     = "extra"          // column: sql.Column.Extra
	optCharset   = "charset"        // column: its definition has CHARACTER SET or COLLATE, which are shown then
	optSRID      = "srid"           // column: SRID of a spatial type that has one
	optCollation = "collation"      // column: number of the collation, where the type has one
	optBlockSize = "key_block_size" // index: KEY_BLOCK_SIZE
	optUsing     = "using"          // index: the method that its definition names
	optPseudo    = "pseudo"         // table: JSON of the indexes that have no tree of their own
	optConfig    = "fulltext"       // table: name of the fulltext configuration table
)

// shapesMax bounds the shapes that are kept; beyond it all are made anew.
const shapesMax = 8192

// shape is what the planner sees of one version of a table, made once.
//
// Invariant: immutable; schema[i] is column i of def, the hidden row id is not in it.
type shape struct {
	def     *engine.TableDef
	schema  sql.Schema
	pk      sql.PrimaryKeySchema
	codecs  []*value.Codec
	indexes []*Index
	sqlIdx  []sql.Index // the same, as the planner wants them
	checks  []sql.CheckDefinition
	// only holds, by column, the index of this integer column alone, if no other
	// index begins with it; nil: none, or several.
	only     []*Index
	computed bool                 // there are indexes on expressions, or none of the tree's kind
	formats  []value.ColumnFormat // of the columns; nil: none has one
	parts    *partitioning        // nil: the table is not partitioned
	autoInc  int                  // ordinal, -1: none
	rowID    int                  // ordinal of the hidden row id in def.Columns, -1: none
}

// pseudoIndex is an index that the planner maintains or scans itself: it has a
// definition and no tree.
type pseudoIndex struct {
	Name    string
	Kind    engine.IndexKind
	Columns []string
	Comment string
	// fulltext: the tables that hold the index, and the key they refer by
	Position, DocCount, GlobalCount, RowCount string
	KeyType                                   byte
	KeyName                                   string
	KeyPositions                              []int
}

// shapes caches shape by definition. It is safe for concurrent use.
type shapes struct {
	mu sync.RWMutex
	m  map[*engine.TableDef]*shape
}

func (s *shapes) of(ctx context.Context, def *engine.TableDef) (*shape, error) {
	s.mu.RLock()
	sh := s.m[def]
	s.mu.RUnlock()
	if sh != nil {
		return sh, nil
	}
	sh, err := newShape(ctx, def)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= shapesMax {
		s.m = make(map[*engine.TableDef]*shape)
	}
	s.m[def] = sh
	return sh, nil
}

func newShape(ctx context.Context, def *engine.TableDef) (*shape, error) {
	s := &shape{def: def, autoInc: def.AutoIncrement(), rowID: -1}
	for i := range def.Columns {
		c := &def.Columns[i]
		if c.Name == engine.RowIDColumn {
			s.rowID = i
			continue
		}
		sc, err := s.column(ctx, c)
		if err != nil {
			return nil, err
		}
		cd, err := value.NewCodec(sc.Type)
		if err != nil {
			return nil, fmt.Errorf("table %s.%s: column %s: %w", def.Database, def.Name, c.Name, err)
		}
		s.schema = append(s.schema, sc)
		s.codecs = append(s.codecs, cd)
		if f, ok := expr.FormatOf(c); ok && expr.IsNumeric(sc.Type) {
			if s.formats == nil {
				s.formats = make([]value.ColumnFormat, len(def.Columns))
			}
			s.formats[i] = f
		}
	}
	var ordinals []int
	if !def.Keyless() {
		for _, c := range def.Primary.Columns {
			ordinals = append(ordinals, c.Column)
			s.schema[c.Column].PrimaryKey = true
		}
		s.indexes = append(s.indexes, s.index(def.Primary))
	}
	s.pk = sql.PrimaryKeySchema{Schema: s.schema, PkOrdinals: ordinals}
	for _, ix := range def.Indexes {
		s.indexes = append(s.indexes, s.index(ix))
	}
	if err := s.pseudo(); err != nil {
		return nil, err
	}
	if n := len(s.indexes); n > 0 {
		first := 0
		if !def.Keyless() {
			first = 1
		}
		slices.SortStableFunc(s.indexes[first:], func(a, b *Index) int {
			return strings.Compare(strings.ToLower(a.def.Name), strings.ToLower(b.def.Name))
		})
	}
	for _, ix := range s.indexes {
		if !ix.def.Invisible && ix.multi < 0 {
			s.sqlIdx = append(s.sqlIdx, ix)
		}
	}
	s.choose()
	clause, err := storedPartitioning(def)
	if err == nil && clause != nil {
		s.parts, err = newPartitioning(def, s.codecs, clause)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range def.Checks {
		s.checks = append(s.checks, sql.CheckDefinition{Name: c.Name, CheckExpression: c.Expr, Enforced: c.Enforced})
	}
	slices.SortStableFunc(s.checks, func(a, b sql.CheckDefinition) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return s, nil
}

// choose sets what LookupForExpressions needs to know.
func (s *shape) choose() {
	s.only = make([]*Index, len(s.schema))
	first := make([]int, len(s.schema))
	for _, ix := range s.indexes {
		s.computed = s.computed || ix.pseudo != nil
		ix.integers = ix.pseudo == nil && !ix.hasPrefix
		for _, c := range ix.columns {
			s.computed = s.computed || s.schema[c].HiddenSystem
			ix.integers = ix.integers && s.codecs[c].Integer() && !s.schema[c].Nullable
		}
		c := ix.columns[0]
		if first[c]++; first[c] == 1 && len(ix.columns) == 1 && ix.pseudo == nil &&
			!ix.def.Invisible && s.codecs[c].Integer() {
			s.only[c] = ix
		} else {
			s.only[c] = nil
		}
	}
}

// column returns the planner's form of a column.
func (s *shape) column(ctx context.Context, c *engine.ColumnDef) (*sql.Column, error) {
	t, err := s.typeOf(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("table %s.%s: column %s: %w", s.def.Database, s.def.Name, c.Name, err)
	}
	sc := &sql.Column{
		Name: c.Name, Type: t, Source: s.def.Name, DatabaseSource: s.def.Database,
		Nullable: c.Nullable, AutoIncrement: c.AutoIncrement, Comment: c.Comment,
		Hidden: c.Options[optHidden] != "", HiddenSystem: c.Options[optSystem] != "",
		Virtual: c.Options[optVirtual] != "", Extra: extra(c),
	}
	if c.HasDefault {
		sc.Default = defaultValue(c, t)
	} else if c.Options[expr.OptNoDefault] != "" {
		sc.Default = &sql.ColumnDefaultValue{Expr: &noDefault{column: c.Name, typ: t, null: true}, OutType: t, ReturnNil: true}
	}
	if c.Generated != "" {
		text := c.Generated
		if !sc.HiddenSystem {
			text = assignedText(text, t)
		} else if c.Options[optArray] != "" {
			text = namedArray(text, s.def, c)
		}
		sc.Generated = sql.NewUnresolvedColumnDefaultValue(text)
	}
	if c.OnUpdate != "" {
		sc.OnUpdate = sql.NewUnresolvedColumnDefaultValue(c.OnUpdate)
	}
	return sc, nil
}

// extra returns what information_schema says of a column besides.
func extra(c *engine.ColumnDef) string {
	switch e := c.Options[optExtra]; {
	case c.Options[optSystem] != "":
		return e
	case e == "" && c.OnUpdate != "":
		if c.HasDefault {
			return "DEFAULT_GENERATED " + onUpdate + c.OnUpdate
		}
		return onUpdate + c.OnUpdate
	case e != "" || c.Generated == "":
		return e
	case c.Options[optVirtual] != "":
		return virtualGenerated
	}
	return storedGenerated
}

const (
	virtualGenerated = "VIRTUAL GENERATED"
	storedGenerated  = "STORED GENERATED"
	onUpdate         = "on update "
)

// typeOf returns a column's type.
func (s *shape) typeOf(ctx context.Context, c *engine.ColumnDef) (sql.Type, error) {
	t, err := parseType(ctx, c.SQLType, c.Options[optCollation])
	if srid := c.Options[optSRID]; err == nil && srid != "" {
		return withSRID(t, srid)
	}
	return t, err
}

// types parsed from their text; types are immutable.
var parsedTypes sync.Map // string -> sql.Type

// parseType returns the type of a text as typeText made it.
func parseType(ctx context.Context, text, collation string) (sql.Type, error) {
	key := collation + "\x00" + text
	if t, ok := parsedTypes.Load(key); ok {
		return t.(sql.Type), nil
	}
	t, err := planbuilder.ParseColumnTypeString(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("parse type %q: %w", text, err)
	}
	if ct, ok := t.(sql.TypeWithCollation); ok && collation != "" {
		id, err := sql.ParseCollation("", collation, false)
		if err != nil {
			return nil, err
		}
		if t, err = ct.WithNewCollation(id); err != nil {
			return nil, err
		}
	}
	parsedTypes.Store(key, t)
	return t, nil
}

// withSRID returns a spatial type with an SRID.
func withSRID(t sql.Type, srid string) (sql.Type, error) {
	st, ok := t.(sql.SpatialColumnType)
	if !ok {
		return nil, fmt.Errorf("type %s has no SRID", t)
	}
	n, err := strconv.ParseUint(srid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("SRID: %w", err)
	}
	return st.SetSRID(uint32(n)), nil
}

// index returns the planner's form of an index with a tree.
func (s *shape) index(def *engine.IndexDef) *Index {
	ix := &Index{shape: s, def: def, extended: make([]int, 0, len(def.Columns)+1), multi: -1}
	for i, c := range def.Columns {
		if c.Multi {
			ix.multi = i
		}
		ix.columns = append(ix.columns, c.Column)
		ix.extended = append(ix.extended, c.Column)
		ix.expressions = append(ix.expressions, s.def.Name+"."+s.schema[c.Column].Name)
		ix.prefix = append(ix.prefix, uint16(c.Prefix))
		ix.hasPrefix = ix.hasPrefix || c.Prefix > 0
		ix.hasDesc = ix.hasDesc || c.Desc
	}
	if def != s.def.Primary && !s.def.Keyless() {
		for _, p := range s.def.Primary.Columns {
			if !containsInt(ix.columns, p.Column) {
				ix.extended = append(ix.extended, p.Column)
			}
		}
	}
	ix.space = newKeySpace(ix)
	return ix
}

func containsInt(list []int, v int) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// pseudo adds the indexes without trees.
func (s *shape) pseudo() error {
	list, err := pseudoIndexes(s.def)
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		def := &engine.IndexDef{Name: p.Name, Kind: p.Kind, Comment: p.Comment}
		for _, name := range p.Columns {
			o := s.def.Column(name)
			if o < 0 {
				return fmt.Errorf("table %s.%s: index %s: %w: column %s",
					s.def.Database, s.def.Name, p.Name, engine.ErrCorrupt, name)
			}
			def.Columns = append(def.Columns, engine.IndexColumn{Column: o})
		}
		ix := s.index(def)
		ix.pseudo = p
		s.indexes = append(s.indexes, ix)
	}
	return nil
}

func pseudoIndexes(def *engine.TableDef) ([]pseudoIndex, error) {
	text := def.Options[optPseudo]
	if text == "" {
		return nil, nil
	}
	var list []pseudoIndex
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("table %s.%s: pseudo indexes: %w", def.Database, def.Name, err)
	}
	return list, nil
}

func setPseudoIndexes(def *engine.TableDef, list []pseudoIndex) error {
	if def.Options == nil {
		def.Options = map[string]string{}
	}
	if len(list) == 0 {
		delete(def.Options, optPseudo)
		return nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	def.Options[optPseudo] = string(b)
	return nil
}

// findIndex returns the index of a name, nil if there is none.
func (s *shape) findIndex(name string) *Index {
	for _, ix := range s.indexes {
		if strings.EqualFold(ix.def.Name, name) {
			return ix
		}
	}
	return nil
}

// decode returns the columns of r (all if cols is nil) as the planner's values in a time zone.
func (s *shape) decode(zone *value.TimeZone, d *row.Desc, r row.Row, cols []int) (sql.Row, error) {
	if cols == nil {
		out := make(sql.Row, len(s.codecs))
		for i, c := range s.codecs {
			if d.IsNull(r, i) {
				continue
			}
			out[i] = c.Get(d, r, i)
			switch v := out[i].(type) {
			case time.Time:
				if c.Store == row.TypeTimestamp {
					out[i] = zone.Clock(v)
				}
			case value.BadValue:
				return nil, v.Err
			}
		}
		return out, nil
	}
	out := make(sql.Row, len(cols))
	for at, i := range cols {
		if d.IsNull(r, i) {
			continue
		}
		out[at] = s.codecs[i].Get(d, r, i)
		switch v := out[at].(type) {
		case time.Time:
			if s.codecs[i].Store == row.TypeTimestamp {
				out[at] = zone.Clock(v)
			}
		case value.BadValue:
			return nil, v.Err
		}
	}
	return out, nil
}

// encode sets b to the row of the planner's values. A hidden row id that they do not have
// is 0: the engine gives one.
func (s *shape) encode(ctx context.Context, b *row.Builder, r sql.Row) error {
	if len(r) != len(s.codecs) {
		return sql.ErrUnexpectedRowLength.New(len(s.codecs), len(r))
	}
	b.Reset(s.def.Desc())
	for i, c := range s.codecs {
		if r[i] == nil {
			continue
		}
		v, err := c.Stored(ctx, r[i])
		if err != nil {
			return err
		}
		b.Set(i, v)
	}
	if s.rowID >= len(r) {
		b.SetUint(s.rowID, 0)
	}
	return nil
}
