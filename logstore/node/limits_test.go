package node

import (
	"testing"

	"sextant/logstore/hotlog"
)

// The hot log's bound is HotFiles and the files that UndrainedBytes take, never less than four
// times HotFiles, and never more than the format's.
func TestHotLogsBoundFollowsWhatCannotBeDrained(t *testing.T) {
	for _, c := range []struct {
		fileBytes int64
		files     int
		undrained int64
		want      int
	}{
		{0, 0, 0, 32},
		{64 << 20, 4, 0, 16},
		{32 << 20, 4, 0, 20},
		{32 << 20, 8, 1536 << 20, 56},
		{32 << 20, 4, 2560<<20 + 1, 85},
		{32 << 20, 8, 1, 32},
		{1 << 20, 3, 1 << 40, hotlog.FilesMaxMax},
		{32 << 20, 300, 0, hotlog.FilesMaxMax},
	} {
		o := Options{HotFileBytes: c.fileBytes, HotFiles: c.files, UndrainedBytes: c.undrained}.withDefaults()
		if got := o.hotFilesHard(); got != c.want {
			t.Errorf("%+v: %d files", c, got)
		}
	}
}
