package inspect

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// printer writes lines until an error, which it keeps.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// dump writes bytes as hex and text, each line behind the prefix.
func (p *printer) dump(prefix string, b []byte) {
	if len(b) == 0 {
		p.line("%s(empty)", prefix)
		return
	}
	for l := range strings.Lines(hex.Dump(b)) {
		p.line("%s%s", prefix, strings.TrimSuffix(l, "\n"))
	}
}

var opNames = map[redo.Op]string{
	redo.OpFormat: "format", redo.OpInsert: "insert", redo.OpDelete: "delete", redo.OpPatch: "patch",
	redo.OpReplace: "replace", redo.OpTruncateFrom: "truncate", redo.OpRaise: "raise", redo.OpFree: "free",
	redo.OpImage: "image", redo.OpVersion: "version", redo.OpNone: "none",
}

func opName(o redo.Op) string {
	if n, ok := opNames[o]; ok {
		return n
	}
	return fmt.Sprintf("op(%d)", o)
}

var kindNames = map[page.Kind]string{
	page.KindNone: "never formatted", page.KindFree: "free", page.KindLeaf: "leaf", page.KindInternal: "internal",
	page.KindOverflow: "overflow", page.KindMeta: "meta",
}

func kindName(k page.Kind) string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return fmt.Sprintf("kind(%d)", k)
}

// recordText is one record on one line.
func recordText(r *redo.Record, annulled redo.Ranges) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lsn %d  prev %d  group %d  prev of group %d  page %d  %s  %d bytes", r.LSN, r.PrevVolume, r.PG, r.PrevPG,
		r.Page, opName(r.Op), len(r.Payload))
	if r.CPL {
		fmt.Fprintf(&b, "  CPL %s", time.UnixMicro(r.Wall).UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	if r.Flags&redo.FlagCatalog != 0 {
		b.WriteString("  catalog")
	}
	if annulled.Contain(r.LSN) {
		b.WriteString("  ANNULLED")
	}
	return b.String()
}

func rangesText(rs redo.Ranges) string {
	if len(rs) == 0 {
		return "nothing"
	}
	texts := make([]string, len(rs))
	for i, r := range rs {
		texts[i] = r.String()
	}
	return strings.Join(texts, " ")
}

func sortedUnique(pgs []redo.PGID) []redo.PGID {
	slices.Sort(pgs)
	return slices.Compact(pgs)
}
