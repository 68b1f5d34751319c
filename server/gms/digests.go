package gms

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Limits of performance_schema.events_statements_summary_by_digest.
const (
	digestsMax   = 10000 // performance_schema_digests_size
	sampleMax    = 1024  // performance_schema_max_sql_text_length
	digestShards = 16
)

// digests is the statements that the instance ran, summed up by database and digest text. It
// is safe for concurrent use.
type digests struct {
	seed     maphash.Seed
	count    atomic.Int64
	shards   [digestShards]digestShard
	overflow digestShard // its one entry is the statements that found no room
}

// digestShard is the entries whose keys hash to it.
type digestShard struct {
	mu sync.Mutex
	m  map[string]*digestEntry // by schema, NUL, text
}

// digestEntry sums up the statements of one digest.
type digestEntry struct {
	schema, digest, text    string
	count, errors, warnings uint64
	sent, affected, whole   uint64
	work                    [tasks]uint64
	sum, min, max           time.Duration
	first, last             time.Time
	sample                  string
	sampleSeen              time.Time
	sampleTook              time.Duration
	buckets                 [timeBuckets]uint32
	hasSchema               bool
}

// timeBuckets is the number of buckets of durations: four to each doubling of a nanosecond.
const timeBuckets = 4 * 48

// timeBucket returns the bucket of a duration.
func timeBucket(d time.Duration) int {
	n := uint64(max(d, 4))
	top := bits.Len64(n) - 1
	return min(4*top+int(n>>(top-2)&3), timeBuckets-1)
}

// bucketEnd returns the duration at which a bucket ends.
func bucketEnd(i int) time.Duration {
	top, quarter := i/4, uint64(i%4)
	if top < 2 {
		return 4
	}
	return time.Duration((5 + quarter) << (top - 2))
}

// quantile returns an upper bound of the durations of a share of the statements.
func (e *digestEntry) quantile(share float64) time.Duration {
	want, seen := float64(e.count)*share, 0.0
	for i, n := range e.buckets {
		if seen += float64(n); n > 0 && seen >= want {
			return min(bucketEnd(i), e.max)
		}
	}
	return e.max
}

func newDigests() *digests {
	d := &digests{seed: maphash.MakeSeed()}
	for i := range d.shards {
		d.shards[i].m = map[string]*digestEntry{}
	}
	d.overflow.m = map[string]*digestEntry{}
	return d
}

// clear forgets all statements.
func (d *digests) clear() {
	empty := func(sh *digestShard) (n int) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		n = len(sh.m)
		clear(sh.m)
		return n
	}
	for i := range d.shards {
		d.count.Add(-int64(empty(&d.shards[i])))
	}
	empty(&d.overflow)
}

// digestOf is the digest of a digest text.
func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// run is one statement that has ended.
type run struct {
	start                    time.Time
	took                     time.Duration
	sent, affected, warnings uint64
	whole                    bool // it reads a table without an index
	work                     [tasks]uint64
	failed                   bool
}

// add counts a statement. key is the schema, NUL, and the digest text.
func (d *digests) add(key []byte, schema, query string, r run) {
	sh := &d.shards[maphash.Bytes(d.seed, key)%digestShards]
	sh.mu.Lock()
	e := sh.m[string(key)]
	if e == nil && d.count.Load() < digestsMax {
		d.count.Add(1)
		text := string(key[len(schema)+1:])
		e = &digestEntry{schema: schema, hasSchema: schema != "", text: text, digest: digestOf([]byte(text))}
		sh.m[string(key)] = e
	}
	if e != nil {
		e.add(query, r)
		sh.mu.Unlock()
		return
	}
	sh.mu.Unlock()
	d.overflow.mu.Lock()
	defer d.overflow.mu.Unlock()
	if e = d.overflow.m[""]; e == nil {
		e = &digestEntry{}
		d.overflow.m[""] = e
	}
	e.add(query, r)
}

func (e *digestEntry) add(query string, r run) {
	if e.count == 0 {
		e.first, e.min = r.start, r.took
	}
	e.count++
	e.sum += r.took
	e.min, e.max = min(e.min, r.took), max(e.max, r.took)
	e.buckets[timeBucket(r.took)]++
	e.sent += r.sent
	e.affected += r.affected
	e.warnings += r.warnings
	for t, n := range r.work {
		e.work[t] += n
	}
	if r.whole {
		e.whole++
	}
	if r.failed {
		e.errors++
	}
	e.last = r.start
	if e.text != "" && r.took >= e.sampleTook { // the slowest is the sample
		e.sample, e.sampleSeen, e.sampleTook = query[:min(len(query), sampleMax)], r.start, r.took
	}
}

// list returns copies of the entries, in no order.
func (d *digests) list() []digestEntry {
	var out []digestEntry
	copyOf := func(sh *digestShard) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		for _, e := range sh.m {
			out = append(out, *e)
		}
	}
	for i := range d.shards {
		copyOf(&d.shards[i])
	}
	copyOf(&d.overflow)
	return out
}

// recorder records a session's statements, one at a time. The zero value records
// nothing.
type recorder struct {
	d     *digests
	s     *Session
	query string
	run   run
	rows  atomic.Uint64 // run.sent, for other threads
	// planned is how long it took to plan the statement, 0 until then.
	planned time.Duration
	norm    syntax.Normalizer
	key     []byte
}

// begin begins a statement.
func (r *recorder) begin(query string) {
	r.query, r.run = query, run{start: time.Now()}
	r.rows.Store(0)
	if r.planned = 0; r.s != nil {
		r.s.profiles.on = r.s.profiling()
	}
}

// sent counts what the statement's answer had.
func (r *recorder) sent(rows, affected uint64) {
	r.run.sent += rows
	r.rows.Store(r.run.sent)
	r.run.affected += affected
}

// countSlow counts a statement that has taken longer than the session's long_query_time. The planner counts those that
// have taken longer than the global one.
func (r *recorder) countSlow(took float64) {
	_, v, _ := sql.SystemVariables.GetGlobal("long_query_time")
	if all, _ := v.(float64); all > 0 && took > all {
		return
	}
	v, err := r.s.BaseSession.GetSessionVariable(value.NoContext(), "long_query_time")
	if most, ok := v.(float64); ok && err == nil && took > most {
		r.s.count("Slow_queries", 1)
	}
}

// end ends the statement, which the client was told ended with err.
func (r *recorder) end(err error) {
	if r.d == nil || r.query == "" {
		return
	}
	r.countSlow(time.Since(r.run.start).Seconds())
	r.run.took, r.run.failed, r.run.warnings = time.Since(r.run.start), err != nil, uint64(r.s.WarningCount())
	schema := r.s.BaseSession.GetCurrentDatabase()
	r.key = append(append(r.key[:0], schema...), 0)
	r.key = append(r.key, r.norm.Normalize(r.query)...)
	r.d.add(r.key, schema, r.query, r.run)
	r.s.noteProfile(r.query, r.planned, r.run.took)
	r.query, r.run.whole = "", false
}
