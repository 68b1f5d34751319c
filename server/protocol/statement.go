package protocol

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// statement is a prepared statement and what the client said of it.
type statement struct {
	*Statement
	types  []paramType // of the last execute that named them
	long   map[uint16][]byte
	failed error // of COM_STMT_SEND_LONG_DATA, told by the next execute
	cursor *cursor
	held   int // bytes of long and cursor
}

// hold counts what a statement keeps for the client.
func (c *Conn) hold(st *statement, n int) {
	st.held += n
	c.held += n
}

// room is how many bytes more the connection's statements may keep.
func (c *Conn) room() int {
	return max(heldPacketsMax*c.session.MaxPacket(), CursorBytesMax) - c.held
}

// release drops what the client has said of a statement, and its cursor.
func (c *Conn) release(st *statement) {
	c.hold(st, -st.held)
	st.long, st.failed, st.cursor = nil, nil, nil
}

// cursor holds the rows that COM_STMT_FETCH has not fetched yet.
type cursor struct {
	open    bool
	columns []Column
	rows    []byte // each with its length, 4 bytes
	row     []byte // the current one
	max     int    // of rows
}

// add keeps a row, unless there are too many.
func (k *cursor) add(row []byte) bool {
	if len(k.rows)+4+len(row) > k.max {
		return false
	}
	k.rows = append(binary.LittleEndian.AppendUint32(k.rows, uint32(len(row))), row...)
	return true
}

// next goes to the next row.
func (k *cursor) next() bool {
	if len(k.rows) == 0 {
		return false
	}
	n := 4 + binary.LittleEndian.Uint32(k.rows)
	k.row, k.rows = k.rows[4:n], k.rows[n:]
	return true
}

func (c *Conn) closeStatements() {
	for id := range c.statements {
		c.dropStatement(id)
	}
}

func (c *Conn) dropStatement(id uint32) {
	st := c.statements[id]
	if st == nil {
		return
	}
	delete(c.statements, id)
	c.release(st)
	c.server.prepared.Add(-1)
	if st.Close != nil {
		st.Close()
	}
}

func (c *Conn) closeStatement(b []byte) {
	s := scanner{b: b}
	c.dropStatement(s.uint32())
}

// statement returns the statement with the id that b begins with.
func (c *Conn) statement(s *scanner, command string) (*statement, error) {
	id := s.uint32()
	st := c.statements[id]
	switch {
	case s.short:
		return nil, errMalformed
	case st == nil:
		return nil, errUnknownStatement(id, command)
	}
	return st, nil
}

func (c *Conn) prepare(ctx context.Context, text string) error {
	st, err := c.session.Prepare(ctx, text)
	if err != nil {
		return err
	}
	if st.Params > 0xffff {
		err = &Error{mysql.ER_PS_MANY_PARAM, "HY000", "Prepared statement contains too many placeholders"}
	} else {
		err = c.server.count()
	}
	if err != nil {
		if st.Close != nil {
			st.Close()
		}
		return err
	}
	for st.ID == 0 || c.statements[st.ID] != nil {
		c.lastID++
		st.ID = c.lastID
	}
	c.statements[st.ID] = &statement{Statement: st}
	b := binary.LittleEndian.AppendUint32([]byte{mysql.OK_HEADER}, st.ID)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(st.Columns)))
	b = binary.LittleEndian.AppendUint16(b, uint16(st.Params))
	b = binary.LittleEndian.AppendUint16(append(b, 0), c.session.Warnings())
	c.out.packet(b)
	status := c.status(false)
	if st.Params > 0 {
		param := Column{Name: "?", Charset: binaryCharset, Type: mysql.MYSQL_TYPE_VAR_STRING, Flags: mysql.BINARY_FLAG}
		for range st.Params {
			c.writeColumn(&param, false)
		}
		c.writeColumns(nil, status)
	}
	if len(st.Columns) > 0 {
		c.writeColumns(st.Columns, status)
	}
	return nil
}

// binaryCharset is the number of the collation "binary".
const binaryCharset = 63

