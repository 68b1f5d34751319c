package gms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// partitioning is how the rows of a table are divided.
//
// Invariant: immutable.
type partitioning struct {
	syntax.Partitioning
	columns []int // that decide, in the order of the clause
	key     *row.Key
	widths  []int // of integers in MySQL's rows, 0 of others
	// expr is the partition function of the methods that have one; monotone: see partCompiler.
	expr     partExpr
	monotone bool
	bare     bool // it is a column
	// RANGE: the bound of each partition, the last may be max.
	less []partValue
	max  bool
	// RANGE COLUMNS: the keys below which each partition's rows are; nil: all.
	below [][]byte
	// LIST and LIST COLUMNS: the partition of each value; null: of NULL, -1 if there is none.
	lists  map[partValue]int
	tuples []partTuple
	byKey  map[string]int
	null   int
}

// partTuple is one of the values of LIST COLUMNS: the keys of its columns.
type partTuple struct {
	keys [][]byte
	part int
}

// storedPartitioning returns what a definition keeps of its partitions, nil if it has none.
func storedPartitioning(def *engine.TableDef) (*syntax.Partitioning, error) {
	if def.Partition == "" {
		return nil, nil
	}
	p := &syntax.Partitioning{}
	if err := json.Unmarshal([]byte(def.Partition), p); err != nil {
		return nil, fmt.Errorf("table %s.%s: partitions: %w", def.Database, def.Name, err)
	}
	return p, nil
}

// setPartitions sets the partitions of a definition to those of p. Partitions of kept, by their names in
// lower case, stay as they are.
func setPartitions(def *engine.TableDef, p *syntax.Partitioning, kept map[string]*engine.PartDef) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	def.Partition, def.Parts = string(b), nil
	for _, part := range p.Parts {
		if old := kept[strings.ToLower(part.Name)]; old != nil {
			def.Parts = append(def.Parts, old)
			continue
		}
		def.Parts = append(def.Parts, &engine.PartDef{Name: part.Name})
	}
	return nil
}

func partFieldError(name string) error {
	return mysql.NewSQLError(1659, "HY000", "Field '%s' is of a not allowed type for this type of partitioning", name)
}

// newPartitioning returns how the rows of a table are divided. Returns MySQL's errors
// of a clause that is none for the table.
func newPartitioning(def *engine.TableDef, codecs []*value.Codec, clause *syntax.Partitioning) (*partitioning, error) {
	p := &partitioning{Partitioning: *clause, null: -1}
	switch {
	case p.Method == "KEY" || p.Columns:
		names := p.Names
		if len(names) == 0 {
			names = p.Key
		}
		for _, name := range names {
			at := def.Column(name)
			if at < 0 {
				return nil, mysql.NewSQLError(1488, "HY000", "Field in list of fields for partition function not found in table")
			}
			if slices.Contains(p.columns, at) {
				return nil, mysql.NewSQLError(1652, "HY000", "Duplicate partition field name '%s'", name)
			}
			p.columns = append(p.columns, at)
			if err := p.allowed(&def.Columns[at]); err != nil {
				return nil, err
			}
		}
		if len(p.columns) == 0 {
			p.columns = defaultKey(def)
			if len(p.columns) == 0 {
				return nil, mysql.NewSQLError(1488, "HY000", "Field in list of fields for partition function not found in table")
			}
			for _, at := range p.columns {
				if err := p.allowed(&def.Columns[at]); err != nil {
					return nil, err
				}
			}
		}
	default:
		c := partCompiler{def: def}
		var err error
		if p.expr, err = c.compile(p.Expr); err != nil {
			return nil, err
		}
		p.columns, p.monotone, p.bare = c.columns, c.monotone, c.bare
	}
	parts := make([]row.KeyPart, len(p.columns))
	p.widths = make([]int, len(p.columns))
	for i, at := range p.columns {
		parts[i] = row.KeyPart{Column: at}
		if c := &def.Columns[at]; strings.HasPrefix(strings.ToLower(c.SQLType), "mediumint") {
			p.widths[i] = 3
		} else if integerColumn(c.Type) && c.Type != row.TypeYear && c.Type != row.TypeBit {
			p.widths[i] = c.Type.Width()
		}
	}
	columns := make([]row.Column, len(def.Columns))
	for i := range def.Columns {
		columns[i] = def.Columns[i].Column
	}
	var err error
	if p.key, err = row.NewKey(row.NewDesc(1, columns), parts); err != nil {
		return nil, err
	}
	switch {
	case p.Columns:
		err = p.columnValues(codecs)
	case p.Method == "RANGE" || p.Method == "LIST":
		err = p.values()
	}
	return p, err
}

