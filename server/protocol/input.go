package protocol

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"
)

// wait gives the client readTimeout for what is read next. Logging in has a deadline of
// its own.
func (c *Conn) wait() error {
	if c.session == nil {
		return nil
	}
	return c.net.SetReadDeadline(time.Now().Add(readTimeout))
}

// header reads a frame's header and takes its number.
func (c *Conn) header() (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	h, err := c.in.Peek(4)
	if err != nil {
		return 0, err
	}
	n, seq := int(h[0])|int(h[1])<<8|int(h[2])<<16, h[3]
	_, _ = c.in.Discard(4) // they are there
	if seq != c.out.seq {
		return 0, errOutOfOrder
	}
	c.out.seq++
	c.received += uint64(n) + 4
	return n, nil
}

// readPacket reads a packet of fewer than max bytes, which is valid until the
// next one. Memory is taken for what has arrived, not for what is announced.
func (c *Conn) readPacket(max int) ([]byte, error) {
	b := c.packet[:0]
	defer func() {
		if cap(b) <= keepBytes {
			c.packet = b
		} else {
			c.packet = nil
		}
	}()
	for {
		n, err := c.header()
		if err != nil {
			return nil, err
		}
		if len(b)+n >= max {
			return nil, errTooLarge
		}
		for left := n; left > 0; {
			step := min(left, growBytes+len(b))
			b = slices.Grow(b, step)
			if left != n {
				if err := c.wait(); err != nil {
					return nil, err
				}
			}
			if _, err := io.ReadFull(c.in, b[len(b):len(b)+step]); err != nil {
				return nil, err
			}
			b = b[:len(b)+step]
			left -= step
		}
		if n < frameBytesMax {
			return b, nil
		}
	}
}

// localFile is the client's file that LOAD DATA LOCAL INFILE reads.
type localFile struct {
	r    *Results
	left int  // of the frame
	long bool // the last frame was full: an empty one does not end the file
	err  error
}

// Read reads what the client sends of the file.
func (f *localFile) Read(b []byte) (int, error) {
	for f.left == 0 && f.err == nil {
		if f.err = f.r.ctx.Err(); f.err != nil {
			return 0, f.err
		}
		f.next()
	}
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.piece(b)
	f.err = err
	return n, err
}

// piece reads something of the frame. The read before may be long ago: a statement that
// waits for a lock is not the client's fault.
func (f *localFile) piece(b []byte) (n int, err error) {
	c := f.r.c
	if c.in.Buffered() == 0 {
		err = c.wait()
	}
	if err == nil {
		n, err = c.in.Read(b[:min(len(b), f.left)])
		f.left -= n
	}
	if err != nil {
		err = fmt.Errorf("read the client's file: %w", unexpected(err))
		f.r.fail(err)
	}
	return n, err
}

// next reads the next frame's header.
func (f *localFile) next() {
	n, err := f.r.c.header()
	switch {
	case err != nil:
		f.err = unexpected(err)
		f.r.fail(f.err)
	case n == 0 && !f.long:
		f.err = io.EOF
		f.r.file = nil
	default:
		f.left, f.long = n, n == frameBytesMax
	}
}

// Close reads the rest of the file: the client sends all of it whatever happens.
func (f *localFile) Close() error {
	var skipped [4 << 10]byte
	for f.r.file == f && f.r.c.out.broken == nil {
		for f.left > 0 {
			if _, err := f.piece(skipped[:]); err != nil {
				return err
			}
		}
		f.next()
	}
	return nil
}

// unexpected is err, but io.ErrUnexpectedEOF for io.EOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// newReader returns a buffer small enough for many idle connections.
func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 4<<10) }