// longData keeps a piece of a parameter. It is not answered: an error is told by
// the next execute.
func (c *Conn) longData(b []byte) {
	s := scanner{b: b}
	st, err := c.statement(&s, "")
	if err != nil {
		return
	}
	param := s.uint16()
	switch {
	case st.failed != nil:
	case s.short || int(param) >= st.Params:
		st.failed = errWrongArguments("mysqld_stmt_send_long_data")
	case len(st.long[param])+len(s.b) > c.session.MaxPacket(), len(s.b) > c.room():
		st.failed = errLongData
	default:
		if st.long == nil {
			st.long = map[uint16][]byte{}
		}
		st.long[param] = append(st.long[param], s.b...)
		c.hold(st, len(s.b))
	}
}

func (c *Conn) resetStatement(b []byte) error {
	st, err := c.statement(&scanner{b: b}, "mysqld_stmt_reset")
	if err == nil {
		c.release(st)
	}
	return err
}

func (c *Conn) execute(ctx context.Context, b []byte) error {
	s := scanner{b: b}
	st, err := c.statement(&s, "mysqld_stmt_execute")
	if err != nil {
		return err
	}
	params, attributes, flags, err := st.arguments(s, c.caps&mysql.CLIENT_QUERY_ATTRIBUTES != 0)
	if st.failed != nil {
		err = st.failed
	}
	c.release(st)
	if err != nil {
		return err
	}
	w := c.begin(ctx, attributes)
	w.binary = true
	if flags&mysql.CURSOR_TYPE_READ_ONLY != 0 {
		w.cursor = &cursor{max: min(CursorBytesMax, c.room())}
	}
	k := w.cursor
	err = w.close(c.session.Execute(ctx, st.Statement, params, w))
	if err == nil && k != nil && k.open {
		st.cursor = k
		c.hold(st, len(k.rows))
	}
	return err
}

// arguments parses what a COM_STMT_EXECUTE gives behind the statement's id.
func (st *statement) arguments(s scanner, named bool) (params, attributes []Param, flags byte, err error) {
	flags = s.byte()
	s.take(4) // iterations: 1
	n := uint64(st.Params)
	if n > 0 || named && flags&mysql.PARAMETER_COUNT_AVAILABLE != 0 {
		if named {
			n = s.length()
		}
		if n < uint64(st.Params) {
			return nil, nil, 0, errWrongArguments("mysqld_stmt_execute")
		}
		if n > 0 && !s.short {
			p := payload{scanner: s, named: named}
			params, err = p.params(n, &st.types, st.long)
			s = p.scanner
		}
	}
	if err != nil {
		return nil, nil, 0, err
	}
	if s.short {
		return nil, nil, 0, errMalformed
	}
	return params[:st.Params], params[st.Params:], flags, nil
}

func (c *Conn) fetch(b []byte) error {
	s := scanner{b: b}
	st, err := c.statement(&s, "mysqld_stmt_fetch")
	if err != nil {
		return err
	}
	rows := s.uint32()
	k := st.cursor
	switch {
	case s.short:
		return errMalformed
	case k == nil:
		return &Error{codeNoOpenCursor, "HY000", fmt.Sprintf("The statement (%d) has no open cursor.", st.ID)}
	}
	flag := mysql.SERVER_STATUS_CURSOR_EXISTS
	for ; rows > 0; rows-- {
		if !k.next() {
			flag = mysql.SERVER_STATUS_LAST_ROW_SEND
			c.release(st)
			break
		}
		c.out.packet(k.row)
	}
	c.writeEOFStatus(c.status(false) | flag)
	return nil
}

// count counts a statement more of all connections, unless there are too many.
func (s *Server) count() error {
	limit := int64(preparedMax)
	if s.o.PreparedMax != nil {
		limit = s.o.PreparedMax()
	}
	if s.prepared.Add(1) > limit {
		s.prepared.Add(-1)
		return &Error{codeMaxPrepared, "42000", fmt.Sprintf(
			"Can't create more than max_prepared_stmt_count statements (current value: %d)", limit)}
	}
	return nil
}

const codeMaxPrepared = 1461 // ER_MAX_PREPARED_STMT_COUNT_REACHED

const codeNoOpenCursor = 1421 // ER_STMT_HAS_NO_OPEN_CURSOR
