package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"sextant/scripts/chaos/check"
)

// history is what all clients saw, in nanoseconds since the start.
type history struct {
	began time.Time

	mu        sync.Mutex
	Appends   map[check.Level][]check.Txn
	Transfers []check.Transfer
	Sums      []check.Sums
	Accesses  []check.Access
	Inserts   []check.Insert
	Whole     bool        // the tables were read in the end
	ByKey     []check.Row // of the inserts' table, in the end
	ByIndex   []check.Row
	Direct    []check.Anomaly // seen at once, by faults that look for themselves
	acks      []int64         // of commits that wrote
	reads     int64           // answered through the reader endpoint
}

func newHistory() *history {
	return &history{began: time.Now(), Appends: map[check.Level][]check.Txn{}}
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

// add runs f under the lock.
func (h *history) add(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// wrote notes a write's end, and that it was acknowledged.
func (h *history) wrote(o check.Outcome, at int64) {
	if o == check.Committed {
		h.acks = append(h.acks, at)
	}
}

// anomaly notes what a fault has seen itself.
func (h *history) anomaly(kind, format string, args ...any) {
	h.add(func() { h.Direct = append(h.Direct, check.Anomaly{Kind: kind, Detail: fmt.Sprintf(format, args...)}) })
}

// counts returns how many writes were acknowledged and reads answered by readers.
func (h *history) counts() (acks int, reads int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acks), h.reads
}

// registerPatience bounds the search for an order of one register's operations. Without
// unknown writes it takes milliseconds; with many, its memory grows as long as it goes on.
const registerPatience = 5 * time.Second

// check runs every checker.
func (h *history) check() (v verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.found, v.registers, v.undecided = check.Registers(h.Accesses, registerPatience)
	v.found = append(v.found, h.Direct...)
	for level, txns := range h.Appends {
		for _, a := range check.ListAppend(txns, level) {
			a.Detail = string(level) + ": " + a.Detail
			v.found = append(v.found, a)
		}
	}
	v.found = append(v.found, check.Bank(h.Transfers, h.Sums, accounts*fortune)...)
	if h.Whole {
		v.found = append(v.found, check.Inserts(h.Inserts, h.ByKey, h.ByIndex)...)
	}
	return v
}

// save writes a history that failed, what was found, and the cluster's output into a
// directory named after the seed.
func (h *history) save(dir string, seed uint64, found []check.Anomaly, output string) (string, error) {
	dir = filepath.Join(dir, fmt.Sprintf("chaos-seed-%d-%s", seed, h.began.UTC().Format("20060102T150405")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text := fmt.Sprintf("make chaos SEED=%d\n", seed)
	for _, a := range found {
		text += a.String() + "\n"
	}
	h.mu.Lock()
	all, err := json.Marshal(h)
	h.mu.Unlock()
	if err != nil {
		return "", err
	}
	for name, b := range map[string][]byte{"found.txt": []byte(text), "history.json": all, "cluster.log": []byte(output)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// longest returns the longest time without an acknowledgement that begins at or between
// two moments; one that began before the first counts from there on.
func (h *history) longest(from, to int64) time.Duration {
	h.mu.Lock()
	acks := slices.Clone(h.acks)
	h.mu.Unlock()
	slices.Sort(acks)
	at, _ := slices.BinarySearchFunc(acks, from, cmp.Compare[int64])
	last, most := from, int64(0)
	for ; at < len(acks); at++ {
		if last > to {
			break
		}
		most = max(most, acks[at]-last)
		last = acks[at]
	}
	return time.Duration(most)
}