// defaultKey returns the columns of KEY (): those of the primary key, or of a unique one without NULL.
func defaultKey(def *engine.TableDef) (out []int) {
	ix := def.Primary
	if ix == nil || def.Keyless() {
		at := slices.IndexFunc(def.Indexes, func(x *engine.IndexDef) bool {
			return x.Unique && !slices.ContainsFunc(x.Columns, func(c engine.IndexColumn) bool { return def.Columns[c.Column].Nullable })
		})
		if at < 0 {
			return nil
		}
		ix = def.Indexes[at]
	}
	for _, c := range ix.Columns {
		if c.Prefix == 0 {
			out = append(out, c.Column)
		}
	}
	return out
}

// allowed returns the error of a column that rows cannot be divided by.
func (p *partitioning) allowed(c *engine.ColumnDef) error {
	typ := strings.ToLower(c.SQLType)
	if strings.Contains(typ, "blob") || strings.Contains(typ, "text") || strings.HasPrefix(typ, "json") || strings.HasPrefix(typ, "geom") ||
		strings.HasPrefix(typ, "point") || strings.HasPrefix(typ, "linestring") || strings.HasPrefix(typ, "polygon") || strings.HasPrefix(typ, "multi") {
		return mysql.NewSQLError(1502, "HY000", "A BLOB field is not allowed in partition function")
	}
	if c.Options[optVirtual] != "" {
		return errVirtualPartition
	}
	if !p.Columns {
		return nil
	}
	switch {
	case integerColumn(c.Type), c.Type == row.TypeDate, c.Type == row.TypeDatetime, c.Type == row.TypeTime:
	case strings.HasPrefix(typ, "char"), strings.HasPrefix(typ, "varchar"), strings.HasPrefix(typ, "binary"), strings.HasPrefix(typ, "varbinary"):
	default:
		return partFieldError(c.Name)
	}
	return nil
}

// values sets what RANGE and LIST of an expression divide by.
func (p *partitioning) values() error {
	p.lists = map[partValue]int{}
	for i, part := range p.Parts {
		for _, v := range part.Values {
			switch {
			case len(v) != 1:
				return mysql.NewSQLError(1653, "HY000", "Inconsistency in usage of column lists for partitioning")
			case part.Less && v[0] == syntax.MaxValue:
				if i < len(p.Parts)-1 {
					return mysql.NewSQLError(1481, "HY000", "MAXVALUE can only be used in last partition definition")
				}
				p.max = true
				continue
			case strings.EqualFold(v[0], "NULL"):
				if part.Less {
					return mysql.NewSQLError(1566, "HY000", "Not allowed to use NULL value in VALUES LESS THAN")
				}
				if p.null >= 0 {
					return errTwiceInList
				}
				p.null = i
				continue
			}
			n, ok := partInteger(v[0])
			if !ok {
				return mysql.NewSQLError(1697, "HY000", "VALUES value for partition '%s' must have type INT", part.Name)
			}
			if part.Less {
				if i > 0 && !p.less[i-1].less(n) {
					return errNotIncreasing
				}
				p.less = append(p.less, n)
				continue
			}
			n.unsigned = n.unsigned && n.n < 0
			if _, twice := p.lists[n]; twice {
				return errTwiceInList
			}
			p.lists[n] = i
		}
	}
	return nil
}

var (
	errTwiceInList      = mysql.NewSQLError(1495, "HY000", "Multiple definition of same constant in list partitioning")
	errNotIncreasing    = mysql.NewSQLError(1493, "HY000", "VALUES LESS THAN value must be strictly increasing for each partition")
	errPartColumnValue  = mysql.NewSQLError(1654, "HY000", "Partition column values of incorrect type")
	errNoPartOfColumns  = mysql.NewSQLError(1526, "HY000", "Table has no partition for value from column_list")
	errVirtualPartition = mysql.NewSQLError(1235, "42000", "This version of Sextant doesn't yet support 'partitioning by a VIRTUAL column'")
)

