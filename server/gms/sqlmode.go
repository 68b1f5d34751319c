package gms

import (
	"context"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// sqlModes are the modes in the order of MySQL's bits, in which sql_mode lists them.
var sqlModes = []string{
	"REAL_AS_FLOAT", "PIPES_AS_CONCAT", "ANSI_QUOTES", "IGNORE_SPACE", "ONLY_FULL_GROUP_BY", "NO_UNSIGNED_SUBTRACTION",
	"NO_DIR_IN_CREATE", "ANSI", "NO_AUTO_VALUE_ON_ZERO", "NO_BACKSLASH_ESCAPES", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES",
	"NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES", "ERROR_FOR_DIVISION_BY_ZERO", "TRADITIONAL", "NO_AUTO_CREATE_USER",
	"HIGH_NOT_PRECEDENCE", "NO_ENGINE_SUBSTITUTION", "PAD_CHAR_TO_FULL_LENGTH", "TIME_TRUNCATE_FRACTIONAL",
}

// combined are the modes that stand for others besides themselves.
var combined = map[string]string{
	"ANSI": "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY",
	"TRADITIONAL": "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO," +
		"NO_ENGINE_SUBSTITUTION",
}

// modeType is the type of sql_mode. It refuses NO_BACKSLASH_ESCAPES: the lexers take
// backslashes for escapes always, and a client that relies on the mode to quote what its
// users send must not believe that it has it.
type modeType struct{ setVariable }

type setVariable interface {
	sql.SetType
	sql.SystemVariableType
	sql.CollationCoercible
}

// Convert implements sql.Type.
func (t modeType) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	set, in, err := t.setVariable.Convert(ctx, v)
	if text, ok := v.(string); ok && err != nil {
		for _, mode := range strings.Split(text, ",") {
			known := slices.ContainsFunc(t.Values(), func(m string) bool { return strings.EqualFold(m, mode) })
			if !known {
				return nil, in, errMode(mode)
			}
		}
	}
	if bits, ok := set.(uint64); ok && err == nil {
		all, err := t.BitsToString(bits)
		if err != nil {
			return nil, in, err
		}
		for _, mode := range strings.Split(all, ",") {
			if mode == sql.NoBackslashEscapes {
				return nil, in, errMode(mode)
			}
			if others := combined[mode]; others != "" {
				all += "," + others
			}
		}
		return t.setVariable.Convert(ctx, all)
	}
	return set, in, err
}

func errMode(mode string) error {
	return mysql.NewSQLError(mysql.ERWrongValueForVar, "42000", "Variable 'sql_mode' can't be set to the value of '%s'", mode)
}

// ansiQuotes reports whether "x" is an identifier in a statement.
func ansiQuotes(ctx context.Context) bool {
	sctx, _ := ctx.(*sql.Context)
	return sctx != nil && sql.LoadSqlMode(sctx).AnsiQuotes()
}
