package gms

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// defaultTempSpace is Options.TempSpace's default.
const defaultTempSpace = 8 << 30

// tempSpace is what the temporary files of an instance take: rows of statements that keep more than memory is for. A file
// loses its name as soon as it is open, so that the system takes its space back whatever becomes of the process. It is safe
// for concurrent use.
//
// Invariant: used is the sum of the sizes of the files that are open, and no more than limit.
type tempSpace struct {
	dir   string
	limit int64
	used  atomic.Int64
}

// rowFile is a temporary file of rows, written one after another and read from any place.
type rowFile struct {
	m     *memory
	f     *os.File
	size  int64 // what is taken of the space
	w     *bufio.Writer
	at    int64 // where the next row goes
	n     int   // rows
	codec value.RowCodec
	buf   []byte
	full  expr.Overflow
}

// rowFile opens a file. Of full is the error of a full disk, nil: MySQL's of a sort.
func (m *memory) rowFile(ctx *sql.Context, full expr.Overflow) (*rowFile, error) {
	dir := m.s.b.temp.dir
	f, err := os.CreateTemp(dir, "rows-*")
	if err != nil {
		return nil, osError(1, "Can't create/write to file '%s' (OS errno %d - %s)", dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := &rowFile{m: m, f: f, full: full}
	r.w = bufio.NewWriterSize(r, m.bufferSize(ctx))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = make(map[*rowFile]struct{})
	}
	m.files[r] = struct{}{}
	m.s.count("Created_tmp_files", 1)
	if full != nil {
		m.s.work.add(tmpDiskTables, 1)
	}
	return r, nil
}

// bufferSize is the size of a file's buffers: a small part of what the statement may keep.
func (m *memory) bufferSize(ctx *sql.Context) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(min(max(m.limitOf(ctx)/(2*fanIn), 4<<10), 256<<10))
}

// Write implements io.Writer, for the buffer.
func (f *rowFile) Write(p []byte) (int, error) {
	space := &f.m.s.b.temp
	n := int64(len(p))
	f.size += n
	if space.used.Add(n) > space.limit {
		return 0, f.failed(syscall.ENOSPC)
	}
	if _, err := f.f.Write(p); err != nil {
		return 0, f.failed(err)
	}
	return len(p), nil
}

// failed is the error of a write.
func (f *rowFile) failed(err error) error {
	if f.full != nil && errors.Is(err, syscall.ENOSPC) {
		return f.full()
	}
	return osError(3, "Error writing file '%s' (OS errno %d - %s)", f.f.Name(), err)
}

// add writes a row and returns where it is.
func (f *rowFile) add(ctx *sql.Context, r sql.Row) (int64, error) {
	if f.n++; f.n&0xff == 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	var err error
	if f.buf, err = f.codec.AppendRow(f.buf[:0], r); err != nil {
		return 0, err
	}
	at := f.at
	head := binary.AppendUvarint(f.w.AvailableBuffer(), uint64(len(f.buf)))
	f.at += int64(len(head) + len(f.buf))
	if _, err := f.w.Write(head); err != nil {
		return 0, err
	}
	_, err = f.w.Write(f.buf)
	return at, err
}

// close gives the file's space back.
func (f *rowFile) close() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.end()
}

// end is close with the lock held.
func (f *rowFile) end() {
	if _, open := f.m.files[f]; !open {
		return
	}
	delete(f.m.files, f)
	if err := f.f.Close(); err != nil {
		f.m.s.b.logger.Warn("temporary file", "err", err)
	}
	f.m.s.b.temp.used.Add(-f.size)
}

// reader reads the rows between two places. What was written must have been flushed.
func (f *rowFile) reader(from, to int64, buffer int) *fileRows {
	return &fileRows{f: f, r: bufio.NewReaderSize(io.NewSectionReader(f.f, from, to-from), buffer)}
}

// fileRows are rows of a file. Next returns io.EOF after the last.
type fileRows struct {
	f   *rowFile
	r   *bufio.Reader
	buf []byte // for rows that are larger than the reader's
	n   int
}

func (r *fileRows) next(ctx *sql.Context) (sql.Row, error) {
	if r.n++; r.n&0xff == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	size, err := binary.ReadUvarint(r.r)
	if err == io.EOF {
		return nil, err
	}
	n := int(size)
	if err == nil && n <= r.r.Size() {
		var b []byte
		if b, err = r.r.Peek(n); err == nil {
			row, err := r.f.codec.ReadRow(b)
			_, _ = r.r.Discard(n) // they are in the buffer
			return row, err
		}
	} else if err == nil {
		r.buf = append(r.buf[:0], make([]byte, n)...)
		if _, err = io.ReadFull(r.r, r.buf); err == nil {
			return r.f.codec.ReadRow(r.buf)
		}
	}
	return nil, osError(2, "Error reading file '%s' (OS errno %d - %s)", r.f.f.Name(), errors.Join(err, syscall.EIO))
}
