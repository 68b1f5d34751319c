package router

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// command passes the command with head h on, and its answer back. The answer to
// a command is complete before the next one is passed on, also if the client has
// sent it already: some servers take bytes that come during a statement for a
// wish to cancel it.
func (s *session) command(h head) error {
	switch h.first {
	case mysql.COM_QUIT:
		if err := s.up.pass(); err != nil {
			return err
		}
		return errors.Join(errQuit, s.up.flush())
	case mysql.COM_STMT_SEND_LONG_DATA, mysql.COM_STMT_CLOSE:
		return s.up.pass() // no answer; sent with the next command at the latest
	case mysql.COM_CHANGE_USER:
		return s.changeUser(h)
	case mysql.COM_QUERY, mysql.COM_PROCESS_KILL:
		if done, err := s.kill(h); done || err != nil {
			return err
		}
	case mysql.COM_BINLOG_DUMP, mysql.COM_BINLOG_DUMP_GTID, mysql.COM_TABLE_DUMP,
		mysql.COM_CLONE, mysql.COM_SUBSCRIBE_GROUP_REPLICATION_STREAM:
		return s.tunnel()
	}
	if h.first > mysql.COM_SUBSCRIBE_GROUP_REPLICATION_STREAM {
		return s.unknownCommand(h)
	}
	if err := s.send(); err != nil {
		return err
	}
	if s.down.unread() > 0 {
		return fmt.Errorf("%w: the instance answered more than it was asked", errProtocol)
	}
	s.turn.Lock()
	s.turn.of = turnInstance
	s.turn.Unlock()
	return s.respond(h.first)
}

// send passes one packet on to the instance. If the instance does not take it,
// the reason that it may have given is passed back.
func (s *session) send() error {
	err := s.up.pass()
	if err == nil {
		err = s.up.flush()
	}
	var refused *sendError
	if !errors.As(err, &refused) {
		return err
	}
	if derr := s.up.dst.SetReadDeadline(time.Now().Add(s.r.o.DialTimeout)); derr != nil {
		return err
	}
	if h, herr := s.down.head(); herr == nil && h.isError() {
		return errors.Join(err, s.down.pass(), s.down.flush())
	}
	return err
}

// respond passes the answer to a command back.
func (s *session) respond(command byte) error {
	switch command {
	case mysql.COM_QUERY, mysql.COM_STMT_EXECUTE, mysql.COM_PROCESS_INFO:
		return s.results()
	case mysql.COM_STMT_PREPARE:
		return s.prepared()
	case mysql.COM_STMT_FETCH, mysql.COM_FIELD_LIST:
		_, err := s.rows()
		return err
	case mysql.COM_STATISTICS:
		return s.down.pass() // text without a header byte
	default:
		return s.one()
	}
}

// one passes a single OK, EOF or ERR packet on.
func (s *session) one() error {
	h, err := s.down.head()
	if err != nil {
		return eofInside(err)
	}
	if !h.isError() {
		if h.n == 0 || h.first != mysql.OK_HEADER && h.first != mysql.EOF_HEADER {
			return fmt.Errorf("%w: answer %#x in place of OK", errProtocol, h.first)
		}
		if err := s.note(h); err != nil {
			return err
		}
	}
	return s.down.pass()
}

// note keeps the status flags of the OK or EOF packet with head h.
func (s *session) note(h head) error {
	body, err := s.down.body(h, okBytes)
	if err != nil {
		return eofInside(err)
	}
	if h.first == mysql.EOF_HEADER && h.n <= 5 {
		s.status, err = eofStatus(body)
	} else {
		s.status, err = okStatus(body)
	}
	return err
}

// results passes on the results of a statement or of several in one text.
func (s *session) results() error {
	for {
		h, err := s.down.head()
		if err != nil {
			return eofInside(err)
		}
		switch {
		case h.n == 0:
			return fmt.Errorf("%w: empty answer", errProtocol)
		case h.isError():
			return s.down.pass() // what follows in the text was not executed
		case h.first == mysql.OK_HEADER:
			err = s.one()
		case h.first == mysql.LocalInFile_HEADER:
			if failed, ferr := s.localInfile(); failed || ferr != nil {
				return ferr
			}
		default:
			if failed, rerr := s.resultSet(h); failed || rerr != nil {
				return rerr
			}
		}
		if err != nil {
			return err
		}
		if s.status&mysql.SERVER_MORE_RESULTS_EXISTS == 0 {
			return nil
		}
	}
}

// resultSet passes on a result that begins with the number of its columns. It
// reports whether the result ended with an ERR packet.
func (s *session) resultSet(h head) (failed bool, err error) {
	body, err := s.down.body(h, 9)
	if err != nil {
		return false, eofInside(err)
	}
	count := scanner{b: body}
	n := count.length()
	if count.short {
		return false, fmt.Errorf("%w: answer %#x in place of a number of columns", errProtocol, h.first)
	}
	if err := s.down.pass(); err != nil {
		return false, err
	}
	if err := s.definitions(n); err != nil {
		return false, err
	}
	if !s.dep && s.status&mysql.SERVER_STATUS_CURSOR_EXISTS != 0 {
		return false, nil // the rows come by COM_STMT_FETCH
	}
	return s.rows()
}

