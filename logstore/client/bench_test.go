package client_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore/client"
)

// BenchmarkCommit has committers wait for their commits on six node processes on
// loopback: 9 records and about 700 bytes each. It
// reports commits per second, percentiles, and CPU per commit of the writer's process
// and of the six nodes.
func BenchmarkCommit(b *testing.B) {
	for _, committers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("committers=%d", committers), func(b *testing.B) { benchmarkCommit(b, committers) })
	}
}

func benchmarkCommit(b *testing.B, committers int) {
	ctx := context.Background()
	c := newCluster(b, true, 1<<20)
	var answers atomic.Int64
	o := c.options()
	o.Answered = func() { answers.Add(1) }
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	var lock, mu sync.Mutex
	var took []time.Duration
	n := 0
	one := func(p redo.PageID) error {
		var rs []redo.Record
		for i := range redo.PageID(3) {
			for range 3 {
				rs = append(rs, records(p+i, 7, 200)[:1]...)
				rs[len(rs)-1].Payload = append(rs[len(rs)-1].Payload, make([]byte, 0, 8)...)
			}
		}
		rs = append(rs, records(p, 7, 540)[1])
		lock.Lock()
		err := v.Append([]redo.MTR{{Records: rs}})
		lock.Unlock()
		if err != nil {
			return err
		}
		return v.WaitVDL(ctx, rs[len(rs)-1].LSN)
	}
	acks := answers.Load()
	self, nodes := cpu(b, os.Getpid()), c.cpu(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for k := range committers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				mu.Lock()
				n++
				done := n > b.N
				mu.Unlock()
				if done {
					return
				}
				began := time.Now()
				if err := one(redo.PageID(10*k + 1)); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(answers.Load()-acks)/float64(b.N), "acks/commit")
	b.ReportMetric(float64((cpu(b, os.Getpid())-self).Microseconds())/float64(b.N), "writer-cpu-µs")
	b.ReportMetric(float64((c.cpu(b)-nodes).Microseconds())/float64(b.N), "nodes-cpu-µs")
}

// cpu returns the processor time a process has used.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	s, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(s[strings.LastIndexByte(string(s), ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (c *cluster) cpu(b *testing.B) (sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.nodes {
		sum += cpu(b, r.cmd.Process.Pid)
	}
	return sum
}
