package gms

import (
	"context"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

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
		modes, err := t.BitsToString(bits)
		if err != nil {
			return nil, in, err
		}
		if slices.Contains(strings.Split(modes, ","), sql.NoBackslashEscapes) {
			return nil, in, errMode(sql.NoBackslashEscapes)
		}
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
