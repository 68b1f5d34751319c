package gms

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines without a database of them

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// A TIMESTAMP is stored as an instant, microseconds since 1970 UTC. In a statement it is what
// the clock of the session's time_zone shows at that instant, in a time.Time that says UTC, as
// DATETIME is: it becomes that when a row is decoded, and an instant again when a row or the
// bound of an index's range is encoded.

// timeZone is a session's time_zone. nil: it is UTC.
type timeZone time.Location

// again is UTC for clocks that have been set back: they show the value for the second time.
var again = time.FixedZone("UTC", 0)

// zoneCache is what the session's time_zone was when it was last asked for.
type zoneCache struct {
	name string
	zone *timeZone
}

// timeZone returns the session's time zone.
func (s *Session) timeZone(ctx *sql.Context) *timeZone {
	if !s.b.mysql {
		return nil
	}
	v, err := s.GetSessionVariable(ctx, "time_zone")
	name, ok := v.(string)
	if err != nil || !ok {
		return nil
	}
	if name != s.zone.name {
		s.zone = zoneCache{name, namedZone(name)}
	}
	return s.zone.zone
}

// zoneOf returns the time zone of a context's session.
func zoneOf(ctx context.Context) *timeZone {
	if c, ok := ctx.(*sql.Context); ok {
		if s, ok := c.Session.(evaluation); ok {
			return s.timeZone(c)
		}
	}
	return nil
}

// namedZone returns the zone that a value of time_zone is.
func namedZone(name string) *timeZone {
	z, _ := knownZone(name)
	return z
}

// knownZone returns the zone of a name or an offset, nil if that is UTC; false if there is none.
func knownZone(name string) (*timeZone, bool) {
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
	return (*timeZone)(loc), true
}

// checkZone refuses an offset that is out of range as the time_zone; the planner checks the rest.
func checkZone(variable string, value any) error {
	if !strings.EqualFold(variable, "time_zone") {
		return nil
	}
	name, _ := value.(string)
	if d, err := sql.MySQLOffsetToDuration(name); err == nil && !offsetInRange(d) {
		return sql.ErrInvalidTimeZone.New(name)
	}
	return nil
}

// setTime has NOW() in a statement be the moment that the session's variable timestamp says, if it is set.
func (s *Session) setTime(ctx *sql.Context) {
	v, err := s.BaseSession.GetSessionVariable(ctx, "timestamp")
	if at, ok := v.(float64); err == nil && ok && at > 0 {
		ctx.SetQueryTime(time.UnixMicro(int64(at * 1e6)))
	}
}

// offsetInRange reports whether a distance from UTC is one that MySQL takes.
func offsetInRange(d time.Duration) bool { return d > -14*time.Hour && d <= 14*time.Hour }

// isUTC reports whether a zone of a machine is UTC under another name.
func isUTC(loc *time.Location) bool {
	name, offset := time.Unix(0, 0).In(loc).Zone()
	_, end := time.Unix(0, 0).In(loc).ZoneBounds()
	return name == "UTC" && offset == 0 && end.IsZero()
}

