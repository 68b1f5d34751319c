package value

import (
	"context"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines without a database of them

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// A TIMESTAMP is stored as an instant, microseconds since 1970 UTC. In a statement it is what
// the clock of the session's time_zone shows at that instant, in a time.Time that says UTC, as
// DATETIME is: it becomes that when a row is decoded, and an instant again when a row or the
// bound of an index's range is encoded.

// TimeZone is a session's time_zone. nil: it is UTC.
type TimeZone time.Location

// again is UTC for clocks that have been set back: they show the value for the second time.
var again = time.FixedZone("UTC", 0)

// ZoneOf returns the time zone of a context's session.
func ZoneOf(ctx context.Context) *TimeZone {
	if c, ok := ctx.(*sql.Context); ok {
		if s, ok := c.Session.(Evaluation); ok {
			return s.TimeZone(c)
		}
	}
	return nil
}

// KnownZone returns the zone of a name or an offset, nil if that is UTC; false if there is none.
func KnownZone(name string) (*TimeZone, bool) {
	loc := time.UTC
	if strings.EqualFold(name, "SYSTEM") {
		loc = time.Local
	} else if d, err := sql.MySQLOffsetToDuration(name); err == nil {
		loc = time.FixedZone(name, int(d/time.Second))
	} else if name == "" || name == "Local" {
		return nil, false
	} else if loc, err = time.LoadLocation(name); err != nil {
		return nil, strings.EqualFold(name, "UTC")
	}
	if loc.String() == "UTC" || loc == time.Local && time.Local.String() == "Local" && isUTC(loc) {
		return nil, true
	}
	return (*TimeZone)(loc), true
}

// OffsetInRange reports whether a distance from UTC is one that MySQL takes.
func OffsetInRange(d time.Duration) bool { return d > -14*time.Hour && d <= 14*time.Hour }

// isUTC reports whether a zone of a machine is UTC under another name.
func isUTC(loc *time.Location) bool {
	name, offset := time.Unix(0, 0).In(loc).Zone()
	_, end := time.Unix(0, 0).In(loc).ZoneBounds()
	return name == "UTC" && offset == 0 && end.IsZero()
}

// Clock returns what the clock shows at an instant.
func (z *TimeZone) Clock(at time.Time) time.Time {
	if z == nil || at.Equal(types.ZeroTime) {
		return at
	}
	local := at.In((*time.Location)(z))
	_, offset := local.Zone()
	shown := at.UTC().Add(time.Duration(offset) * time.Second)
	if start, _ := local.ZoneBounds(); !start.IsZero() {
		if _, before := start.Add(-1).Zone(); at.Sub(start) < time.Duration(before-offset)*time.Second {
			return shown.In(again)
		}
	}
	return shown
}

// Instant returns when the clock shows a time: the first instant if there are two. If there
// is none, because the clock was put forward, it returns when that was, and false.
func (z *TimeZone) Instant(shown time.Time) (time.Time, bool) {
	if z == nil || shown.Equal(types.ZeroTime) {
		return shown, true
	}
	second := shown.Location() == again
	shown = shown.UTC()
	loc := (*time.Location)(z)
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(loc).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(shown.Add(-24*time.Hour)), offset(shown.Add(24*time.Hour))
	if second {
		before, after = min(before, after), max(before, after)
	}
	for _, d := range []time.Duration{before, after} {
		if at := shown.Add(-d); offset(at) == d {
			return at, true
		}
	}
	start, _ := shown.Add(-before).In(loc).ZoneBounds()
	return start.UTC(), false
}

// The first and the last TIMESTAMP.
var (
	firstTimestamp = time.Unix(1, 0)
	lastTimestamp  = time.Unix(math.MaxInt32, 999999000)
)

// timestamp assigns to a TIMESTAMP column what is to be its value: one that the clock never
// shows becomes the next it shows, one that is out of range '0000-00-00', unless strict.
func (a *Assigner) timestamp(ctx *sql.Context, column string, t time.Time, v any) (any, error) {
	zone := ZoneOf(ctx)
	at, there := zone.Instant(t)
	switch {
	case t.Equal(types.ZeroTime):
		return t, nil
	case at.Before(firstTimestamp) || at.After(lastTimestamp):
		return a.Keep(ctx, column, incorrect(1292, "datetime", v, 1264), types.ZeroTime)
	case there:
		return t, nil
	}
	return a.Keep(ctx, column, incorrect(1292, "datetime", v, 1299), zone.Clock(at))
}
