package protocol

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

var buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

// output collects packets for the client. A packet is begun with its length and
// written in pieces. Errors are kept: after the first, nothing is written.
type output struct {
	net    net.Conn
	settle func(context.Context) error // nil: during login
	ctx    context.Context             // of the command
	life   context.Context             // of the connection
	// whole: results that are complete are collected. Their statements have taken effect,
	// so that only the end of the connection keeps their answers from the client.
	whole bool

	array *[bufferBytes]byte // nil if nothing is collected
	buf   []byte             // of array

	seq       byte   // of the next frame, from either side
	first     byte   // of the first frame in buf
	left      int    // of the packet that is being written
	bytes     uint64 // that have left
	frame     int    // left of its frame
	full      bool   // its frame is as long as can be
	cut       bool   // what is collected begins within a packet
	sent      bool   // something of this command has left
	unsettled error  // of settle: what was collected is dropped
	broken    error  // of the connection: nothing can be said any more

	head  [4]byte
	small [9]byte
}

// begin begins a packet of n bytes. Packets before it leave if it has no room.
func (o *output) begin(n int) {
	if len(o.buf)+4+n > bufferBytes {
		o.flush()
	}
	if !o.ok() {
		return
	}
	if len(o.buf) == 0 {
		o.first, o.cut = o.seq, false
	}
	o.left = n
	o.header()
}

// header begins a frame of the packet.
func (o *output) header() {
	n := min(o.left, frameBytesMax)
	o.frame, o.full = n, n == frameBytesMax
	o.head = [4]byte{byte(n), byte(n >> 8), byte(n >> 16), o.seq}
	o.seq++
	o.put(o.head[:])
}

// write writes a piece of the packet.
func (o *output) write(b []byte) {
	for len(b) > o.frame && o.ok() {
		k := o.frame
		o.put(b[:k])
		o.left -= k
		b = b[k:]
		o.header()
	}
	o.put(b)
	if !o.ok() {
		return
	}
	o.left -= len(b)
	o.frame -= len(b)
	if o.left == 0 && o.full {
		o.header() // an empty frame: the full one was the last
	}
}

// writeByte writes one byte of the packet.
func (o *output) writeByte(b byte) {
	o.small[0] = b
	o.write(o.small[:1])
}

// writeLength writes a length-encoded integer.
func (o *output) writeLength(n uint64) {
	o.write(mysql.AppendLengthEncodedInteger(o.small[:0], n))
}

// packet writes a whole packet.
func (o *output) packet(b []byte) {
	o.begin(len(b))
	o.write(b)
}

func (o *output) ok() bool { return o.broken == nil && o.unsettled == nil }

// put collects bytes of the packet, or sends them if they are too many.
func (o *output) put(b []byte) {
	if len(o.buf)+len(b) > bufferBytes {
		o.flush()
		o.cut = true
	}
	switch {
	case !o.ok():
	case len(b) > bufferBytes:
		o.send(b)
	default:
		if o.array == nil {
			o.array = buffers.Get().(*[bufferBytes]byte)
			o.buf = o.array[:0]
		}
		o.buf = append(o.buf, b...)
	}
}

// flush sends what is collected.
func (o *output) flush() {
	if len(o.buf) == 0 || !o.ok() {
		return
	}
	o.send(o.buf)
	if o.ok() {
		o.buf, o.cut = o.buf[:0], false
	}
}

// send gives bytes to the socket once the session agrees.
func (o *output) send(b []byte) {
	if o.settle != nil {
		ctx := o.ctx
		if o.whole {
			ctx = o.life
		}
		if err := o.settle(ctx); err != nil {
			o.unsettle(err)
			return
		}
	}
	o.whole = false
	for len(b) > 0 {
		k := min(len(b), writeBytesMax)
		if o.settle != nil {
			if o.broken = o.net.SetWriteDeadline(time.Now().Add(writeTimeout)); o.broken != nil {
				return
			}
		}
		o.sent = true
		o.bytes += uint64(k)
		if _, o.broken = o.net.Write(b[:k]); o.broken != nil {
			return
		}
		b = b[k:]
	}
}

// unsettle drops what was not sent. If a packet was sent in part, nothing that
// makes sense can follow it.
func (o *output) unsettle(err error) {
	if o.cut {
		o.broken = fmt.Errorf("in the middle of a packet: %w", err)
		return
	}
	o.unsettled = err
	o.seq = o.first
	o.buf, o.left, o.frame, o.full = o.buf[:0], 0, 0, false
}

// release gives the buffer back between two commands.
func (o *output) release() {
	if o.array != nil {
		buffers.Put(o.array)
		o.array, o.buf = nil, nil
	}
}

// reset makes the output ready for a new command.
func (o *output) reset() { o.seq, o.sent, o.whole, o.unsettled = 0, false, false, nil }

// drop forgets what was not sent.
func (o *output) drop() {
	if len(o.buf) > 0 {
		o.seq = o.first
	}
	o.buf, o.left, o.frame, o.full, o.unsettled = o.buf[:0], 0, 0, false, nil
}
