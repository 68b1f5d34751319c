package gms

import (
	"context"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// local is a variable or a parameter of a stored program, what a function returns, or a column of NEW or OLD. Its values are
// those of a column of its type.
type local struct {
	name     string
	typ      sql.Type
	column   *engine.ColumnDef // of its definition its notes alone are right; nil: it has none
	value    any
	assigned bool  // since it was made
	gone     error // it is a column that there is no more
}

// newLocal returns a variable of a declared type. A text that names neither a character set nor a collation has that of the
// program's database.
func newLocal(name string, t *ast.ColumnType, database sql.CollationID) (local, error) {
	c, l := *t, local{name: name}
	if err := rewrite.CheckType(name, &c); err != nil {
		return l, err
	}
	switch strings.ToLower(c.Type) {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		if c.Charset == "" && c.Collate == "" {
			c.Collate = database.Name()
		}
	case "time":
		l.note(expr.OptPrecision, strconv.Itoa(max(rewrite.Number(c.Length), 0)))
		c.Length = nil
	}
	if format := definedFormat(&c); format != "" {
		l.note(expr.OptFormat, format)
	}
	var err error
	l.typ, err = types.ColumnTypeToType(&c)
	return l, err
}

// note adds a note to the variable's definition.
func (l *local) note(key, text string) {
	if l.column == nil {
		l.column = &engine.ColumnDef{Options: map[string]string{}}
	}
	l.column.Options[key] = text
}

// digits returns those of the seconds of a TIME.
func (l *local) digits() int {
	if l.column == nil {
		return 0
	}
	return max(expr.Precision(l.column), 0)
}

// assign gives a variable what an expression is, by the rules for columns.
func (l *local) assign(ctx *sql.Context, e sql.Expression, row sql.Row) error {
	if l.gone != nil {
		return l.gone
	}
	e, _ = assignedAs(ctx, e, l.typ)
	v, err := e.Eval(ctx, row)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err == nil && v != nil {
		v, err = l.kept(ctx, v)
	}
	if err == nil {
		l.value, l.assigned = v, true
	}
	return err
}

// kept returns a value as a column of the variable's type has it, the error of strict mode if it cannot.
func (l *local) kept(ctx *sql.Context, v any) (any, error) {
	a := value.Assigner{Row: 1}
	if l.column != nil {
		a.Format, _ = expr.FormatOf(l.column)
	}
	v, err := a.Assign(ctx, l.name, l.typ, v)
	if err != nil || v == nil {
		return v, err
	}
	if v, _, err = l.typ.Convert(ctx, v); err != nil {
		return nil, err
	}
	if v == uint16(0) && l.typ.Type() == sqltypes.Enum {
		return a.Keep(ctx, l.name, value.Truncated, v)
	}
	return l.stored(ctx, v), nil
}

// stored returns a value of the variable's type as it is read again from a column: a CHAR without the blanks at its end, a TIME
// with its digits.
func (l *local) stored(ctx *sql.Context, v any) any {
	switch x := v.(type) {
	case types.Timespan:
		if l.column != nil {
			return columnSpan(ctx, x, expr.Precision(l.column))
		}
	case string:
		if l.typ.Type() == sqltypes.Char {
			return strings.TrimRight(x, " ")
		}
	}
	return v
}

// expression returns the variable's value as an expression of its type.
func (l *local) expression() sql.Expression {
	if l.gone != nil {
		return failing{expression.NewLiteral(nil, types.Null), l.gone}
	}
	typ := l.typ
	if t := clockType(typ); t != nil {
		typ = t
	}
	lit := expression.NewLiteral(l.value, typ)
	if types.IsSigned(typ) || types.IsDecimal(typ) || types.IsFloat(typ) || types.IsTime(typ) || types.IsBoolean(typ) {
		if l.column == nil {
			return lit
		}
	}
	return &expr.Local{Literal: lit, Column: l.column}
}

// failing is what cannot be named.
type failing struct {
	*expression.Literal
	err error
}

// Eval implements sql.Expression.
func (f failing) Eval(*sql.Context, sql.Row) (any, error) { return nil, f.err }

// WithResolvedChildren implements ast.Injectable.
func (f failing) WithResolvedChildren(context.Context, []any) (any, error) { return nil, f.err }

// tree returns the variable's value for the tree of a statement.
func (l *local) tree() ast.Expr {
	return ast.InjectedExpr{Auth: rewrite.Open, Expression: l.expression().(ast.Injectable)}
}

// databaseCollation returns the collation of a database's texts, the server's if there is none.
func (s *Session) databaseCollation(ctx *sql.Context, name string) sql.CollationID {
	if db, err := s.b.Database(ctx, name); err == nil {
		if d, ok := db.(*Database); ok {
			return d.GetCollation(ctx)
		}
	}
	return sql.Collation_Default
}