// definitions passes on n column definitions and the EOF packet behind them.
func (s *session) definitions(n uint64) error {
	for range n {
		if err := s.down.pass(); err != nil {
			return eofInside(err)
		}
	}
	if n == 0 || s.dep {
		return nil
	}
	h, err := s.down.head()
	if err != nil {
		return eofInside(err)
	}
	if !h.isEOF() {
		return fmt.Errorf("%w: answer %#x in place of EOF", errProtocol, h.first)
	}
	if err := s.note(h); err != nil {
		return err
	}
	return s.down.pass()
}

// rows passes packets on until the one that ends them. It reports whether that
// was an ERR packet.
func (s *session) rows() (failed bool, err error) {
	for {
		h, err := s.down.head()
		if err != nil {
			return false, eofInside(err)
		}
		switch {
		case h.isError():
			return true, s.down.pass()
		case s.dep && h.isOKEOF(), !s.dep && h.isEOF():
			if err := s.note(h); err != nil {
				return false, err
			}
			return false, s.down.pass()
		}
		if err := s.down.pass(); err != nil {
			return false, eofInside(err)
		}
	}
}

// prepareBytes is the length of the first packet that answers COM_STMT_PREPARE.
const prepareBytes = 1 + 4 + 2 + 2 + 1 + 2

// prepared passes on the answer to COM_STMT_PREPARE.
func (s *session) prepared() error {
	h, err := s.down.head()
	if err != nil {
		return eofInside(err)
	}
	if h.isError() {
		return s.down.pass()
	}
	body, err := s.down.body(h, prepareBytes)
	if err != nil {
		return eofInside(err)
	}
	if h.first != mysql.OK_HEADER || len(body) < prepareBytes-3 {
		return fmt.Errorf("%w: answer %#x to COM_STMT_PREPARE", errProtocol, h.first)
	}
	columns := uint64(body[5]) | uint64(body[6])<<8
	parameters := uint64(body[7]) | uint64(body[8])<<8
	if err := s.down.pass(); err != nil {
		return err
	}
	// The EOF packets' status is that of the last command: nothing to keep.
	status := s.status
	if err = s.definitions(parameters); err == nil {
		err = s.definitions(columns)
	}
	s.status = status
	return err
}

// localInfile passes on the request for a file, the file, and the answer. It
// reports whether that was an ERR packet.
func (s *session) localInfile() (failed bool, err error) {
	if err := errors.Join(s.down.pass(), s.down.flush()); err != nil {
		return false, err
	}
	for {
		b, err := s.up.peek(headerBytes)
		if err != nil {
			return false, eofInside(err)
		}
		last := le24(b) == 0
		if err := s.send(); err != nil {
			return false, err
		}
		if last {
			break
		}
	}
	h, err := s.down.head()
	if err != nil {
		return false, eofInside(err)
	}
	return h.isError(), s.one()
}

// changeUser passes COM_CHANGE_USER on and relays the login that follows.
func (s *session) changeUser(h head) error {
	body, seq, err := s.up.take(loginPacketMax)
	if err != nil {
		return err
	}
	changed, user, err := changeUser(body)
	if err != nil {
		return err
	}
	if _, err := s.up.dst.Write(appendPacket(nil, seq, changed)); err != nil {
		return err
	}
	err = s.authenticate()
	var told *refusal
	switch {
	case errors.As(err, &told):
		_, werr := s.down.dst.Write(appendError(nil, s.seq, told.code, told.state, told.message))
		return errors.Join(err, werr)
	case errors.Is(err, errDenied):
		// MySQL closes the connection, an instance that does not know the command
		// keeps it: what it does next decides.
		return s.down.flush()
	case err != nil:
		return err
	}
	s.r.mu.Lock()
	s.mu.user = user
	s.r.mu.Unlock()
	return nil
}

// unknownCommand answers a command whose answer's grammar is not known here.
func (s *session) unknownCommand(h head) error {
	if h.n >= frameBytesMax {
		return fmt.Errorf("%w: command %#x", errProtocol, h.first)
	}
	if err := s.up.discard(); err != nil {
		return err
	}
	return s.reply(appendError(nil, h.seq+1, mysql.ER_UNKNOWN_COM_ERROR, "08S01", "Unknown command"))
}

// reply sends a packet of the router's own.
func (s *session) reply(packet []byte) error {
	if err := s.down.flush(); err != nil {
		return err
	}
	_, err := s.down.dst.Write(packet)
	return err
}

// tunnel passes everything on, both ways, until a side closes: commands whose
// answer is a stream without an end.
func (s *session) tunnel() error {
	done := make(chan error, 1)
	go func() {
		err := s.up.all()
		s.r.mu.Lock()
		s.sever() // wakes the other direction
		s.r.mu.Unlock()
		done <- err
	}()
	err := s.down.all()
	s.r.mu.Lock()
	s.sever()
	s.r.mu.Unlock()
	return errors.Join(err, <-done, io.EOF)
}

// all passes everything on until src ends.
func (p *pipe) all() error {
	for {
		p.at = p.end
		if err := p.more(); err != nil {
			return err
		}
	}
}
