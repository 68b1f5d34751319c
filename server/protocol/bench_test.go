package protocol

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error)      { return io.Discard.Write(b) }
func (discard) SetWriteDeadline(time.Time) error { return nil }

type settled struct{ Session }

func (settled) Status() uint16   { return mysql.SERVER_STATUS_AUTOCOMMIT }
func (settled) Warnings() uint16 { return 0 }

func rowsWriter(binary bool) (*Results, [][]byte) {
	c := &Conn{session: settled{}, net: discard{}}
	c.out.net, c.out.settle = discard{}, func(context.Context) error { return nil }
	c.results.c = c
	w := c.begin(context.Background(), nil)
	w.binary = binary
	_ = w.Columns([]Column{{Name: "id", Type: mysql.MYSQL_TYPE_LONGLONG}, {Name: "k", Type: mysql.MYSQL_TYPE_LONG},
		{Name: "c", Type: mysql.MYSQL_TYPE_STRING}, {Name: "pad", Type: mysql.MYSQL_TYPE_STRING}})
	return w, [][]byte{[]byte("123456"), []byte("4711"), make([]byte, 120), make([]byte, 60)}
}

func BenchmarkRows(b *testing.B) {
	for name, binary := range map[string]bool{"text": false, "binary": true} {
		b.Run(name, func(b *testing.B) {
			w, row := rowsWriter(binary)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Row(row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A row costs no memory beyond what the caller gave.
func TestRowsAllocateNothing(t *testing.T) {
	for _, binary := range []bool{false, true} {
		w, row := rowsWriter(binary)
		row[2] = make([]byte, 3*bufferBytes)
		if n := testing.AllocsPerRun(100, func() {
			if err := w.Row(row); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 {
			t.Errorf("binary %v: %v allocations for a row", binary, n)
		}
	}
}
