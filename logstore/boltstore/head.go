package boltstore

import (
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"sextant/internal/redo"
)

// head lists everything that is stored of one page. It is what tells "there is
// nothing" from "it was lost": bbolt sums no data page, and a damaged one can hide
// the keys on it. Data and head lie on different pages of the file.
type head struct {
	images []redo.LSN // ascending
	runs   []run      // in the order of their drains
	floor  redo.LSN   // versions below it were collected; the oldest image kept
}

// run names one run of records.
type run struct {
	first, last redo.LSN
	drain       uint64
}

func headKey(page redo.PageID) []byte { return be.AppendUint64(nil, uint64(page)) }

func (h *head) encode() []byte {
	v := make([]byte, valueHeaderSize, valueHeaderSize+8*len(h.images)+16*len(h.runs)+4)
	v = binary.AppendUvarint(v, uint64(h.floor))
	v = binary.AppendUvarint(v, uint64(len(h.images)))
	for _, l := range h.images {
		v = binary.AppendUvarint(v, uint64(l))
	}
	v = binary.AppendUvarint(v, uint64(len(h.runs)))
	for _, r := range h.runs {
		v = binary.AppendUvarint(v, uint64(r.last))
		v = binary.AppendUvarint(v, uint64(r.last-r.first))
		v = binary.AppendUvarint(v, r.drain)
	}
	return v
}

func decodeHead(b []byte) (h head, err error) {
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errValue
			return 0
		}
		b = b[n:]
		return v
	}
	h.floor = redo.LSN(next())
	for n := next(); n > 0 && err == nil; n-- {
		h.images = append(h.images, redo.LSN(next()))
	}
	for n := next(); n > 0 && err == nil; n-- {
		r := run{last: redo.LSN(next())}
		r.first = r.last - redo.LSN(next())
		r.drain = next()
		if r.first > r.last { // it wrapped around
			err = errValue
		}
		h.runs = append(h.runs, r)
	}
	if err == nil && len(b) != 0 {
		err = errValue
	}
	return h, err
}

// head returns what is stored of a page. Returns errValue if data of the page is
// there and its head is not.
func (g *seg) head(tx *bolt.Tx, page redo.PageID) (head, error) {
	k := headKey(page)
	v := tx.Bucket(bucketHead).Get(k)
	if v == nil {
		for _, b := range [][]byte{bucketRun, bucketImage} {
			if k, _ := tx.Bucket(b).Cursor().Seek(headKey(page)); k != nil && keyPage(k) == page {
				return head{}, fmt.Errorf("%w: page %d has data and no head", errValue, page)
			}
		}
		return head{}, nil
	}
	_, body, err := g.unseal(placeHead, k, v)
	if err != nil {
		return head{}, err
	}
	return decodeHead(body)
}

func (g *seg) putHead(tx *bolt.Tx, page redo.PageID, h head) error {
	k := headKey(page)
	slices.Sort(h.images)
	h.images = slices.Compact(h.images)
	return tx.Bucket(bucketHead).Put(k, g.seal(placeHead, k, h.encode(), codecNone))
}

// value returns the body stored under a key that a head names.
func (g *seg) value(tx *bolt.Tx, bucket []byte, place byte, k []byte) (codec byte, body []byte, err error) {
	v := tx.Bucket(bucket).Get(k)
	if v == nil {
		return 0, nil, fmt.Errorf("%w: bucket %s, key %x is missing", errValue, bucket, k)
	}
	return g.unseal(place, k, v)
}
