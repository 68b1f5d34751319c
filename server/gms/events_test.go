package gms_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms"
)

// TestEventsAreDue: turns are counted from STARTS, however late the one before ran; those
// missed while no scheduler ran, or before an ALTER, are not made up for, but an event of one
// time is.
func TestEventsAreDue(t *testing.T) {
	at := func(s float64) time.Time {
		return time.Unix(1700000000, 0).Add(time.Duration(s * float64(time.Second))).UTC()
	}
	every := func(starts, altered, last float64) sql.EventDefinition {
		e := sql.EventDefinition{Status: "ENABLE", ExecuteEvery: "2 SECOND", Starts: at(starts), LastAltered: at(altered)}
		if last != 0 {
			e.LastExecuted = at(last)
		}
		return e
	}
	once := func(when, altered float64) sql.EventDefinition {
		return sql.EventDefinition{Status: "ENABLE", HasExecuteAt: true, ExecuteAt: at(when), LastAltered: at(altered)}
	}
	ending := every(100, 100, 104)
	ending.HasEnds, ending.Ends = true, at(107)
	disabled := once(100, 90)
	disabled.Status = "DISABLE"
	for _, c := range []struct {
		name      string
		ev        sql.EventDefinition
		now       float64
		run, over bool
	}{
		{"first turn", every(100, 100, 0), 100.05, true, false},
		{"before STARTS", every(100, 90, 0), 99.9, false, false},
		{"ran late, not due", every(100, 100, 100.9), 101.9, false, false},
		{"ran late, due on time", every(100, 100, 100.9), 102, true, false},
		{"three turns late", every(100, 100, 100), 107.5, true, false},
		{"after three turns late", every(100, 100, 107.5), 107.9, false, false},
		{"missed before the start", every(10, 10, 20), 50.5, false, false},
		{"first after the start", every(10, 10, 20), 52, true, false},
		{"missed before an ALTER", every(60, 200, 70), 200.5, false, false},
		{"first after an ALTER", every(60, 200, 70), 202, true, false},
		{"last before ENDS", ending, 106, true, true},
		{"after ENDS", func() sql.EventDefinition { e := ending; e.LastExecuted = at(106); return e }(), 108, false, true},
		{"once, not yet", once(100, 90), 99.9, false, false},
		{"once", once(100, 90), 100, true, true},
		{"once, late", once(100, 90), 5000, true, true},
		{"once, missed before the start", once(40, 30), 50, true, true},
		{"once, past when it was altered", once(40, 60), 61, false, true},
		{"disabled", disabled, 101, false, false},
	} {
		run, over, err := gms.EventDue(at(50), c.ev, at(c.now))
		if err != nil || run != c.run || over != c.over {
			t.Errorf("%s: run %v, over %v, %v", c.name, run, over, err)
		}
	}
}

// TestEventsOfOneInstant: of many events that are due at one time every one runs, none is
// taken for past while others run.
func TestEventsOfOneInstant(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "create database ev", "use ev", "create table ran (event int primary key, definer varchar(99))")
	at := one(t, c, "select now() + interval 4 second")
	const events = 8
	for n := range events {
		must(t, c, fmt.Sprintf("create event once%[1]d on schedule at '%[2]s' on completion preserve do begin insert into ran values (%[1]d, ''); update ran set definer = concat(user(), current_user()) where event = %[1]d; end", n, at))
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		disabled := oneInt(t, c, "select count(*) from information_schema.events where status = 'DISABLED' and last_executed >= execute_at")
		ran := oneInt(t, c, "select count(*) from ran where definer = 'root@localhostroot@localhost'")
		if disabled == events && ran == events {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d events %d are over and %d ran", events, disabled, ran)
		}
	}
}
