package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// functionCall is a call of a stored function as an expression. What the function writes
// belongs to the statement.
type functionCall struct {
	f    *storedFunction
	args []sql.Expression
}

var (
	_ sql.FunctionExpression         = (*functionCall)(nil)
	_ sql.NonDeterministicExpression = (*functionCall)(nil)
	_ sql.CollationCoercible         = (*functionCall)(nil)
)

// nativeFunction reports whether a name without a database is a function of the server's.
func nativeFunction(ctx *sql.Context, name string) bool {
	name = strings.ToLower(name)
	if _, ok := expr.Natives().Function(ctx, "", name); ok {
		return true
	}
	return functions[name] != nil
}

// storedFunction returns the stored function of a name, false if the name is for the planner.
func (b *Backend) storedFunction(ctx *sql.Context, database, name string) (sql.Function, bool) {
	s, ok := ctx.Session.(*Session)
	if !ok || !b.mysql || database == "" && nativeFunction(ctx, name) {
		return nil, false
	}
	of := syntax.TableName{Database: database, Name: name}
	if of.Database == "" {
		if of.Database = s.GetCurrentDatabase(); of.Database == "" {
			return nil, false
		}
	}
	f, err := s.function(ctx, of)
	if err == nil && f == nil {
		if database == "" {
			return nil, false
		}
		err = errNoFunction(of)
	}
	if err == nil && !slices.Contains(s.visible, f.key()) { // the check of the statement has not seen it
		err = s.mayRoutine(ctx, f.name, "FUNCTION", sql.PrivilegeType_Execute)
	}
	return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if err != nil {
			return nil, err
		}
		if len(args) != len(f.params) {
			return nil, mysql.NewSQLError(1318, "42000", "Incorrect number of arguments for FUNCTION %s.%s; expected %d, got %d",
				f.name.Database, f.name.Name, len(f.params), len(args))
		}
		c := &functionCall{f: f, args: args}
		if f.varies {
			return function.Varying{Expression: c}, nil
		}
		return c, nil
	}}, true
}

// FunctionName implements sql.FunctionExpression.
func (c *functionCall) FunctionName() string { return c.f.name.Name }

// Description implements sql.FunctionExpression.
func (c *functionCall) Description() string { return c.f.name.Name }

// Resolved implements sql.Expression.
func (c *functionCall) Resolved() bool {
	for _, a := range c.args {
		if !a.Resolved() {
			return false
		}
	}
	return true
}

// String implements sql.Expression.
func (c *functionCall) String() string {
	args := make([]string, len(c.args))
	for i, a := range c.args {
		args[i] = a.String()
	}
	return c.f.name.Name + "(" + strings.Join(args, ",") + ")"
}

// Type implements sql.Expression.
func (c *functionCall) Type(*sql.Context) sql.Type { return c.f.result.typ }

// Definition implements expr.Defined.
func (c *functionCall) Definition() *engine.ColumnDef { return c.f.result.column }

// IsNullable implements sql.Expression.
func (c *functionCall) IsNullable(*sql.Context) bool { return true }

// IsNonDeterministic implements sql.NonDeterministicExpression: a function runs for each
// row, and never while a statement is planned.
func (c *functionCall) IsNonDeterministic() bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (c *functionCall) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	if t, ok := c.f.result.typ.(sql.TypeWithCollation); ok {
		return t.Collation(), 4
	}
	return sql.Collation_binary, 5
}

// Children implements sql.Expression.
func (c *functionCall) Children() []sql.Expression { return c.args }

// WithChildren implements sql.Expression.
func (c *functionCall) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != len(c.args) {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), len(c.args))
	}
	return &functionCall{f: c.f, args: children}, nil
}

// Eval implements sql.Expression.
func (c *functionCall) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	for _, running := range s.calls.running {
		if running == c.f.key() {
			return nil, mysql.NewSQLError(1424, "HY000", "Recursive stored functions and triggers are not allowed.")
		}
	}
	top := &scope{vars: map[string]*local{}}
	for i, p := range c.f.params {
		if err := p.assign(ctx, c.args[i], row); err != nil {
			return nil, err
		}
		top.vars[strings.ToLower(p.name)] = &p
	}
	result := c.f.result
	result.name = c.String()
	r := &routine{s: s, db: c.f.name.Database, runner: s.b.runner, texts: c.f.texts, result: &result}
	done := false
	err = s.inside(ctx, program{kind: programFunction, name: c.f.key(), database: c.f.name.Database, mode: c.f.mode, definer: c.f.definer, invoker: c.f.invoker},
		func() error {
			j, err := r.statement(ctx, c.f.body, top)
			done = j != nil && j.returned
			return err
		})
	if err != nil {
		return nil, err
	}
	if !done {
		return nil, mysql.NewSQLError(1321, "2F005", "FUNCTION %s ended without RETURN", c.f.name.Name)
	}
	return result.value, nil
}

// key is the function's name among those of the routines that run.
func (f *storedFunction) key() syntax.TableName { return functionKey(f.name) }

func functionKey(name syntax.TableName) syntax.TableName {
	return syntax.TableName{Database: strings.ToLower(name.Database), Name: "\x00" + strings.ToLower(name.Name)}
}
