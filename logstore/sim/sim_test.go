package sim_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"sextant/logstore/sim"
)

var (
	seeds  = flag.Int("seeds", 200, "how many seeds TestSeeds runs")
	first  = flag.Uint64("first", 0, "the first of them")
	seed   = flag.String("seed", "", "the seed that TestSeed runs, 0x…")
	events = flag.Bool("events", false, "TestSeed prints every event")
	once   = flag.Bool("once", false, "TestSeeds runs each seed once and needs no counts")
)

// TestSeeds runs many seeds, each twice: equal seeds must give equal traces. Over
// all of them, everything that the simulator is for must have happened.
func TestSeeds(t *testing.T) {
	began := time.Now()
	counts, ran := runSeeds(t, *seeds)
	took := time.Since(began)
	v := reflect.ValueOf(counts)
	for i := range v.NumField() {
		t.Logf("%-16s %9d", v.Type().Field(i).Name, v.Field(i).Int())
		if v.Field(i).Int() == 0 && !*once && !t.Failed() {
			t.Errorf("%s is 0 in %d seeds", v.Type().Field(i).Name, ran)
		}
	}
	t.Logf("%d seeds in %.1f s: %.1f seeds per second", ran, took.Seconds(), float64(ran)/took.Seconds())
}

// progressEvery is how often a long run says how far it is.
const progressEvery = 20 * time.Second

// runSeeds runs n seeds, until one fails.
func runSeeds(t *testing.T, n int) (counts sim.Counts, ran int) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a quarter less time; a run has little alive
	var mu sync.Mutex
	next, began, told := 0, time.Now(), time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				s := *first + uint64(next)
				next++
				stop := next > n || t.Failed()
				mu.Unlock()
				if stop {
					return
				}
				r := sim.Run(sim.Options{Seed: s})
				again := r.Hash
				if r.Err == nil && !*once {
					again = sim.Run(sim.Options{Seed: s}).Hash
				}
				mu.Lock()
				ran++
				counts.Add(&r.Counts)
				if time.Since(told) > progressEvery {
					told = time.Now()
					t.Logf("%d of %d seeds, %.1f per second", ran, n, float64(ran)/time.Since(began).Seconds())
				}
				if r.Err != nil {
					report(t, s, r.Err)
				} else if again != r.Hash {
					t.Errorf("seed=%#x: two runs differ: trace hashes %#x and %#x", s, r.Hash, again)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return counts, ran
}

func report(t *testing.T, s uint64, err error) {
	t.Helper()
	check := "?"
	var v *sim.Violation
	if errors.As(err, &v) {
		check = v.Check
	}
	t.Errorf("seed=%#x : go test ./logstore/sim -run TestSeed -seed=%#x\nviolation of %s: %v", s, s, check, err)
}

// TestSeed runs one seed, given by -seed; without it, seed 0. -events prints every event.
func TestSeed(t *testing.T) {
	s := uint64(0)
	if *seed != "" {
		var err error
		if s, err = strconv.ParseUint(*seed, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	o := sim.Options{Seed: s}
	if *events {
		o.Trace = os.Stdout
	}
	r := sim.Run(o)
	t.Log(fmt.Sprintf("hash %#x, %+v", r.Hash, r.Counts))
	if r.Err != nil {
		report(t, s, r.Err)
	}
}
