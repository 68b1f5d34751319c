package gms_test

import (
	"fmt"
	"io"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms"
)

// benchRows is the size of the benchmarks' table; k and id are dense.
const benchRows = 5000

// BenchmarkStatement is the cost of one statement of sysbench's workloads in the
// planner and below, without the wire: allocations and time per statement.
func BenchmarkStatement(b *testing.B) {
	h := &harness{}
	h.open()
	defer h.close()
	e := gms.NewEngine(h.backend)
	e.Analyzer.Catalog.MySQLDb.AddRootAccount()
	ctx := h.NewContext()
	run := func(b *testing.B, query string, args []int) {
		bindings := make(map[string]ast.Expr, len(args))
		for i, a := range args {
			bindings["v"+strconv.Itoa(i+1)] = ast.NewIntVal([]byte(strconv.Itoa(a)))
		}
		ctx := sql.NewContext(ctx, sql.WithSession(h.session))
		_, it, _, err := e.QueryWithBindings(ctx, query, nil, bindings, nil)
		if err != nil {
			b.Fatal(query, err)
		}
		for {
			if _, err = it.Next(ctx); err != nil {
				break
			}
		}
		if err != io.EOF {
			b.Fatal(query, err)
		}
		if err := it.Close(ctx); err != nil {
			b.Fatal(query, err)
		}
	}
	run(b, "create database bench", nil)
	ctx.SetCurrentDatabase("bench")
	run(b, `create table t (id int not null auto_increment, k int not null default '0',
		c char(120) not null default '', pad char(60) not null default '', primary key (id), key k_1 (k))`, nil)
	for i := range benchRows {
		run(b, fmt.Sprintf("insert into t values (%d, %d, 'c%d', 'pad')", i+1, i+1, i*7919%benchRows), nil)
	}
	ranges := "select count(k) from t where k between ? and ?"
	for range 9 {
		ranges += " or k between ? and ?"
	}
	next := benchRows
	for _, c := range []struct {
		name, query string
		args        func(i int) []int
	}{
		{"point", "select c from t where id = ?", func(i int) []int { return []int{i} }},
		{"range", "select c from t where id between ? and ?", func(i int) []int { return []int{i, i + 99} }},
		{"sum", "select sum(k) from t where id between ? and ?", func(i int) []int { return []int{i, i + 99} }},
		{"order", "select c from t where id between ? and ? order by c", func(i int) []int { return []int{i, i + 99} }},
		{"distinct", "select distinct c from t where id between ? and ? order by c", func(i int) []int { return []int{i, i + 99} }},
		{"points", "select id, k, c, pad from t where k in (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", spread(1)},
		{"ranges", ranges, spread(2)},
		{"update_index", "update t set k = k + 1 where id = ?", func(i int) []int { return []int{i} }},
		{"update_non_index", "update t set c = 'new' where id = ?", func(i int) []int { return []int{i} }},
		{"delete_insert", "delete from t where id = ?", func(i int) []int { return []int{i} }},
		{"insert", "insert into t (id, k, c, pad) values (?, ?, 'c', 'pad')", func(i int) []int { next++; return []int{next, i} }},
		{"begin", "begin", nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu(b)
			for i := range b.N {
				var args []int
				at := i*7919%(benchRows-100) + 1
				if c.args != nil {
					args = c.args(at)
				}
				run(b, c.query, args)
				if c.name == "delete_insert" {
					run(b, "insert into t (id, k, c, pad) values (?, ?, 'c', 'pad')", []int{at, at})
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/1000/float64(b.N), "cpu-µs/op")
			if c.name == "begin" {
				run(b, "rollback", nil)
			}
		})
	}
}

// cpu returns the process's CPU time: on a machine that does something else, too,
// it says more than the clock.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spread returns the arguments of ten points, or of ten ranges of six.
func spread(each int) func(int) []int {
	return func(i int) []int {
		var out []int
		for n := range 10 {
			at := (i+n*491)%benchRows + 1
			if out = append(out, at); each == 2 {
				out = append(out, at+5)
			}
		}
		return out
	}
}
