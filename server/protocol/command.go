package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// command runs the command b. It returns an error if the connection must end: an
// *Error if the client shall know why.
func (c *Conn) command(ctx context.Context, b []byte) error {
	com := mysql.COM_SLEEP
	if len(b) > 0 {
		com, b = b[0], b[1:]
	}
	switch com {
	case mysql.COM_QUIT:
		return errQuit
	case mysql.COM_QUERY:
		return c.query(ctx, b)
	case mysql.COM_PROCESS_INFO:
		return c.finish(c.runQuery(ctx, "SHOW PROCESSLIST", nil))
	case mysql.COM_STMT_EXECUTE:
		return c.finish(c.execute(ctx, b))
	case mysql.COM_STMT_FETCH:
		return c.finish(c.fetch(b))
	case mysql.COM_STMT_PREPARE:
		return c.finish(c.prepare(ctx, string(b)))
	case mysql.COM_STMT_SEND_LONG_DATA:
		c.longData(b)
		return nil
	case mysql.COM_STMT_CLOSE:
		c.closeStatement(b)
		return nil
	case mysql.COM_STMT_RESET:
		return c.done(c.resetStatement(b))
	case mysql.COM_INIT_DB:
		return c.done(c.session.InitDB(ctx, string(b)))
	case mysql.COM_FIELD_LIST:
		return c.finish(c.fieldList(ctx, b))
	case mysql.COM_STATISTICS:
		c.out.packet([]byte(c.session.Statistics(ctx)))
		return c.finish(nil)
	case mysql.COM_PROCESS_KILL:
		if len(b) < 4 {
			return c.finish(errMalformed)
		}
		return c.done(c.session.Kill(ctx, binary.LittleEndian.Uint32(b)))
	case mysql.COM_PING:
		return c.done(nil)
	case mysql.COM_CHANGE_USER:
		return c.changeUser(b)
	case mysql.COM_RESET_CONNECTION:
		c.closeStatements()
		return c.done(c.session.Reset(ctx))
	case mysql.COM_REFRESH:
		return c.refresh(ctx, b)
	case mysql.COM_SET_OPTION:
		return c.finish(c.setOption(b))
	case mysql.COM_DEBUG:
		c.writeEOF(false)
		return c.finish(nil)
	}
	return c.finish(errUnknownCom)
}

// done answers OK, or err.
func (c *Conn) done(err error) error {
	if err == nil {
		c.writeOK(mysql.OK_HEADER, 0, 0, "", false)
	}
	return c.finish(err)
}

// query runs the body of a COM_QUERY.
func (c *Conn) query(ctx context.Context, b []byte) error {
	var attributes []Param
	if c.caps&mysql.CLIENT_QUERY_ATTRIBUTES != 0 {
		s := scanner{b: b}
		n := s.length()
		s.length() // sets of parameters: 1
		p := payload{scanner: s, named: true}
		if n > 0 {
			var err error
			if attributes, err = p.params(n, nil, nil); err != nil {
				return c.finish(err)
			}
		}
		if p.short {
			return c.finish(errMalformed)
		}
		b = p.b
	}
	return c.finish(c.runQuery(ctx, string(b), attributes))
}

func (c *Conn) runQuery(ctx context.Context, text string, attributes []Param) error {
	w := c.begin(ctx, attributes)
	return w.close(c.session.Query(ctx, text, w))
}

// begin returns the results of a new command.
func (c *Conn) begin(ctx context.Context, attributes []Param) *Results {
	c.results = Results{c: c, ctx: ctx, attributes: attributes, row: c.results.row[:0], types: c.results.types[:0]}
	return &c.results
}

func (c *Conn) fieldList(ctx context.Context, b []byte) error {
	table, wildcard, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return errMalformed
	}
	columns, err := c.session.FieldList(ctx, string(table), string(wildcard))
	if err != nil {
		return err
	}
	for i := range columns {
		c.writeColumn(&columns[i], true)
	}
	c.writeEOF(false)
	return nil
}

// refreshed are what the bits of a COM_REFRESH flush, the lowest first. Tables are read anew by each statement; what further
// bits stand for is not kept here.
var refreshed = [...]string{"PRIVILEGES", "LOGS", "", "HOSTS", "STATUS"}

// refresh runs the FLUSH that a COM_REFRESH stands for.
func (c *Conn) refresh(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return c.finish(errMalformed)
	}
	var list []string
	for i, name := range refreshed {
		if b[0]>>i&1 != 0 && name != "" {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		list = []string{"TABLES"}
	}
	return c.finish(c.runQuery(ctx, "FLUSH "+strings.Join(list, ", "), nil))
}

