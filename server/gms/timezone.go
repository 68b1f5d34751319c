package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/value"
)

// zoneCache is what the session's time_zone was when it was last asked for.
type zoneCache struct {
	name string
	zone *value.TimeZone
}

// TimeZone returns the session's time zone.
func (s *Session) TimeZone(ctx *sql.Context) *value.TimeZone {
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

// namedZone returns the zone that a value of time_zone is.
func namedZone(name string) *value.TimeZone {
	z, _ := value.KnownZone(name)
	return z
}

// checkZone refuses an offset that is out of range as the time_zone; the planner checks the rest.
func checkZone(variable string, val any) error {
	if !strings.EqualFold(variable, "time_zone") {
		return nil
	}
	name, _ := val.(string)
	if d, err := sql.MySQLOffsetToDuration(name); err == nil && !value.OffsetInRange(d) {
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
