package protocol

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// FuzzLogin feeds bytes to the parsers of what a client sends before anything is
// known of it.
func FuzzLogin(f *testing.F) {
	f.Add(append([]byte("\x01\xa2\x3b\x01\x00\x00\x00\x01\x2d"), append(make([]byte, 23), "u\x00\x01pd\x00plugin\x00\x05\x01a\x02bc"...)...))
	f.Add([]byte("user\x00\x01pdb\x00\x21\x00plugin\x00\x03\x01a\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		wantsTLS(in)
		for _, caps := range []uint32{0, offered} {
			h, err := parseChangeUser(in, caps)
			if err == nil && len(h.user)+len(h.answer)+len(h.database)+len(h.plugin) > len(in)+len(pluginNative) {
				t.Fatalf("%+v of %d bytes", h, len(in))
			}
		}
		if h, err := parseHello(in); err == nil && len(in) < helloFixedBytes {
			t.Fatalf("%+v of %d bytes", h, len(in))
		}
	})
}

// FuzzExecute feeds bytes to the decoder of COM_STMT_EXECUTE; a value that it
// returns, written as a result, is one that it would read again.
func FuzzExecute(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x01\x03\x00\xfe\x00\x01\x00\x00\x00\x01x"), byte(2), false)
	f.Add([]byte("\x08\x01\x00\x00\x00\x02\x00\x01\x0c\x00\x01a\x0b\x00\x01b\x07\xea\x07\x0b\x1c\x01\x02\x03\x08\x01\x22\x00\x00\x00\x16\x3b\x3b"), byte(1), true)
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x01\x04\x00\x05\x00\x00\x00\xc0\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f"), byte(2), false)
	f.Fuzz(func(t *testing.T, in []byte, n byte, named bool) {
		st := &statement{Statement: &Statement{Params: int(n)}}
		params, attributes, _, err := st.arguments(scanner{b: in}, named)
		if err != nil {
			return
		}
		if len(params) != int(n) {
			t.Fatalf("%d parameters of %d", len(params), n)
		}
		for _, p := range append(params, attributes...) {
			if p.Null {
				continue
			}
			b, ok := appendBinary(nil, p.Text, p.Type, p.Unsigned)
			if !ok {
				continue // a month 13: the session's to refuse
			}
			again := payload{scanner: scanner{b: b}}
			got := again.value(paramType{kind: p.Type, unsigned: p.Unsigned || p.Type == mysql.MYSQL_TYPE_YEAR})
			if again.short || len(again.b) > 0 || string(got) != string(p.Text) && !isTime(p.Type) {
				t.Fatalf("type %d: %q became %q", p.Type, p.Text, got)
			}
		}
	})
}

// isTime reports whether a value may be written in more than one way: with and
// without microseconds that are 0.
func isTime(kind byte) bool {
	switch kind {
	case mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return true
	}
	return false
}
