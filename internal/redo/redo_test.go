package redo_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"sextant/internal/redo"
	"sextant/internal/spent"
)

func randomBatch(r *rand.Rand) *redo.Batch {
	b := &redo.Batch{
		Volume: redo.VolumeID(r.Uint64()), Timeline: redo.TimelineID(r.Uint32()), PG: redo.PGID(r.Uint32()),
		Epoch: redo.VolumeEpoch(r.Uint64()), Membership: redo.MembershipEpoch(r.Uint64()),
		Start: redo.LSN(r.Uint64()), Hint: redo.Hint{VDL: redo.LSN(r.Uint64()), PGLast: redo.LSN(r.Uint64())},
		MinReadPoint: redo.LSN(r.Uint64()), Opened: r.IntN(2) == 0, Recovery: r.IntN(2) == 0,
		Records: make([]redo.Record, r.IntN(20)),
	}
	lsn := redo.LSN(r.Uint64() >> (1 + r.IntN(63)))
	for i := range b.Records {
		lsn += 1 + redo.LSN(r.Uint64()>>(4+r.IntN(60)))
		rec := redo.Record{
			LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1 - redo.LSN(r.Uint64N(uint64(lsn))), PG: b.PG,
			Page: redo.PageID(r.Uint64() >> r.IntN(64)), Op: redo.Op(1 + r.IntN(11)),
			Payload: make([]byte, r.IntN(50)),
		}
		if r.IntN(3) == 0 {
			rec.PrevVolume = redo.LSN(r.Uint64N(uint64(lsn)))
		}
		if r.IntN(3) == 0 {
			rec.CPL, rec.Flags, rec.Wall = true, uint8(r.Uint32()), int64(r.Uint64())
		}
		for j := range rec.Payload {
			rec.Payload[j] = byte(r.Uint32())
		}
		b.Records[i] = rec
	}
	return b
}

// TestBatchRoundTrip: what is decoded is what was encoded, wherever in a buffer.
func TestBatchRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		want := randomBatch(r)
		prefix := make([]byte, r.IntN(5))
		b := redo.AppendBatch(slices.Clone(prefix), want)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("AppendBatch changed what was before")
		}
		got, err := redo.DecodeBatch(b[len(prefix):])
		if err != nil {
			t.Fatalf("%+v: %v", want, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

// TestEveryFlippedBitIsFound, and every cut and every byte too many.
func TestEveryFlippedBitIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 10 {
		b := redo.AppendBatch(nil, randomBatch(r))
		for i := range len(b) * 8 {
			b[i/8] ^= 1 << (i % 8)
			if got, err := redo.DecodeBatch(b); err == nil {
				t.Fatalf("flipped bit %d of %d: decoded %+v", i, len(b)*8, got)
			}
			b[i/8] ^= 1 << (i % 8)
		}
		for n := range b {
			if _, err := redo.DecodeBatch(b[:n]); !errors.Is(err, redo.ErrCorrupt) {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
		if _, err := redo.DecodeBatch(append(b, 0)); !errors.Is(err, redo.ErrCorrupt) {
			t.Fatalf("a byte more: %v", err)
		}
	}
}

// TestUnknownVersionIsNamed: a newer format, feature, codec or key is ErrVersion,
// not damage.
func TestUnknownVersionIsNamed(t *testing.T) {
	for i := 4; i < 8; i++ {
		b := redo.AppendBatch(nil, &redo.Batch{})
		b[i]++
		if _, err := redo.DecodeBatch(b); !errors.Is(err, redo.ErrVersion) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// lsns is a set of small LSNs as bits, the dumb second implementation of Ranges.
type lsns [64]bool

func TestJoinAndContain(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 5000 {
		var set lsns
		ranges := make([]redo.Range, r.IntN(6))
		for i := range ranges {
			ranges[i] = redo.Range{After: redo.LSN(r.IntN(60)), Through: redo.LSN(r.IntN(63))}
			for l := ranges[i].After + 1; l <= ranges[i].Through; l++ {
				set[l] = true
			}
		}
		before := slices.Clone(ranges)
		joined := redo.Join(ranges...)
		if !slices.Equal(before, ranges) {
			t.Fatal("Join changed its arguments")
		}
		var end redo.LSN
		for l := range redo.LSN(len(set)) {
			if joined.Contain(l) != set[l] {
				t.Fatalf("join of %v is %v, which is wrong at %d", ranges, joined, l)
			}
			if set[l] {
				end = l
			}
		}
		if joined.End() != end {
			t.Fatalf("end of %v is %d, want %d", joined, joined.End(), end)
		}
		for i, x := range joined {
			if x.Through <= x.After || i > 0 && x.After <= joined[i-1].Through {
				t.Fatalf("join of %v is %v: empty, overlapping or touching", ranges, joined)
			}
		}
		if again := redo.Join(joined...); !slices.Equal(again, joined) {
			t.Fatalf("join of %v is %v", joined, again)
		}
	}
}

// FuzzDecodeBatch: no bytes make it panic, and what it takes is encoded again.
func FuzzDecodeBatch(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 1))
	for range 8 {
		f.Add(redo.AppendBatch(nil, randomBatch(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got *redo.Batch
		var err error
		spent.Within(t, 64*len(b), func() { got, err = redo.DecodeBatch(b) })
		if err != nil {
			if !errors.Is(err, redo.ErrCorrupt) && !errors.Is(err, redo.ErrVersion) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		again, err := redo.DecodeBatch(redo.AppendBatch(nil, got))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("got %+v, then %+v: %v", got, again, err)
		}
	})
}

// FuzzReadRecord does the same below the batch's checksum, which hides most of
// what a fuzzer tries.
func FuzzReadRecord(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 8 {
		for _, rec := range randomBatch(r).Records {
			f.Add(redo.AppendRecord(nil, &rec, rec.LSN-1), uint64(rec.LSN-1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, prev uint64) {
		got, rest, err := redo.ReadRecord(b, 7, redo.LSN(prev))
		if err != nil {
			if !errors.Is(err, redo.ErrCorrupt) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		if got.LSN <= redo.LSN(prev) || got.PrevPG >= got.LSN || got.PrevVolume >= got.LSN || len(rest) >= len(b) {
			t.Fatalf("impossible record %+v", got)
		}
		again, rest, err := redo.ReadRecord(redo.AppendRecord(nil, &got, redo.LSN(prev)), 7, redo.LSN(prev))
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, again) {
			t.Fatalf("got %+v, then %+v: %v", got, again, err)
		}
	})
}
