package expr

import (
	"regexp"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

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
	if err != nil || !value.OffsetInRange(d) || m[2]+m[3]+m[4] == "-0000" || m[4] > "59" {
		return v, mysql.NewSQLError(1292, "22007", "Incorrect datetime value: '%s'", text)
	}
	t, _, err := types.DatetimeMaxPrecision.Convert(ctx, m[1])
	at, ok := t.(time.Time)
	if err != nil || !ok {
		return v, nil
	}
	return value.ZoneOf(ctx).Clock(at.Add(-d)), nil
}

// unixTimestamp is UNIX_TIMESTAMP of an argument. The planner takes a TIMESTAMP for an instant.
type unixTimestamp struct{ *builtin.UnixTimestamp }

var _ sql.FunctionExpression = unixTimestamp{}

// NewUnixTimestamp returns UNIX_TIMESTAMP. Returns the planner's error of a wrong number of arguments.
func NewUnixTimestamp(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	typed := slices.Clone(args)
	for i, a := range args {
		if v, ok := a.(*expression.UserVar); ok {
			if val, err := v.Eval(ctx, nil); err == nil && val != nil {
				typed[i] = expression.NewLiteral(value.Shown(val), types.LongText)
				continue
			}
		}
		if subquery(ctx, a) || ownCall(ctx, a) || types.IsBinaryType(a.Type(ctx)) { // the planner would evaluate it here
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
		case *Function, *expression.UserVar, *expression.SystemVar:
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
	return NewUnixTimestamp(ctx, children...)
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
			if at, _, _, ok := ReadMoment(ctx, value.Shown(v)); ok {
				v = at
			}
		}
		c, _, err := types.DatetimeMaxPrecision.Convert(ctx, v)
		if t, ok = c.(time.Time); !ok || err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%v'", v)
			return u.Type(ctx).Zero(), nil
		}
	}
	at, _ := value.ZoneOf(ctx).Instant(t)
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