func (c *Conn) setOption(b []byte) error {
	if len(b) != 2 {
		return errMalformed
	}
	option := binary.LittleEndian.Uint16(b)
	if option > mysql.MYSQL_OPTION_MULTI_STATEMENTS_OFF {
		return errUnknownCom
	}
	c.mu.Lock()
	c.mu.multi = option == mysql.MYSQL_OPTION_MULTI_STATEMENTS_ON
	c.mu.Unlock()
	c.writeEOF(false)
	return nil
}

// changeUser ends the session and logs in anew. A failure ends the connection. The
// client proves itself by a new salt: the old one was used already.
func (c *Conn) changeUser(b []byte) error {
	h, err := parseChangeUser(b, c.caps)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnknownCom, err)
	}
	if c.caps&mysql.CLIENT_PLUGIN_AUTH != 0 {
		h.plugin = ""
	}
	c.closeSession()
	if err := c.raw.SetDeadline(time.Now().Add(c.server.o.LoginTimeout)); err != nil {
		return err
	}
	if err := c.admit(h); err != nil {
		return err
	}
	return c.raw.SetDeadline(time.Time{})
}

// writeError writes an ERR packet.
func (c *Conn) writeError(e *Error) {
	b := binary.LittleEndian.AppendUint16([]byte{mysql.ERR_HEADER}, e.Number)
	b = append(append(b, '#'), e.State...)
	c.out.packet(append(b, e.Message...))
}

// status returns the status flags of an OK or EOF packet.
func (c *Conn) status(more bool) uint16 {
	s := c.session.Status()
	if more {
		s |= mysql.SERVER_MORE_RESULTS_EXISTS
	}
	return s
}

// writeOK writes an OK packet; with header 0xfe it is the end of a result.
func (c *Conn) writeOK(header byte, affected, insertID uint64, info string, more bool) {
	c.writeOKStatus(header, affected, insertID, info, c.status(more))
}

func (c *Conn) writeOKStatus(header byte, affected, insertID uint64, info string, status uint16) {
	track := c.caps&mysql.CLIENT_SESSION_TRACK != 0
	var changes []Change
	if track {
		changes = c.session.Changes()
	}
	if len(changes) > 0 {
		status |= mysql.SERVER_SESSION_STATE_CHANGED
	}
	var array [64]byte
	b := append(array[:0], header)
	b = mysql.AppendLengthEncodedInteger(b, affected)
	b = mysql.AppendLengthEncodedInteger(b, insertID)
	b = binary.LittleEndian.AppendUint16(b, status)
	b = binary.LittleEndian.AppendUint16(b, c.session.Warnings())
	if info != "" || len(changes) > 0 {
		b = appendLength(b, info)
	}
	if len(changes) > 0 {
		b = appendLength(b, string(appendChanges(nil, changes)))
	}
	c.out.packet(b)
}

// writeEOF writes what ends rows.
func (c *Conn) writeEOF(more bool) { c.writeEOFStatus(c.status(more)) }

func (c *Conn) writeEOFStatus(status uint16) {
	if c.caps&mysql.CLIENT_DEPRECATE_EOF != 0 {
		c.writeOKStatus(mysql.EOF_HEADER, 0, 0, "", status)
		return
	}
	c.writeOldEOF(status)
}

// writeOldEOF writes an EOF packet.
func (c *Conn) writeOldEOF(status uint16) {
	b := binary.LittleEndian.AppendUint16([]byte{mysql.EOF_HEADER}, c.session.Warnings())
	c.out.packet(binary.LittleEndian.AppendUint16(b, status))
}

// writeColumn writes the definition of a column.
func (c *Conn) writeColumn(col *Column, list bool) {
	b := appendLength(nil, "def")
	for _, s := range [...]string{col.Database, col.Table, col.OrgTable, col.Name, col.OrgName} {
		b = appendLength(b, s)
	}
	b = append(b, 0x0c)
	b = binary.LittleEndian.AppendUint16(b, col.Charset)
	b = binary.LittleEndian.AppendUint32(b, col.Length)
	b = append(b, col.Type)
	b = binary.LittleEndian.AppendUint16(b, col.Flags)
	b = append(b, col.Decimals, 0, 0)
	if list && col.Default == nil {
		b = append(b, 0xfb) // NULL
	} else if list {
		b = appendLength(b, string(col.Default))
	}
	c.out.packet(b)
}

// writeColumns writes the definitions of some columns and what ends them.
func (c *Conn) writeColumns(columns []Column, status uint16) {
	for i := range columns {
		c.writeColumn(&columns[i], false)
	}
	if c.caps&mysql.CLIENT_DEPRECATE_EOF == 0 {
		c.writeOldEOF(status)
	}
}

// writeCount begins a result of n columns.
func (c *Conn) writeCount(n int) {
	c.out.packet(mysql.AppendLengthEncodedInteger(nil, uint64(n)))
}

var errState = errors.New("results out of order")