// columnValues sets what RANGE COLUMNS and LIST COLUMNS divide by.
func (p *partitioning) columnValues(codecs []*value.Codec) error {
	p.byKey = map[string]int{}
	for i, part := range p.Parts {
		for _, v := range part.Values {
			if len(v) != len(p.columns) {
				return mysql.NewSQLError(1653, "HY000", "Inconsistency in usage of column lists for partitioning")
			}
			tuple := partTuple{part: i}
			var key []byte
			open := false // there was MAXVALUE
			for c, text := range v {
				if text == syntax.MaxValue {
					open = true
				}
				if open {
					continue
				}
				d, err := partDatum(codecs[p.columns[c]], text)
				if err != nil {
					return err
				}
				if d.Null() && part.Less {
					return mysql.NewSQLError(1566, "HY000", "Not allowed to use NULL value in VALUES LESS THAN")
				}
				one := p.key.Append(nil, c, d)
				key, tuple.keys = append(key, one...), append(tuple.keys, one)
			}
			if part.In {
				if _, twice := p.byKey[string(key)]; twice {
					return errTwiceInList
				}
				p.byKey[string(key)] = i
				p.tuples = append(p.tuples, tuple)
				continue
			}
			if open {
				if key = row.PrefixEnd(key); len(key) == 0 {
					key = nil
				}
			}
			if i > 0 && (p.below[i-1] == nil || key != nil && bytes.Compare(p.below[i-1], key) >= 0) {
				return errNotIncreasing
			}
			p.below = append(p.below, key)
		}
	}
	return nil
}

// partDatum returns the value of a text of VALUES in a column.
func partDatum(codec *value.Codec, text string) (row.Datum, error) {
	if strings.EqualFold(text, "NULL") {
		return row.Datum{}, nil
	}
	var v any
	if quoted := text[0] == '\'' || text[0] == '"'; quoted {
		if integerColumn(codec.Store) {
			return row.Datum{}, errPartColumnValue
		}
		v = syntax.Unescaped(text, false)
	} else {
		n, ok := partInteger(text)
		if !ok || !integerColumn(codec.Store) {
			return row.Datum{}, errPartColumnValue
		}
		if v = n.n; n.unsigned {
			v = uint64(n.n)
		}
	}
	u, in, err := codec.Typ.Convert(contextWithoutDeadline(), v)
	if err != nil || in != sql.InRange {
		return row.Datum{}, errPartColumnValue
	}
	d, err := codec.Stored(contextWithoutDeadline(), u)
	if err != nil {
		return row.Datum{}, errPartColumnValue
	}
	return d, nil
}

// of returns the partition of a stored row, of the newest schema version. Returns 1526 if it has none.
func (p *partitioning) of(d *row.Desc, r row.Row) (int, error) {
	if p.expr != nil {
		return p.ofValue(func(at int) row.Datum { return d.Datum(r, at) })
	}
	key, _, err := p.key.AppendRow(nil, d, r)
	if err != nil {
		return 0, err
	}
	return p.ofKey(key)
}

// ofValue returns the partition of the values of columns, of a method with an expression.
func (p *partitioning) ofValue(column func(int) row.Datum) (int, error) {
	v, err := p.expr(column)
	if err != nil {
		return 0, err
	}
	switch p.Method {
	case "HASH":
		return p.hashed(v), nil
	case "LIST":
		at := p.null
		if !v.null {
			v.unsigned = v.unsigned && v.n < 0
			var ok bool
			if at, ok = p.lists[v]; !ok {
				at = -1
			}
		}
		if at < 0 {
			return 0, errNoPartition(v)
		}
		return at, nil
	}
	at := p.ranged(v)
	if at == len(p.Parts) {
		return 0, errNoPartition(v)
	}
	return at, nil
}

func errNoPartition(v partValue) error {
	text := "NULL"
	if !v.null {
		text = v.big().String()
	}
	return mysql.NewSQLError(1526, "HY000", "Table has no partition for value %s", text)
}

// ranged returns the partition of a value of RANGE, the number of partitions if it is above them all.
func (p *partitioning) ranged(v partValue) int {
	if v.null {
		return 0
	}
	at, _ := slices.BinarySearchFunc(p.less, v, func(bound, v partValue) int {
		if v.less(bound) {
			return 1
		}
		return -1
	})
	return at
}

