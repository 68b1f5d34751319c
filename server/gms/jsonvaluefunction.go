package gms

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// jsonValueClauses are what follows the path of a JSON_VALUE.
var jsonValueClauses = regexp.MustCompile(`(?is)^(?:returning\s+(.+?))?` +
	`(?:\s*\b(null|error|default\s+(.+?))\s+on\s+empty)?(?:\s*\b(null|error|default\s+(.+?))\s+on\s+error)?\s*$`)

// Comments keep the clauses as they were sent, and where the arguments that are made of them end.
const (
	clausesMark = "/*_returning "
	clausesEnd  = "/*_end*/"
)

// keptClauses are the arguments that jsonValue makes, with their comments.
var keptClauses = regexp.MustCompile("(?s)" + regexp.QuoteMeta(clausesMark) + `(.*?)\*/.*?` + regexp.QuoteMeta(clausesEnd))

// withClauses returns a text with the clauses of its JSON_VALUEs as they were sent.
func withClauses(text string) string {
	if !strings.Contains(text, clausesMark) {
		return text
	}
	return keptClauses.ReplaceAllString(text, "$1")
}

// replacement is what is put in the place of a part of a text, which ends there.
type replacement struct {
	end  int
	text string
}

// jsonValue makes arguments of the clauses of a JSON_VALUE whose parenthesis is at a position: the
// type, what is done if nothing is found and on an error, and their defaults.
func (r *marking) jsonValue(at int) {
	end := r.closed(at) - 1
	depth, commas := 0, 0
	for p := at; p < end; {
		word, next := nextWord(r.q, p)
		switch {
		case word == " " && r.q[p] == '(':
			depth++
		case word == " " && r.q[p] == ')':
			depth--
		case word == " " && r.q[p] == ',' && depth == 1:
			commas++
		case depth == 1 && commas == 1 && (strings.EqualFold(word, "returning") || strings.EqualFold(word, "null") ||
			strings.EqualFold(word, "error") || strings.EqualFold(word, "default")):
			m := jsonValueClauses.FindStringSubmatch(r.q[p:end])
			if m == nil || strings.ContainsAny(m[1], `'"`) {
				return
			}
			text := ", '" + m[1] + "'"
			for i := 2; i < len(m); i += 2 {
				kind, value, _ := strings.Cut(strings.ToLower(m[i]), " ")
				if value = m[i+1]; value == "" {
					value = "null"
				}
				text += ", '" + kind + "', " + value
			}
			if r.clauses == nil {
				r.clauses = map[int]replacement{}
			}
			if !strings.Contains(r.q[p:end], "*/") {
				text = clausesMark + r.q[p:end] + "*/" + text + clausesEnd
			}
			r.clauses[p] = replacement{end, text}
			return
		}
		p = next
	}
}

// jsonValueOf is JSON_VALUE with clauses, of a type.
func jsonValueOf(ctx *sql.Context, args []sql.Expression) (sql.Expression, error) {
	text, ok := literalText(args[2])
	if !ok {
		return nil, sql.ErrInvalidArgumentNumber.New("json_value", 2, len(args))
	}
	t, err := returning(text)
	if err != nil {
		return nil, err
	}
	return &function{args: args, def: &functionDef{name: "json_value", args: anyArgs, pure: true, typ: t,
		eval: func(ctx *sql.Context, args []any) (any, error) { return jsonValueEval(ctx, t, args) }}}, nil
}

// returningType is a type of RETURNING.
var returningType = regexp.MustCompile(`(?i)^\s*([a-z]+)(?:\s+integer)?\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(?:\s+(?:character\s+set|charset)\s+\w+)?\s*$`)

func returning(text string) (sql.Type, error) {
	if text == "" {
		return types.MustCreateStringWithDefaults(sqltypes.VarChar, 512), nil
	}
	m := returningType.FindStringSubmatch(text)
	if m == nil {
		return nil, errNotSupported("RETURNING " + text)
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
	return nil, errNotSupported("RETURNING " + text)
}

func jsonValueEval(ctx *sql.Context, t sql.Type, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	path, err := textOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	p, err := parseJSONPath(path)
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
	doc, err := jsonOf(ctx, args[0], 1, "json_value")
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
		return newDocument(found[0]), nil
	}
	v, ok := jsonScalar(ctx, t, found[0])
	if !ok {
		return otherwise(args[5], args[6], mysql.NewSQLError(3156, "22018",
			"Invalid JSON value for CAST to %s from column json_value at row 1", castName(t)))
	}
	return v, nil
}

// jsonScalar returns a value of a document in a type, false if it is none of it.
func jsonScalar(ctx *sql.Context, t sql.Type, v any) (any, bool) {
	if s, ok := v.(typedScalar); ok {
		if v = s.plain(); types.IsText(t) {
			v = s.text
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

// castName is a type as error 3156 names it.
func castName(t sql.Type) string {
	switch {
	case types.IsInteger(t):
		return "INTEGER"
	case types.IsDecimal(t):
		return "DECIMAL"
	case types.IsFloat(t):
		return "DOUBLE"
	}
	return cmp.Or(momentType(t), "CHAR")
}
