package function

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// jsonValueOf is JSON_VALUE with clauses, of a type.
func jsonValueOf(ctx *sql.Context, args []sql.Expression) (sql.Expression, error) {
	text, ok := expr.LiteralText(args[2])
	if !ok {
		return nil, sql.ErrInvalidArgumentNumber.New("json_value", 2, len(args))
	}
	t, err := returning(text)
	if err != nil {
		return nil, err
	}
	return &expr.Function{Args: args, Def: &expr.FunctionDef{Name: "json_value", Args: expr.AnyArgs, Pure: true, Typ: t,
		Eval: func(ctx *sql.Context, args []any) (any, error) { return jsonValueEval(ctx, t, args) }}}, nil
}

// returningType is a type of RETURNING.
var returningType = regexp.MustCompile(`(?i)^\s*([a-z]+)(?:\s+integer)?\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(?:\s+(?:character\s+set|charset)\s+\w+)?\s*$`)

func returning(text string) (sql.Type, error) {
	if text == "" {
		return types.MustCreateStringWithDefaults(sqltypes.VarChar, 512), nil
	}
	m := returningType.FindStringSubmatch(text)
	if m == nil {
		return nil, value.ErrNotSupported("RETURNING " + text)
	}
	a, _ := strconv.Atoi(m[2])
	b, _ := strconv.Atoi(m[3])
	switch strings.ToLower(m[1]) {
	case "signed":
		return types.Int64, nil
	case "unsigned":
		return types.Uint64, nil
	case "float":
		return types.Float32, nil
	case "double", "real":
		return types.Float64, nil
	case "decimal", "dec", "numeric":
		if m[2] == "" {
			a = 10
		}
		return types.CreateDecimalType(uint8(min(a, 65)), uint8(min(b, 30)))
	case "date":
		return types.Date, nil
	case "time":
		return types.Time, nil
	case "datetime":
		return types.CreateDatetimeType(sqltypes.Datetime, a)
	case "year":
		return types.Year, nil
	case "json":
		return types.JSON, nil
	case "char":
		if m[2] == "" {
			return types.LongText, nil
		}
		return types.CreateStringWithDefaults(sqltypes.VarChar, int64(max(a, 1)))
	}
	return nil, value.ErrNotSupported("RETURNING " + text)
}

func jsonValueEval(ctx *sql.Context, t sql.Type, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	path, err := value.TextOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	p, err := ParseJSONPath(path)
	if err != nil {
		return nil, err
	}
	otherwise := func(action, value any, failed error) (any, error) {
		switch action {
		case "error":
			return nil, failed
		case "default":
			v, _, err := t.Convert(ctx, value)
			return v, err
		}
		return nil, nil
	}
	doc, err := value.JSONOf(ctx, args[0], 1, "json_value")
	if err != nil {
		return otherwise(args[5], args[6], err)
	}
	found := find(doc, p.legs)
	switch {
	case len(found) == 0:
		return otherwise(args[3], args[4], mysql.NewSQLError(3966, "22035", "No value was found by 'json_value' on the specified path."))
	case len(found) > 1:
		return otherwise(args[5], args[6], mysql.NewSQLError(3967, "22034", "More than one value was found by 'json_value' on the specified path."))
	case found[0] == nil:
		return nil, nil
	case types.IsJSON(t):
		return value.NewDocument(found[0]), nil
	}
	v, ok := jsonScalar(ctx, t, found[0])
	if !ok {
		return otherwise(args[5], args[6], mysql.NewSQLError(3156, "22018",
			"Invalid JSON value for CAST to %s from column json_value at row 1", value.CastName(t)))
	}
	return v, nil
}

// jsonScalar returns a value of a document in a type, false if it is none of it.
func jsonScalar(ctx *sql.Context, t sql.Type, v any) (any, bool) {
	if s, ok := v.(value.TypedScalar); ok {
		if v = s.Plain(); types.IsText(t) {
			v = s.Text
		}
	}
	switch x := v.(type) {
	case map[string]any, []any:
		return nil, false
	case bool:
		if types.IsText(t) {
			return strconv.FormatBool(x), true
		}
		v = int64(0)
		if x {
			v = int64(1)
		}
	case float64:
		if types.IsInteger(t) {
			v = math.RoundToEven(x)
		}
		if types.IsText(t) {
			v = strconv.FormatFloat(x, 'f', -1, 64)
		}
	case string:
		if types.IsNumber(t) {
			if _, _, err := apd.NewFromString(strings.TrimSpace(x)); err != nil {
				return nil, false
			}
			if _, err := strconv.ParseInt(x, 10, 64); err != nil && types.IsInteger(t) {
				return nil, false
			}
		}
	}
	c, in, err := t.Convert(ctx, v)
	if s, text := c.(string); text {
		if l, ok := t.(sql.StringType); ok && int64(len([]rune(s))) > l.MaxCharacterLength() {
			return nil, false
		}
	}
	return c, err == nil && in == sql.InRange
}