// hashed returns the partition of a value of HASH.
func (p *partitioning) hashed(v partValue) int {
	n := int64(len(p.Parts))
	if v.null {
		v.n = 0
	}
	switch {
	case p.Linear:
		return linear(uint64(v.n), uint64(n))
	case v.unsigned:
		return int(uint64(v.n) % uint64(n))
	case v.n%n < 0:
		return int(-(v.n % n))
	}
	return int(v.n % n)
}

// linear returns the partition of n by a value of LINEAR HASH and LINEAR KEY.
func linear(v, n uint64) int {
	mask := uint64(1)
	for mask < n {
		mask <<= 1
	}
	at := v & (mask - 1)
	if at >= n {
		at = v & (mask>>1 - 1)
	}
	return int(at)
}

// ofKey returns the partition of the key of the columns, of a method without an expression.
func (p *partitioning) ofKey(key []byte) (int, error) {
	switch p.Method {
	case "KEY":
		return p.keyed(key)
	case "LIST":
		if at, ok := p.byKey[string(key)]; ok {
			return at, nil
		}
		return 0, errNoPartOfColumns
	}
	if at := p.rangedKey(key); at < len(p.Parts) {
		return at, nil
	}
	return 0, errNoPartOfColumns
}

// rangedKey returns the partition of a key of RANGE COLUMNS, the number of partitions if it is above them all.
func (p *partitioning) rangedKey(key []byte) int {
	at, _ := slices.BinarySearchFunc(p.below, key, func(bound, key []byte) int {
		if bound == nil || bytes.Compare(key, bound) < 0 {
			return 1
		}
		return -1
	})
	return at
}

// keyed returns the partition of a key of KEY. Integers are where MySQL has them; others are hashed by their keys.
func (p *partitioning) keyed(key []byte) (int, error) {
	a, b := uint64(1), uint64(4)
	for i := range p.columns {
		n, err := p.key.Skip(key, i)
		if err != nil {
			return 0, err
		}
		part := key[:n]
		if p.key.Nullable(i) { // whether it may be NULL does not matter to a value
			part = part[1:]
			if key[0] == 0 {
				part = nil
			}
		}
		width := p.widths[i]
		if width > 0 {
			d, _, err := p.key.Decode(key, i)
			if err != nil {
				return 0, err
			}
			part = nil
			if !d.Null() {
				for w := range width {
					part = append(part, byte(d.N>>(8*w)))
				}
				if p.Algorithm != 1 {
					part = asLatin1(part)
				}
			}
		}
		if part == nil {
			a ^= a<<1 | 1
		}
		for _, c := range part {
			a ^= ((a&63)+b)*uint64(c) + a<<8
			b += 3
		}
		key = key[n:]
	}
	if p.Linear {
		return linear(uint64(uint32(a)), uint64(len(p.Parts))), nil
	}
	return int(uint64(uint32(a)) % uint64(len(p.Parts))), nil
}

// asLatin1 returns the bytes of a number as what they weigh in latin1_swedish_ci, which is what MySQL hashes numbers by.
func asLatin1(number []byte) []byte {
	out := bytes.TrimRight(number, " ")
	for i, c := range out {
		switch {
		case c >= 'a' && c <= 'z':
			out[i] = c - 'a' + 'A'
		case c >= 0xc0:
			out[i] = latin1Weights[c-0xc0]
		}
	}
	return out
}

// latin1Weights are the weights of the bytes from 0xC0 on.
const latin1Weights = "AAAA\\[\\CEEEEIIIIDNOOOO]\xd7\xd8UUUYY\xde\xdfAAAA\\[\\CEEEEIIIIDNOOOO]\xf7\xd8UUUYY\xde\xff"

