package gms_test

import (
	"fmt"
	"testing"
	"time"
)

// TestEventsOfOneInstant: of many events that are due at one time every one runs, none is
// taken for past while others run.
func TestEventsOfOneInstant(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "create database ev", "use ev", "create table ran (event int primary key)")
	at := one(t, c, "select now() + interval 4 second")
	const events = 8
	for n := range events {
		must(t, c, fmt.Sprintf("create event once%d on schedule at '%s' on completion preserve do insert into ran values (%d)", n, at, n))
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		disabled := oneInt(t, c, "select count(*) from information_schema.events where status = 'DISABLED'")
		ran := oneInt(t, c, "select count(*) from ran")
		if disabled == events && ran == events {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d events %d are over and %d ran", events, disabled, ran)
		}
	}
}
