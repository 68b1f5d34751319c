package gms

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
)

// intoFile builds SELECT … INTO OUTFILE or DUMPFILE: the rows go to the file as they come.
func (b *builder) intoFile(ctx *sql.Context, s *Session, n *plan.Into, r sql.Row) (sql.RowIter, error) {
	if err := s.mayUseFiles(ctx); err != nil {
		return nil, err
	}
	schema := n.Child.Schema(ctx)
	name, x := exchangeOf(n)
	if n.Dumpfile != "" {
		name = n.Dumpfile
	}
	if x.lines == "" {
		x.lines = x.terminated
	}
	fixed := x.fixed() && !slices.ContainsFunc(schema, func(c *sql.Column) bool { return fieldWidth(c.Type) == 0 })
	rows, err := b.base.Build(ctx, n.Child, r)
	if err != nil {
		return nil, err
	}
	f, err := s.b.createFile(name)
	if err != nil {
		return nil, errors.Join(err, ignore(rows.Close(ctx)))
	}
	w := &fileWriter{Writer: bufio.NewWriter(f), x: x, schema: schema, fixed: fixed, dump: n.Dumpfile != ""}
	count, err := w.rows(ctx, rows)
	if err = errors.Join(err, rows.Close(ctx)); err != nil {
		f.remove()
		return nil, err
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return nil, osError(3, "Error writing file '%s' (OS errno %d - %s)", name, err)
	}
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(count))), nil
}

// fileWriter writes rows to a file.
type fileWriter struct {
	*bufio.Writer
	x      exchange
	schema sql.Schema
	fixed  bool // fields have fixed widths
	dump   bool // a DUMPFILE: one row, nothing but its values
}

func (w *fileWriter) rows(ctx *sql.Context, rows sql.RowIter) (count int, err error) {
	cells := make([][]byte, len(w.schema))
	times, formats := timeDigits(ctx, nil, w.schema), columnFormats(ctx, nil, w.schema)
	var arena []byte
	for ; ; count++ {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return count, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && w.dump && count == 1 {
			err = mysql.NewSQLError(1172, "42000", "Result consisted of more than one row")
		}
		if err != nil {
			return count, err
		}
		if arena, err = encode(ctx, w.schema, row, cells, arena[:0]); err != nil {
			return count, err
		}
		cutTimes(cells, times)
		expr.ShowFormats(row, cells, formats)
		if w.dump {
			w.dumped(cells)
		} else if err = w.line(cells); err != nil {
			return count, err
		}
		if _, err := w.Write(nil); err != nil { // bufio keeps the first failure
			return count, err
		}
	}
}

func (w *fileWriter) dumped(cells [][]byte) {
	for _, c := range cells {
		if c == nil {
			_ = w.WriteByte(0)
		}
		_, _ = w.Write(c)
	}
}

func (w *fileWriter) line(cells [][]byte) error {
	x := &w.x
	_, _ = w.WriteString(x.starting)
	for i, c := range cells {
		t := w.schema[i].Type
		if i > 0 {
			_, _ = w.WriteString(x.terminated)
		}
		text := types.IsText(t) || types.IsEnum(t) || types.IsSet(t) || types.IsTime(t) || types.IsTimespan(t) || types.IsJSON(t)
		switch {
		case w.fixed:
			_, _ = w.Write(c)
			_, _ = w.WriteString(strings.Repeat(" ", max(0, fieldWidth(t)-len(c))))
			continue
		case c == nil && x.escaped == "":
			_, _ = w.WriteString("NULL")
			continue
		case c == nil:
			_, _ = w.WriteString(x.escaped + "N")
			continue
		}
		if x.charset != "" && x.charset != "binary" && !types.IsBinaryType(t) {
			cs, err := sql.ParseCharacterSet(x.charset)
			if err != nil {
				return err
			}
			c = cs.Encoder().EncodeReplaceUnknown(c)
		}
		enclosed := x.enclosed
		if x.optionally && !text {
			enclosed = ""
		}
		_, _ = w.WriteString(enclosed)
		if text && x.escaped != "" {
			w.escape(c, enclosed)
		} else {
			_, _ = w.Write(c)
		}
		_, _ = w.WriteString(enclosed)
	}
	_, _ = w.WriteString(x.lines)
	return nil
}

// escape writes a text with the escape character before what a reader would take for
// something else.
func (w *fileWriter) escape(c []byte, enclosed string) {
	x := &w.x
	special := x.escaped
	if enclosed != "" {
		special += enclosed
	} else if x.terminated != "" {
		special += x.terminated[:1]
	}
	if x.lines != "" {
		special += x.lines[:1]
	}
	for _, b := range c {
		switch {
		case b == 0:
			_, _ = w.WriteString(x.escaped + "0")
			continue
		case strings.IndexByte(special, b) >= 0:
			_, _ = w.WriteString(x.escaped)
		}
		_ = w.WriteByte(b)
	}
}
