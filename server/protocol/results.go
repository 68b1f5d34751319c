package protocol

import (
	"context"
	"io"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Results writes the results of one command: for each, either Columns, any number
// of Rows, and End; or OK. Not used after the command.
type Results struct {
	c          *Conn
	ctx        context.Context
	attributes []Param

	columns int    // of the open result, 0: none is open
	types   []byte // of the columns, and whether they are unsigned, if binary
	binary  bool   // the answer to COM_STMT_EXECUTE
	row     []byte // binary, to be used again
	cursor  *cursor
	more    bool // the next result is not the last
	owes    bool // the client waits for a result
	any     bool // a result was written
	file    *localFile
	outs    bool // the next result has parameters
	failed  error
}

// Attributes returns the query attributes (CLIENT_QUERY_ATTRIBUTES); they are
// valid until the command ends.
func (w *Results) Attributes() []Param { return w.attributes }

// More says whether another result follows the next one.
func (w *Results) More(more bool) { w.more = more }

// Prepared reports whether the command executes a prepared statement.
func (w *Results) Prepared() bool { return w.binary }

// OutParams says that the next result is a row of the OUT and INOUT parameters of a
// prepared CALL.
func (w *Results) OutParams() { w.outs = true }

// Sent reports whether any byte has left for the client.
func (w *Results) Sent() bool { return w.c.out.sent }

// Flush sends what was written.
func (w *Results) Flush() error {
	w.c.out.flush()
	return w.err()
}

// err returns why nothing more can be written.
func (w *Results) err() error {
	switch o := &w.c.out; {
	case o.broken != nil:
		return o.broken
	case o.unsettled != nil:
		return o.unsettled
	}
	return w.failed
}

// fail breaks the connection: its bytes make no sense any more.
func (w *Results) fail(err error) {
	if w.c.out.broken == nil {
		w.c.out.broken = err
	}
}

// Columns begins a result with rows.
func (w *Results) Columns(columns []Column) error {
	if w.columns > 0 || len(columns) == 0 || w.file != nil {
		return errState
	}
	w.columns, w.any = len(columns), true
	if w.binary {
		w.types = w.types[:0]
		for _, c := range columns {
			w.types = append(w.types, c.Type, byte(c.Flags&mysql.UNSIGNED_FLAG))
		}
	}
	if w.cursor != nil {
		w.cursor.columns = columns
		return w.err()
	}
	w.begin(columns)
	return w.err()
}

func (w *Results) begin(columns []Column) {
	w.c.writeCount(len(columns))
	w.c.writeColumns(columns, w.status(false))
}

// status is what is said of a result with rows.
func (w *Results) status(more bool) uint16 {
	s := w.c.status(more)
	if w.outs {
		s |= mysql.SERVER_PS_OUT_PARAMS
	}
	return s
}

// Row writes a row, its cells in text form, nil for NULL. They are not used after
// the call.
func (w *Results) Row(cells [][]byte) error {
	if len(cells) != w.columns || w.columns == 0 {
		return errState
	}
	if w.binary {
		return w.binaryRow(cells)
	}
	n := 0
	for _, cell := range cells {
		if cell == nil {
			n++
		} else {
			n += lengthBytes(len(cell))
		}
	}
	o := &w.c.out
	o.begin(n)
	for _, cell := range cells {
		if cell == nil {
			o.writeByte(0xfb)
			continue
		}
		o.writeLength(uint64(len(cell)))
		o.write(cell)
	}
	return w.err()
}

func (w *Results) binaryRow(cells [][]byte) error {
	var err error
	if w.row, err = appendBinaryRow(w.row[:0], cells, w.types); err != nil {
		return err
	}
	if w.cursor != nil {
		if w.cursor.add(w.row) {
			return nil
		}
		w.uncursor()
	}
	w.c.out.packet(w.row)
	if cap(w.row) > keepBytes {
		w.row = nil
	}
	return w.err()
}

// uncursor sends what the cursor holds as an ordinary result.
func (w *Results) uncursor() {
	k := w.cursor
	w.cursor = nil
	w.begin(k.columns)
	for k.next() {
		w.c.out.packet(k.row)
	}
}

// End ends a result with rows.
func (w *Results) End() error {
	if w.columns == 0 {
		return errState
	}
	w.columns = 0
	if w.cursor != nil && w.more {
		w.uncursor() // a cursor is for a single result
	}
	if k := w.cursor; k != nil {
		k.open = true
		w.cursor = nil
		status := w.c.status(false) | mysql.SERVER_STATUS_CURSOR_EXISTS
		w.c.writeCount(len(k.columns))
		w.c.writeColumns(k.columns, status)
		if w.c.caps&mysql.CLIENT_DEPRECATE_EOF != 0 {
			w.c.writeEOFStatus(status)
		}
	} else {
		w.c.writeEOFStatus(w.status(w.more))
	}
	w.outs = false
	w.ended()
	return w.err()
}

// OK writes a result without rows.
func (w *Results) OK(affected, insertID uint64, info string) error {
	if w.columns > 0 || w.file != nil {
		return errState
	}
	w.any = true
	w.c.writeOK(mysql.OK_HEADER, affected, insertID, info, w.more)
	w.ended()
	return w.err()
}

func (w *Results) ended() { w.owes, w.more, w.c.out.whole = w.more, false, true }

// LoadLocal asks the client for the file of a LOAD DATA LOCAL INFILE. The file
// must be read or closed before the result is written.
func (w *Results) LoadLocal(_ context.Context, name string) (io.ReadCloser, error) {
	if w.c.caps&mysql.CLIENT_LOCAL_FILES == 0 {
		return nil, errLocalFiles
	}
	if w.columns > 0 || w.file != nil {
		return nil, errState
	}
	w.c.out.packet(append([]byte{mysql.LocalInFile_HEADER}, name...))
	if err := w.Flush(); err != nil {
		return nil, err
	}
	w.file = &localFile{r: w}
	return w.file, nil
}

// close ends what the session left open when it returned err.
func (w *Results) close(err error) error {
	if w.file != nil {
		_ = w.file.Close() // a failure breaks the connection
	}
	if err != nil || w.err() != nil {
		return err
	}
	if w.columns > 0 {
		err = w.End()
	}
	if err == nil && (w.owes || !w.any) {
		err = w.OK(0, 0, "")
	}
	return err
}