// clock returns what the clock shows at an instant.
func (z *timeZone) clock(at time.Time) time.Time {
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

// instant returns when the clock shows a time: the first instant if there are two. If there
// is none, because the clock was put forward, it returns when that was, and false.
func (z *timeZone) instant(shown time.Time) (time.Time, bool) {
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
func (a *assigner) timestamp(ctx *sql.Context, column string, t time.Time, v any) (any, error) {
	zone := zoneOf(ctx)
	at, there := zone.instant(t)
	switch {
	case t.Equal(types.ZeroTime):
		return t, nil
	case at.Before(firstTimestamp) || at.After(lastTimestamp):
		return a.keep(ctx, column, incorrect(1292, "datetime", v, 1264), types.ZeroTime)
	case there:
		return t, nil
	}
	return a.keep(ctx, column, incorrect(1292, "datetime", v, 1299), zone.clock(at))
}

// zoned is a text of a date and time with its distance from UTC.
var zoned = regexp.MustCompile(`^(\d+\D\d+\D\d+[ T]+\d+:\d+:\d+(?:\.\d*)?)([+-])(\d\d):(\d\d)$`)

// atOffset returns what the session's clock shows at the time of a text that ends with an
// offset, and the text as it is if it does not.
func atOffset(ctx *sql.Context, v any) (any, error) {
	text, ok := v.(string)
	if !ok || len(text) < len("2000-1-1 0:0:0+00:00") {
		return v, nil
	}
	m := zoned.FindStringSubmatch(text)
	if m == nil {
		return v, nil
	}
	d, err := sql.MySQLOffsetToDuration(m[2] + m[3] + ":" + m[4])
	if err != nil || !offsetInRange(d) || m[2]+m[3]+m[4] == "-0000" || m[4] > "59" {
		return v, mysql.NewSQLError(1292, "22007", "Incorrect datetime value: '%s'", text)
	}
	t, _, err := types.DatetimeMaxPrecision.Convert(ctx, m[1])
	at, ok := t.(time.Time)
	if err != nil || !ok {
		return v, nil
	}
	return zoneOf(ctx).clock(at.Add(-d)), nil
}

// unixTimestamp is UNIX_TIMESTAMP of an argument. The planner takes a TIMESTAMP for an instant.
type unixTimestamp struct{ *builtin.UnixTimestamp }

var _ sql.FunctionExpression = unixTimestamp{}

func newUnixTimestamp(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	typed := slices.Clone(args)
	for i, a := range args {
		if v, ok := a.(*expression.UserVar); ok {
			if value, err := v.Eval(ctx, nil); err == nil && value != nil {
				typed[i] = expression.NewLiteral(shown(value), types.LongText)
				continue
			}
		}
		if subquery(ctx, a) || ownCall(ctx, a) { // the planner would evaluate it here
			typed[i] = expression.NewGetField(0, a.Type(ctx), "", true)
		}
	}
	e, err := builtin.NewUnixTimestamp(ctx, typed...)
	if err != nil || len(args) == 0 {
		return e, err
	}
	u := e.(*builtin.UnixTimestamp)
	u.Date = args[0]
	return unixTimestamp{u}, nil
}

// ownCall reports whether e calls a function of this package or reads a variable, which needs a session.
func ownCall(ctx *sql.Context, e sql.Expression) (found bool) {
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		switch e.(type) {
		case *function, *expression.UserVar, *expression.SystemVar:
			found = true
		}
		return !found
	})
	return found
}

// Type implements sql.Expression.
func (u unixTimestamp) Type(ctx *sql.Context) sql.Type {
	t := u.UnixTimestamp.Type(ctx)
	if d, ok := t.(sql.DecimalType); ok && d.Scale() == 0 {
		return types.Int64
	}
	return t
}

// WithChildren implements sql.Expression.
func (u unixTimestamp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newUnixTimestamp(ctx, children...)
}

// Eval implements sql.Expression.
func (u unixTimestamp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := u.Date.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	t, ok := v.(time.Time)
	if !ok {
		if v, err = atOffset(ctx, v); err != nil {
			return nil, err
		}
		if _, moment := v.(time.Time); !moment {
			if at, _, _, ok := readMoment(shown(v)); ok {
				v = at
			}
		}
		c, _, err := types.DatetimeMaxPrecision.Convert(ctx, v)
		if t, ok = c.(time.Time); !ok || err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%v'", v)
			return u.Type(ctx).Zero(), nil
		}
	}
	at, _ := zoneOf(ctx).instant(t)
	micros := at.UnixMicro()
	if micros < 1e6 || micros > builtin.MaxUnixTimeMicroSecs {
		return u.Type(ctx).Zero(), nil
	}
	if d, ok := u.Type(ctx).(sql.DecimalType); ok {
		for range 6 - int(d.Scale()) {
			micros /= 10
		}
		return apd.New(micros, -int32(d.Scale())), nil
	}
	return micros / 1e6, nil
}
