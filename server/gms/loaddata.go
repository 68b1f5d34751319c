package gms

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// localFiles returns the error of a LOAD DATA LOCAL that is off, which comes before those of its table and privileges.
func localFiles(stmt ast.Statement) error {
	if l, ok := stmt.(*ast.Load); !ok || !bool(l.Local) {
		return nil
	}
	if _, on, _ := sql.SystemVariables.GetGlobal("local_infile"); on != int8(1) {
		return mysql.NewSQLError(3948, "42000", "Loading local data is disabled; this must be enabled on both the client and server sides")
	}
	return nil
}

// loadData builds the rows of a LOAD DATA.
func (b *builder) loadData(ctx *sql.Context, s *Session, n *plan.LoadData) (sql.RowIter, error) {
	x, ok := carriedExchange(n.Charset)
	if !ok {
		return nil, errUnsupported
	}
	it := &loadIter{n: n, x: x, a: value.Assigner{Ignore: n.IsIgnore}}
	if err := it.columns(); err != nil {
		return nil, err
	}
	if err := it.encoding(ctx); err != nil {
		return nil, err
	}
	var err error
	if n.Local {
		it.file, err = ctx.LoadInfile(n.File)
	} else if err = s.mayUseFiles(ctx); err == nil {
		it.file, err = s.b.openFile(n.File)
	}
	if err != nil {
		return nil, err
	}
	it.in = newLineReader(it.file, &it.x, expr.PacketMax(ctx))
	return it, nil
}

// loadIter returns the rows of a LOAD DATA's file: the values of the columns that the
// statement names.
type loadIter struct {
	n       *plan.LoadData
	x       exchange
	file    io.ReadCloser
	in      *lineReader
	a       value.Assigner
	decode  func([]byte) ([]byte, bool)
	charset string
	ignored int64 // lines of IGNORE n LINES that have been read

	fields []loadField
	out    []int // the row's values, as places in the table
	listed []bool
	values sql.Row // of the table
}

// loadField is where a field of the file goes.
type loadField struct {
	column   int    // -1: a variable
	variable string // in lower case
	width    int    // where fields have fixed widths
}

// columns finds where the fields go, and what a row is.
func (i *loadIter) columns() error {
	schema := i.n.DestSch
	place := func(name string) int {
		for at, c := range schema {
			if strings.EqualFold(c.Name, name) {
				return at
			}
		}
		return -1
	}
	i.listed, i.values = make([]bool, len(schema)), make(sql.Row, len(schema))
	add := func(column int) error {
		f := loadField{column: column, width: fieldWidth(schema[column].Type)}
		if i.x.fixed() && f.width == 0 {
			if f.width = math.MaxInt32; i.x.lines == "" {
				return mysql.NewSQLError(1084, "42000", "You can't use fixed rowlength with BLOBs; please use 'fields terminated by'")
			}
		}
		i.listed[column] = true
		i.fields = append(i.fields, f)
		return nil
	}
	for _, name := range i.x.columns {
		at := place(name)
		if variable, ok := strings.CutPrefix(name, "@"); ok && at < 0 {
			if i.x.fixed() {
				return mysql.NewSQLError(1409, "HY000", "Can't load value from file with fixed size rows to variable")
			}
			i.fields = append(i.fields, loadField{column: -1, variable: strings.ToLower(strings.Trim(variable, "`'\""))})
			continue
		}
		if at < 0 {
			return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'field list'", name)
		}
		if err := add(at); err != nil {
			return err
		}
	}
	for at, c := range schema {
		if len(i.n.ColNames) > 0 {
			break
		}
		if c.Generated != nil {
			return mysql.NewSQLError(3105, "HY000", "The value specified for generated column '%s' in table '%s' is not allowed.", c.Name, c.Source)
		}
		if len(i.x.columns) == 0 {
			if err := add(at); err != nil {
				return err
			}
		}
		i.out = append(i.out, at)
	}
	for _, name := range i.n.ColNames {
		i.out = append(i.out, place(name))
	}
	return nil
}

// encoding finds what makes UTF-8 of the file's text.
func (i *loadIter) encoding(ctx *sql.Context) error {
	i.charset = i.x.charset
	if i.charset == "" {
		v, err := ctx.GetSessionVariable(ctx, "character_set_database")
		if err != nil {
			return err
		}
		i.charset, _ = v.(string)
	}
	switch i.charset {
	case "utf8mb4", "utf8mb3", "utf8", "binary", "":
		return nil
	}
	cs, err := sql.ParseCharacterSet(i.charset)
	if err != nil {
		return err
	}
	if cs.Encoder() == nil {
		return mysql.NewSQLError(1115, "42000", "Unknown character set: '%s'", i.charset)
	}
	i.decode = cs.Encoder().Decode
	return nil
}

