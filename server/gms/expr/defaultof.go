package expr

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
)

// DefaultMark is the function in the place of DEFAULT(column), which the planner's grammar
// takes and the planner does not.
const DefaultMark = "_default_of"

// defaultOf is DEFAULT(column).
type defaultOf struct {
	expression.UnaryExpressionStub
	column *sql.Column // where it is from
	typ    sql.Type
}

var _ sql.FunctionExpression = (*defaultOf)(nil)

// OptNoDefault is the option of a column that may be NULL and has no default after ALTER COLUMN … DROP DEFAULT.
const OptNoDefault = "nodefault"

// NewDefaultOf returns DEFAULT(column). Returns the planner's syntax error of what is no column.
func NewDefaultOf(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 1 {
		return nil, sql.ErrInvalidArgumentNumber.New("default", 1, len(args))
	}
	f, ok := args[0].(*expression.GetField)
	if !ok {
		return nil, sql.ErrSyntaxError.New("syntax error: DEFAULT takes a column")
	}
	return &defaultOf{
		UnaryExpressionStub: expression.UnaryExpressionStub{Child: f},
		column:              &sql.Column{Name: f.Name(), Source: f.Table(), DatabaseSource: f.Database()},
		typ:                 f.Type(ctx),
	}, nil
}

// ErrDefaultExpression is the error of DEFAULT(column) of a column whose default is an expression.
func ErrDefaultExpression() error {
	return mysql.NewSQLError(3773, "HY000", "DEFAULT function cannot be used with default function expressions")
}

// FunctionName implements sql.FunctionExpression.
func (d *defaultOf) FunctionName() string { return "default" }

// Description implements sql.FunctionExpression.
func (d *defaultOf) Description() string { return "returns the default of a column." }

// Type implements sql.Expression.
func (d *defaultOf) Type(*sql.Context) sql.Type { return d.typ }

// IsNullable implements sql.Expression.
func (d *defaultOf) IsNullable(*sql.Context) bool { return true }

// String implements sql.Expression.
func (d *defaultOf) String() string { return "default(" + d.Child.String() + ")" }

// WithChildren implements sql.Expression.
func (d *defaultOf) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	c := *d
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression. That of a column which is set to the time is the zero time.
func (d *defaultOf) Eval(ctx *sql.Context, _ sql.Row) (any, error) {
	c := SourceColumn(ctx, d.column)
	switch {
	case c == nil || c.Default == "" && (!c.Nullable || c.Options[OptNoDefault] != ""):
		return nil, mysql.NewSQLError(1364, "HY000", "Field '%s' doesn't have a default value", d.column.Name)
	case c.DefaultExpr && !IsMoment(d.typ):
		return nil, ErrDefaultExpression()
	}
	return LiteralDefault(ctx, c, d.typ)
}

// LiteralDefault returns a column's default if that is a literal, NULL if it is made for each row. That of
// a column which is set to the time is the zero time.
func LiteralDefault(ctx *sql.Context, c *engine.ColumnDef, t sql.Type) (any, error) {
	switch {
	case c.Default == "", strings.EqualFold(c.Default, "NULL"):
		return nil, nil
	case IsMoment(t) && !strings.HasPrefix(c.Default, "'"):
		return types.ZeroTime, nil
	case c.DefaultExpr:
		return nil, nil
	}
	var literal any = DefaultLiteral(c.Default)
	if digits, ok := strings.CutPrefix(c.Default, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		literal = b
	} else if n, err := strconv.ParseUint(c.Default, 10, 64); err == nil && types.IsBit(t) {
		literal = n
	}
	v, _, err := t.Convert(ctx, literal)
	return v, err
}