// named returns the ordinals of partitions by their names, ascending. Returns 1735 for an unknown one.
func (p *partitioning) named(table string, names []string) ([]int, error) {
	var out []int
	for _, name := range names {
		at := slices.IndexFunc(p.Parts, func(x syntax.PartDef) bool { return syntax.SameName(x.Name, name) })
		if at < 0 {
			return nil, mysql.NewSQLError(1735, "HY000", "Unknown partition '%s' in table '%s'", name, table)
		}
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out, nil
}

// checkClause checks a clause by itself and completes it: partitions that only have a number get names.
func checkClause(p *syntax.Partitioning) error {
	ranged := p.Method == "RANGE" || p.Method == "LIST"
	if ranged && len(p.Parts) == 0 {
		return mysql.NewSQLError(1492, "HY000", "For %s partitions each partition must be defined", p.Method)
	}
	if len(p.Parts) > 0 && p.Count > 0 && uint64(len(p.Parts)) != p.Count {
		return mysql.NewSQLError(1484, "HY000", "Wrong number of partitions defined, mismatch with previous setting")
	}
	if max(p.Count, uint64(len(p.Parts))) > partitionsMax {
		return mysql.NewSQLError(1499, "HY000", "Too many partitions (including subpartitions) were defined")
	}
	if len(p.Parts) == 0 {
		p.Default = true
		for i := range max(p.Count, 1) {
			p.Parts = append(p.Parts, syntax.PartDef{Name: "p" + strconv.FormatUint(i, 10)})
		}
	}
	if len(p.Names) > 16 {
		return mysql.NewSQLError(1655, "HY000", "Too many fields in '%s'", "list of partition fields")
	}
	return checkParts(p)
}

// partitionsMax is how many partitions a table may have.
const partitionsMax = 8192

// checkParts checks the definitions of partitions by themselves.
func checkParts(p *syntax.Partitioning) error {
	seen := map[string]bool{}
	for _, part := range p.Parts {
		name := strings.ToLower(part.Name)
		switch {
		case part.Less && p.Method != "RANGE":
			return mysql.NewSQLError(1480, "HY000", "Only RANGE PARTITIONING can use VALUES LESS THAN in partition definition")
		case part.In && p.Method != "LIST":
			return mysql.NewSQLError(1480, "HY000", "Only LIST PARTITIONING can use VALUES IN in partition definition")
		case p.Method == "RANGE" && !part.Less:
			return mysql.NewSQLError(1479, "HY000", "Syntax error: RANGE PARTITIONING requires definition of VALUES LESS THAN for each partition")
		case p.Method == "LIST" && !part.In:
			return mysql.NewSQLError(1479, "HY000", "Syntax error: LIST PARTITIONING requires definition of VALUES IN for each partition")
		case name == "" || strings.HasSuffix(name, " "):
			return mysql.NewSQLError(1567, "HY000", "Incorrect partition name")
		case len([]rune(name)) > 64:
			return mysql.NewSQLError(1059, "42000", "Identifier name '%s' is too long", part.Name)
		case seen[name]:
			return mysql.NewSQLError(1517, "HY000", "Duplicate partition name %s", part.Name)
		}
		seen[name] = true
	}
	return nil
}

// checkPartitioned returns the error of a table that cannot be partitioned as it is: a unique key without the columns
// of the function, a foreign key, an index that MySQL does not have in partitions.
func checkPartitioned(def *engine.TableDef, p *partitioning) error {
	if len(def.ForeignKeys) > 0 {
		return errPartForeignKey
	}
	if pseudo, err := pseudoIndexes(def); err != nil || len(pseudo) > 0 {
		if err == nil {
			err = mysql.NewSQLError(1214, "HY000", "The used table type doesn't support FULLTEXT indexes")
			if pseudo[0].Kind == engine.IndexSpatial {
				err = mysql.NewSQLError(1178, "42000", "The storage engine for the table doesn't support SPATIAL indexes")
			}
		}
		return err
	}
	if def.Primary != nil && !def.Keyless() {
		if err := p.keyHolds(def.Primary, "PRIMARY KEY"); err != nil {
			return err
		}
	}
	for _, ix := range def.Indexes {
		if err := p.keyHolds(ix, "UNIQUE INDEX"); err != nil {
			return err
		}
	}
	return nil
}

var errPartForeignKey = mysql.NewSQLError(1506, "HY000", "Foreign keys are not yet supported in conjunction with partitioning")

// keyHolds returns 1503 for a unique key that lacks a column of the function: it could not be seen in one partition
// whether another has the row.
func (p *partitioning) keyHolds(ix *engine.IndexDef, kind string) error {
	if !ix.Unique {
		return nil
	}
	for _, at := range p.columns {
		if !slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool { return c.Column == at && c.Prefix == 0 }) {
			return mysql.NewSQLError(1503, "HY000", "A %s must include all columns in the table's partitioning function", kind)
		}
	}
	return nil
}
