package expr

import (
	"errors"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// Function is a call of a scalar function.
type Function struct {
	Def  *FunctionDef
	Args []sql.Expression
}

// AnyArgs is the number of arguments of a function that takes several.
const AnyArgs = -1

// FunctionDef is what a function is: its name, the number of its arguments or AnyArgs, the type of its result and how that is
// found. Eval gets the values of the arguments.
type FunctionDef struct {
	Name   string
	Args   int
	Typ    sql.Type
	Eval   func(ctx *sql.Context, args []any) (any, error)
	Pure   bool                                                                    // equal arguments have equal results
	TypeOf func(ctx *sql.Context, args []sql.Expression) sql.Type                  // in place of Typ
	EvalOf func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) // in place of Eval, with the arguments
}

var (
	_ sql.FunctionExpression         = (*Function)(nil)
	_ sql.NonDeterministicExpression = (*Function)(nil)
	_ sql.CollationCoercible         = (*Function)(nil)
)

// Function returns the function for the planner's catalog; a call with another number of arguments is the planner's error.
func (d *FunctionDef) Function() sql.Function {
	return sql.FunctionN{Name: d.Name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if d.Args != AnyArgs && len(args) != d.Args {
			return nil, sql.ErrInvalidArgumentNumber.New(d.Name, d.Args, len(args))
		}
		return &Function{Def: d, Args: args}, nil
	}}
}

// FunctionName implements sql.FunctionExpression.
func (f *Function) FunctionName() string { return f.Def.Name }

// Description implements sql.FunctionExpression.
func (f *Function) Description() string { return f.Def.Name }

// Resolved implements sql.Expression.
func (f *Function) Resolved() bool {
	for _, a := range f.Args {
		if !a.Resolved() {
			return false
		}
	}
	return true
}

// String implements sql.Expression.
func (f *Function) String() string {
	args := make([]string, len(f.Args))
	for i, a := range f.Args {
		args[i] = a.String()
	}
	if f.Def.Name == "extract" { // definitions are kept so
		return "extract(" + strings.Trim(args[0], "'") + " from " + args[1] + ")"
	}
	return f.Def.Name + "(" + strings.Join(args, ",") + ")"
}

// Type implements sql.Expression.
func (f *Function) Type(ctx *sql.Context) sql.Type {
	if f.Def.TypeOf != nil {
		return f.Def.TypeOf(ctx, f.Args)
	}
	return f.Def.Typ
}

// IsNullable implements sql.Expression.
func (f *Function) IsNullable(*sql.Context) bool { return true }

// IsNonDeterministic implements sql.NonDeterministicExpression: one that is is called for
// each row, and never while a statement is planned.
func (f *Function) IsNonDeterministic() bool { return !f.Def.Pure }

// CollationCoercibility implements sql.CollationCoercible.
func (f *Function) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	switch {
	case strings.HasSuffix(f.Def.Name, "user"):
		return sql.Collation_utf8mb3_general_ci, 3
	case types.IsTextOnly(f.Type(ctx)):
		if c := f.Type(ctx).(sql.StringType).Collation(); c != sql.Collation_Default {
			return c, 4
		}
		return ctx.GetCollation(), 4
	case BinaryString(ctx, f):
		return sql.Collation_binary, 4
	}
	return sql.Collation_binary, 5
}

// Children implements sql.Expression.
func (f *Function) Children() []sql.Expression { return f.Args }

// WithChildren implements sql.Expression.
func (f *Function) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != len(f.Args) {
		return nil, sql.ErrInvalidChildrenNumber.New(f, len(children), len(f.Args))
	}
	return &Function{Def: f.Def, Args: children}, nil
}

// Eval implements sql.Expression.
func (f *Function) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	err := evaluated(ctx)
	if err != nil {
		return nil, err
	}
	args := make([]any, len(f.Args))
	for i, a := range f.Args {
		if args[i], err = a.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	if f.Def.EvalOf != nil {
		return f.Def.EvalOf(ctx, f.Args, args)
	}
	return f.Def.Eval(ctx, args)
}

// evaluated returns an error if the session of a context cannot evaluate what asks for one.
func evaluated(ctx *sql.Context) error {
	if _, ok := ctx.Session.(value.Evaluation); !ok {
		return errors.New("gms: the context has a session of another kind")
	}
	return nil
}
