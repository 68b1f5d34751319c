package gms

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
)

// measures are what EXPLAIN ANALYZE has measured of the nodes of a plan, nil: nothing is
// measured. Nodes that have none were never built.
type measures map[sql.Node]*measure

// measure is of a node: how often it was built, its rows, and the times with those of the nodes
// below it.
type measure struct {
	loops, rows int
	first, all  time.Duration
}

// String is what EXPLAIN ANALYZE appends to a line: averages of the loops.
func (m *measure) String() string {
	if m == nil {
		return " (never executed)"
	}
	per := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(m.loops) }
	return fmt.Sprintf(" (actual time=%.3g..%.3g rows=%.3g loops=%d)", per(m.first), per(m.all), float64(m.rows)/float64(m.loops), m.loops)
}

// measured builds a node and measures it.
func (b *builder) measured(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	start := time.Now()
	it, err := b.node(ctx, s, n, r)
	if err == nil && it == nil {
		it, err = b.plain(ctx, s, n, r)
	}
	if err != nil {
		return nil, err
	}
	m := s.measures[n]
	if m == nil {
		m = &measure{}
		s.measures[n] = m
	}
	m.loops++
	i := &measuredIter{RowIter: it, m: m, spent: time.Since(start)}
	m.all += i.spent
	return i, nil
}

// measuredIter measures a node's rows.
type measuredIter struct {
	sql.RowIter
	m     *measure
	spent time.Duration
	some  bool // the first row, or the end, has come
}

// Next implements sql.RowIter.
func (i *measuredIter) Next(ctx *sql.Context) (sql.Row, error) {
	start := time.Now()
	r, err := i.RowIter.Next(ctx)
	d := time.Since(start)
	i.spent += d
	i.m.all += d
	if !i.some {
		i.some = true
		i.m.first += i.spent
	}
	if err == nil {
		i.m.rows++
	}
	return r, err
}

// analyze runs a plan to its end and returns what was measured.
func (b *builder) analyze(ctx *sql.Context, s *Session, n sql.Node) (measures, error) {
	made := measures{}
	outer := s.measures
	s.measures = made
	defer func() { s.measures = outer }()
	it, err := b.base.Build(ctx, n, nil)
	if err != nil {
		return nil, err
	}
	for {
		if _, err = it.Next(ctx); err != nil {
			break
		}
	}
	if err == io.EOF {
		err = nil
	}
	return made, errors.Join(err, it.Close(ctx))
}
