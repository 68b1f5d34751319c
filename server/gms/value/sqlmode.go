package value

import (
	"context"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// SQLModes are the modes by MySQL's bits, in whose order sql_mode lists them. The bits of modes that it had once are
// notUsed with a number.
var SQLModes = []string{
	"REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", notUsed, "ONLY_FULL_GROUP_BY", "NO_UNSIGNED_SUBTRACTION",
	"NO_DIR_IN_CREATE", notUsed + "_9", notUsed + "_10", notUsed + "_11", notUsed + "_12", notUsed + "_13", notUsed + "_14",
	notUsed + "_15", notUsed + "_16", notUsed + "_17", notUsed + "_18", "ANSI", "NO_AUTO_VALUE_ON_ZERO", "NO_BACKSLASH_ESCAPES",
	"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES", "ERROR_FOR_DIVISION_BY_ZERO",
	"TRADITIONAL", notUsed + "_29", "HIGH_NOT_PRECEDENCE", "NO_ENGINE_SUBSTITUTION", "PAD_CHAR_TO_FULL_LENGTH", "TIME_TRUNCATE_FRACTIONAL",
}

const notUsed = "NOT_USED"

// combined are the modes that stand for others besides themselves.
var combined = map[string]string{
	"ANSI": "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY",
	"TRADITIONAL": "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO," +
		"NO_ENGINE_SUBSTITUTION",
}

// ModeType is the type of sql_mode.
type ModeType struct{ SetVariable }

// SetVariable is what the planner asks of the type of a system variable that is a SET.
type SetVariable interface {
	sql.SetType
	sql.SystemVariableType
	sql.CollationCoercible
}

// Convert implements sql.Type.
func (t ModeType) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	set, in, err := t.SetVariable.Convert(ctx, v)
	if text, ok := v.(string); ok {
		for _, mode := range strings.Split(text, ",") {
			known := slices.ContainsFunc(t.Values(), func(m string) bool { return strings.EqualFold(m, mode) })
			if mode != "" && !known {
				return nil, in, errMode(mode)
			}
		}
	} else if v == nil {
		return nil, in, errMode("NULL")
	} else if err != nil && inexact(v) {
		return nil, in, mysql.NewSQLError(mysql.ERWrongTypeForVar, "42000", "Incorrect argument type to variable 'sql_mode'")
	} else if err != nil {
		return nil, in, errMode(Shown(v))
	}
	if bits, ok := set.(uint64); ok && err == nil {
		all, err := t.BitsToString(bits)
		if err != nil {
			return nil, in, err
		}
		var kept []string
		for _, mode := range strings.Split(all, ",") {
			if mode == notUsed {
				return nil, in, mysql.NewSQLError(3899, "HY000", "sql_mode=0x%08x is not supported.", 1<<slices.Index(SQLModes, mode))
			}
			if strings.HasPrefix(mode, notUsed) { // MySQL ignores it
				continue
			}
			kept = append(kept, mode)
			if others := combined[mode]; others != "" {
				kept = append(kept, others)
			}
		}
		return t.SetVariable.Convert(ctx, strings.Join(kept, ","))
	}
	return set, in, err
}

// inexact reports whether a value is a number with a point.
func inexact(v any) bool {
	switch v.(type) {
	case float32, float64, *apd.Decimal:
		return true
	}
	return false
}

func errMode(mode string) error {
	return mysql.NewSQLError(mysql.ERWrongValueForVar, "42000", "Variable 'sql_mode' can't be set to the value of '%s'", mode)
}
