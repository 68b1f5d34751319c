package expr

import (
	"context"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"

	"sextant/engine"
)

// Definition is that of a stored column.
type Definition = engine.ColumnDef

// Defined is an expression whose values are those of a definition: a variable of a stored program and a call of a stored function.
type Defined interface {
	Definition() *engine.ColumnDef
}

// Local is the value of a variable of a stored program of a type that literals have not, or whose type does not tell all of its
// definition: the digits of a TIME and of a FLOAT(M,D). A text has the collation of its type, as that of a column.
type Local struct {
	*expression.Literal
	Column *engine.ColumnDef
}

// Definition implements Defined.
func (l *Local) Definition() *engine.ColumnDef { return l.Column }

// CollationCoercibility implements sql.CollationCoercible.
func (l *Local) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	if t, ok := l.Typ.(sql.TypeWithCollation); ok {
		return t.Collation(), implicitCollation
	}
	return l.Literal.CollationCoercibility(ctx)
}

// WithChildren implements sql.Expression.
func (l *Local) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(l, len(children), 0)
	}
	return l, nil
}

// WithResolvedChildren implements ast.Injectable.
func (l *Local) WithResolvedChildren(context.Context, []any) (any, error) { return l, nil }

// DefinitionOf returns what the values of an expression are defined as, nil if it is no column, variable or stored function.
func DefinitionOf(ctx *sql.Context, e sql.Expression) *engine.ColumnDef {
	switch x := e.(type) {
	case *expression.GetField:
		return SourceColumn(ctx, &sql.Column{Name: x.Name(), Source: x.Table(), DatabaseSource: x.Database()})
	case Defined:
		return x.Definition()
	}
	return nil
}
