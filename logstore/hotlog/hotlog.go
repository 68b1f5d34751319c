// Package hotlog is a storage node's append log: what arrives is written here and
// synced before anything is acknowledged, and moves to the segments' stores later.
//
// It decides how frames lie in files, which files are live, and which bytes are
// believed when a node starts again. It knows nothing of what a frame means, and
// does its I/O through Disk. Start with Log.
//
// # Files and frames
//
// The log is a few files of one fixed size, written with zeros when they are made
// and used again once drained, so that an append overwrites allocated blocks and
// fdatasync has no metadata to write (measured: 1.8 times the rate of a growing
// file). Each use of a file is a generation, numbered without gaps. A generation
// begins with a snapshot frame, which holds whatever the caller needs to judge the
// frames after it. A frame starts at a multiple of 64 bytes:
//
//	 0  magic "SXHF"          u32    24  generation              u64
//	 4  version               u8     32  sequence                u64
//	 5  features              u8     40  synced: highest synced  u64
//	 6  codec                 u8         sequence when written
//	 7  kind                  u8     48  oldest live generation  u64
//	 8  body length           u32    56  CRC32C of the body      u32
//	12  CRC32C of the header  u32    60  reserved, zero          u32
//	16  owner (store id)      u64    64  body
//
// The header's checksum covers the body's, and the owner, generation and sequence:
// a frame of another node, of an earlier use of the file or at another place in
// the order never verifies as the next one.
//
// # What is believed
//
// Frames are numbered without gaps through all generations. Replay reads the live
// generations in order and stops a generation at the first frame that does not
// verify. If the next generation goes on with that sequence, the log was closed or
// cut there. Otherwise, if any frame that verifies says that the missing sequence
// had been synced, it is damage (DamageError); if none says so, it was never
// acknowledged: a torn tail, dropped. The last frame of a log is covered only by a
// later one, so an idle caller appends an empty frame (Log.Cover).
//
// Deviation: bodies that have a checksum of their own are summed again. At 5 GB/s
// that is a microsecond per batch, and nothing here has to know what a body is.
package hotlog

import (
	"errors"
	"fmt"
)

// Errors of the log, matched with errors.Is.
var (
	// ErrDamaged is returned by Open when bytes that were once synced do not
	// verify. The error is a *DamageError.
	ErrDamaged = errors.New("hotlog: damaged")
	// ErrForeign is returned by Open when a file belongs to another store.
	ErrForeign = errors.New("hotlog: file of another store")
	// ErrVersion is returned by Open when a live frame has a format version,
	// feature or codec this program does not know.
	ErrVersion = errors.New("hotlog: unknown format version, feature or codec")
	// ErrFull is returned by Rotate when FilesMax files are live. Nothing has
	// changed; Release some and try again.
	ErrFull = errors.New("hotlog: all files are live")
	// ErrNoRoom is returned by Append when the frames do not fit into what is left
	// of the file. Nothing was written; Rotate and try again.
	ErrNoRoom = errors.New("hotlog: no room in the file")
	// ErrTooLarge is returned by Rotate for what fits into no file.
	ErrTooLarge = errors.New("hotlog: frames are larger than a file")
	// ErrFailed is returned by every call after a write or a sync has failed. What
	// is on the disk is unknown then; the process must end and replay.
	ErrFailed = errors.New("hotlog: an earlier write or sync failed")
)

// DamageError says which synced bytes do not verify.
type DamageError struct {
	File   string
	Offset int64
	What   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("hotlog: damaged: file %s, offset %d: %s", e.File, e.Offset, e.What)
}

// Is reports that a DamageError is ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Limits.
const (
	FileBytesMin = 4 << 10 // bytes of the smallest file
	FileBytesMax = 1 << 30 // bytes of the largest file
	FilesMaxMax  = 1024    // files
)

// Disk is the directory the log lives in, and nothing else does.
type Disk interface {
	// List returns the names of all files.
	List() ([]string, error)
	// Create makes a file of size zero bytes, synced together with its directory
	// entry, in place of any file of that name.
	Create(name string, size int64) (File, error)
	// Open opens an existing file.
	Open(name string) (File, error)
	// Remove removes a file.
	Remove(name string) error
}

// File is one file of the log.
type File interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
	// Sync makes everything written durable (fdatasync).
	Sync() error
	Size() (int64, error)
	Close() error
}

// Kind tells the caller's kinds of frames apart. Kinds below KindCaller belong to
// the log.
type Kind uint8

// Kinds of frames.
const (
	KindEmpty    Kind = 0  // covers the frames before it, has no body
	KindSnapshot Kind = 1  // the first frame of a generation
	KindCaller   Kind = 16 // the caller's kinds begin here
)

// Frame is one entry of the log.
type Frame struct {
	Kind Kind
	Body []byte
}

// Position is where replay found a frame.
type Position struct {
	Generation, Sequence uint64
	File                 string
	Offset               int64
}

// Options of a log.
type Options struct {
	Owner     uint64 // store id; part of every frame's checksum
	FileBytes int64  // of each file, multiple of 64; kept files of another size are not used again
	FilesMax  int    // live and spare files at most, from 2
	FilesKept int    // files above this number are removed once drained; 0: FilesMax
}

func (o Options) check() error {
	switch {
	case o.FileBytes < FileBytesMin || o.FileBytes > FileBytesMax || o.FileBytes%align != 0:
		return fmt.Errorf("hotlog: file size %d is not a multiple of %d in [%d, %d]",
			o.FileBytes, align, FileBytesMin, FileBytesMax)
	case o.FilesMax < 2 || o.FilesMax > FilesMaxMax:
		return fmt.Errorf("hotlog: %d files are not in [2, %d]", o.FilesMax, FilesMaxMax)
	}
	return nil
}