// Next implements sql.RowIter.
func (i *loadIter) Next(ctx *sql.Context) (sql.Row, error) {
	for ; i.ignored < i.n.IgnoreNum; i.ignored++ {
		if err := i.in.skipLine(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := i.in.begin(); err != nil {
		return nil, err
	}
	i.a.Row++
	if err := i.read(ctx); err != nil {
		return nil, err
	}
	if err := i.set(ctx); err != nil {
		return nil, err
	}
	row := make(sql.Row, len(i.n.DestSch))
	for at, column := range i.out {
		row[at] = i.values[column]
	}
	return row, nil
}

// read reads a line into the variables and the values of the columns.
func (i *loadIter) read(ctx *sql.Context) error {
	for at, c := range i.n.DestSch {
		if !i.listed[at] && c.Generated == nil {
			v, err := i.missing(ctx, at)
			if err != nil {
				return err
			}
			i.values[at] = v
		}
	}
	for k, f := range i.fields {
		var v any
		there := k == 0 || !i.in.ended
		if there {
			text, null, err := i.in.field(f.width)
			if err == io.EOF && k > 0 && i.x.fixed() {
				there, err = false, nil
			}
			if err != nil {
				return err
			}
			if !null && there {
				if v, err = i.text(text, f); err != nil {
					return err
				}
			}
		}
		if f.column < 0 {
			if err := ctx.SetUserVariable(ctx, f.variable, v, types.LongText); err != nil {
				return err
			}
			continue
		}
		c := i.n.DestSch[f.column]
		switch {
		case !there:
			if err := i.told(ctx, 1261, "01000", fmt.Sprintf("Row %d doesn't contain data for all columns", i.a.Row)); err != nil {
				return err
			}
			v = i.short(c)
		case v == nil && !c.Nullable && !c.AutoIncrement && (len(i.n.SetExprs) == 0 || i.n.SetExprs[f.column] == nil):
			if err := i.told(ctx, 1263, "22004",
				fmt.Sprintf("Column set to default value; NULL supplied to NOT NULL column '%s' at row %d", c.Name, i.a.Row)); err != nil {
				return err
			}
			v = c.Type.Zero()
		}
		i.values[f.column] = v
	}
	more, err := i.in.end()
	if err == nil && more {
		err = i.told(ctx, 1262, "01000", fmt.Sprintf("Row %d was truncated; it contained more data than there were input columns", i.a.Row))
	}
	return err
}

// told warns, or is the error of strict mode.
func (i *loadIter) told(ctx *sql.Context, number int, state, message string) error {
	if !i.a.Lenient(ctx) {
		return mysql.NewSQLError(number, state, "%s", message)
	}
	value.Warn(ctx, number, message)
	return nil
}

// text is a field's value.
func (i *loadIter) text(b []byte, f loadField) (any, error) {
	if f.column >= 0 {
		if t := i.n.DestSch[f.column].Type; types.IsBinaryType(t) && !types.IsJSON(t) {
			return append([]byte{}, b...), nil
		}
	}
	if i.decode != nil {
		decoded, ok := i.decode(b)
		if !ok {
			return nil, mysql.NewSQLError(1300, "HY000", "Invalid %s character string: '%s'", i.charset, value.EscapedBytes(string(b), value.EscapedMost))
		}
		b = decoded
	}
	return string(b), nil
}

// short is the value of a column whose field the line lacks: as in MySQL the type's zero,
// whatever the default is; NULL stays where it is the default.
func (i *loadIter) short(c *sql.Column) any {
	if c.AutoIncrement || c.Nullable && c.Default == nil && !i.x.fixed() {
		return nil
	}
	return c.Type.Zero()
}

// missing is the value of a column that the statement does not name.
func (i *loadIter) missing(ctx *sql.Context, column int) (any, error) {
	c := i.n.DestSch[column]
	switch {
	case c.AutoIncrement:
		return nil, nil
	case c.Default != nil:
		return c.Default.Eval(ctx, i.values)
	case c.Nullable:
		return nil, nil
	}
	return c.Type.Zero(), nil
}

// set evaluates SET.
func (i *loadIter) set(ctx *sql.Context) error {
	if len(i.n.SetExprs) == 0 {
		return nil
	}
	given := i.values.Copy()
	for at, v := range given { // what is read of a column has its type
		if s, ok := v.(string); ok {
			if u, _, err := i.n.DestSch[at].Type.Convert(ctx, s); err == nil {
				given[at] = u
			}
		}
	}
	for at, e := range i.n.SetExprs {
		if e == nil {
			continue
		}
		v, err := e.Eval(ctx, given)
		if err != nil {
			return err
		}
		i.values[at] = v
	}
	return nil
}

// Close implements sql.RowIter.
func (i *loadIter) Close(*sql.Context) error { return i.file.Close() }

// fieldWidth is the width of a column's values where fields have fixed widths, 0 for BLOB and TEXT.
func fieldWidth(t sql.Type) int {
	switch k := t.Type(); k {
	case sqltypes.Int8, sqltypes.Uint8:
		return 4
	case sqltypes.Int16, sqltypes.Uint16:
		return 6
	case sqltypes.Int24, sqltypes.Uint24:
		return 8
	case sqltypes.Int32, sqltypes.Uint32:
		return 11
	case sqltypes.Int64, sqltypes.Uint64:
		return 20
	case sqltypes.Float32:
		return 12
	case sqltypes.Float64:
		return 22
	case sqltypes.Date, sqltypes.Time:
		return 10
	case sqltypes.Datetime, sqltypes.Timestamp:
		return 19
	case sqltypes.Year:
		return 4
	case sqltypes.Decimal:
		if d, ok := t.(sql.DecimalType); ok {
			return int(d.Precision()) + 2
		}
	case sqltypes.Text, sqltypes.Blob, sqltypes.TypeJSON, sqltypes.Geometry:
		return 0
	}
	if s, ok := t.(sql.StringType); ok {
		return int(s.MaxByteLength())
	}
	return int(t.MaxTextResponseByteLength(nil))
}
