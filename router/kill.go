package router

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// victim is the session that a KILL means, as its instance knows it.
type victim struct {
	instance   string
	connection uint32
	user       string
}

// kill answers COM_PROCESS_KILL, or a COM_QUERY that is one KILL statement, if
// it names a session by an id of this router that its instance does not know it
// by, or one on another instance, and reports whether it did. Any other id is the
// instance's own: the command is passed on as it is.
func (s *session) kill(h head) (done bool, err error) {
	if h.n > killBytesMax {
		return false, nil
	}
	var stmt killStatement
	if h.first == mysql.COM_PROCESS_KILL {
		body, err := s.up.body(h, 5)
		if err != nil {
			return false, eofInside(err)
		}
		if h.n != 5 {
			return false, nil
		}
		stmt.id = binary.LittleEndian.Uint32(body[1:])
	} else {
		if stmt, err = s.killText(h); err != nil || stmt.id == 0 {
			return false, err
		}
	}
	v, ours, here := s.victim(stmt.id)
	if !ours || here && v.connection == stmt.id {
		return false, nil
	}
	if err := s.up.discard(); err != nil {
		return false, err
	}
	if here && v.connection != 0 {
		return true, s.killHere(h, stmt, v)
	}
	return true, s.reply(s.killThere(h.seq+1, stmt, v))
}

// killText returns the KILL that a COM_QUERY is; its id is 0 if it is none.
func (s *session) killText(h head) (killStatement, error) {
	text := 1 // where it begins
	if s.attrs {
		text += 2 // without attributes; with some the whole packet is read
	}
	begin, err := s.up.body(h, text+1)
	if err != nil {
		return killStatement{}, eofInside(err)
	}
	if len(begin) <= text || !(s.attrs && begin[1] != 0) && !mayBeKill(begin[text]) {
		return killStatement{}, nil
	}
	body, err := s.up.body(h, h.n)
	if err != nil {
		return killStatement{}, eofInside(err)
	}
	if s.attrs {
		n, ok := attributesBytes(body[1:])
		if !ok {
			return killStatement{}, nil // the instance says what is wrong
		}
		text = 1 + n
	}
	stmt, ok := parseKill(string(body[text:]))
	if !ok {
		return killStatement{}, nil
	}
	stmt.before = string(body[1:text]) + stmt.before
	return stmt, nil
}

func (s *session) victim(id uint32) (v victim, ours, here bool) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	o := s.r.mu.sessions[id]
	if o == nil {
		return victim{}, false, false
	}
	v = victim{o.mu.instance, o.mu.connection, o.mu.user}
	return v, true, v.instance == s.mu.instance
}

// killHere lets the instance do it: it knows who may kill whom.
func (s *session) killHere(h head, stmt killStatement, v victim) error {
	body := binary.LittleEndian.AppendUint32([]byte{mysql.COM_PROCESS_KILL}, v.connection)
	if h.first == mysql.COM_QUERY {
		body = append([]byte{mysql.COM_QUERY}, stmt.before...)
		body = strconv.AppendUint(body, uint64(v.connection), 10)
		body = append(body, stmt.after...)
	}
	if _, err := s.up.dst.Write(appendPacket(nil, h.seq, body)); err != nil {
		return err
	}
	s.stats.kills.Inc()
	return s.one()
}

// killThere has it done on another instance, and returns the answer.
func (s *session) killThere(seq byte, stmt killStatement, v victim) []byte {
	fail := func(code uint16, state, message string) []byte {
		return appendError(nil, seq, code, state, message)
	}
	s.r.mu.Lock()
	instance, found := s.r.mu.topology.Instance(v.instance)
	user := s.mu.user
	s.r.mu.Unlock()
	switch {
	case v.connection == 0:
		return fail(mysql.ER_NO_SUCH_THREAD, "HY000", fmt.Sprintf("Unknown thread id: %d", stmt.id))
	case v.user != user:
		return fail(mysql.ER_KILL_DENIED_ERROR, "HY000",
			fmt.Sprintf("You are not owner of thread %d", stmt.id))
	case !found || s.r.o.Kill == nil:
		return fail(mysql.ER_UNKNOWN_ERROR, "HY000",
			fmt.Sprintf("Thread %d runs on instance %s; connect there to kill it", stmt.id, v.instance))
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	if err := s.r.o.Kill(ctx, instance, v.connection, stmt.queryOnly); err != nil {
		return fail(mysql.ER_UNKNOWN_ERROR, "HY000",
			fmt.Sprintf("Kill thread %d on instance %s: %v", stmt.id, v.instance, err))
	}
	s.stats.kills.Inc()
	status := s.status &^ (mysql.SERVER_SESSION_STATE_CHANGED | mysql.SERVER_MORE_RESULTS_EXISTS)
	ok := binary.LittleEndian.AppendUint16([]byte{mysql.OK_HEADER, 0, 0}, status)
	return appendPacket(nil, seq, append(ok, 0, 0))
}

// killStatement is KILL [HARD | SOFT] [CONNECTION | QUERY] id.
type killStatement struct {
	before    string // the query's attributes and the text up to the id
	id        uint32
	after     string // the text behind it
	queryOnly bool
}

// mayBeKill reports whether a statement that begins with c can be a KILL.
func mayBeKill(c byte) bool {
	switch c {
	case 'k', 'K', ' ', '\t', '\r', '\n', '/', '-', '#':
		return true
	}
	return false
}

// parseKill reports whether text is one KILL statement with a number.
func parseKill(text string) (killStatement, bool) {
	var k killStatement
	rest, word := nextWord(text)
	if !strings.EqualFold(word, "KILL") {
		return k, false
	}
	rest, word = nextWord(rest)
	if strings.EqualFold(word, "HARD") || strings.EqualFold(word, "SOFT") {
		rest, word = nextWord(rest)
	}
	if strings.EqualFold(word, "CONNECTION") || strings.EqualFold(word, "QUERY") {
		k.queryOnly = strings.EqualFold(word, "QUERY")
		rest, word = nextWord(rest)
	}
	id, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		return k, false
	}
	k.id = uint32(id)
	k.before, k.after = text[:len(text)-len(rest)-len(word)], rest
	end := skipBlank(rest)
	return k, end == "" || end[0] == ';' && skipBlank(end[1:]) == ""
}

// nextWord returns the next run of letters and digits and what follows it.
func nextWord(text string) (rest, word string) {
	text = skipBlank(text)
	n := 0
	for n < len(text) && isWord(text[n]) {
		n++
	}
	return text[n:], text[:n]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// skipBlank skips white space and comments. A comment that is executed (/*!) is none.
func skipBlank(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\v\f")
		end := -1
		switch {
		case strings.HasPrefix(text, "/*") && !strings.HasPrefix(text, "/*!"):
			if end = strings.Index(text[2:], "*/"); end >= 0 {
				end += 4
			}
		case strings.HasPrefix(text, "#"), strings.HasPrefix(text, "-- "):
			if end = strings.IndexByte(text, '\n'); end < 0 {
				end = len(text)
			}
		}
		if end < 0 {
			return text
		}
		text = text[end:]
	}
}
