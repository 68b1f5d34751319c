package gms

import (
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// assignFunction is the function that @a := x is to the planner.
const assignFunction = "\x00assign"

// variableAssignment returns what a chain of OR with marks of := is, nil if it has none. The
// mark binds as OR does, and := takes all that follows it and the variable before it.
func variableAssignment(or *ast.OrExpr) ast.Expr {
	operands := disjuncts(or, nil)
	return setsVariable(operands)
}

func disjuncts(e ast.Expr, out []ast.Expr) []ast.Expr {
	if or, ok := e.(*ast.OrExpr); ok {
		return append(disjuncts(or.Left, out), or.Right)
	}
	return append(out, e)
}

func setsVariable(operands []ast.Expr) ast.Expr {
	for i, e := range operands {
		if i == 0 || i+1 == len(operands) || introduced(e, "_hp8") == nil {
			continue
		}
		value := setsVariable(operands[i+1:])
		if value == nil {
			value = disjunction(operands[i+1:])
		}
		left := append([]ast.Expr(nil), operands[:i]...)
		if variable := lastOperand(&left[i-1]); variable != nil {
			*variable = call(assignFunction, *variable, value)
			return disjunction(left)
		}
	}
	return nil
}

func disjunction(operands []ast.Expr) ast.Expr {
	out := operands[0]
	for _, e := range operands[1:] {
		out = &ast.OrExpr{Left: out, Right: e}
	}
	return out
}

// lastOperand returns the user variable at an expression's end, nil if there is none.
func lastOperand(e *ast.Expr) *ast.Expr {
	switch x := (*e).(type) {
	case *ast.ColName:
		if strings.HasPrefix(x.Name.String(), "@") {
			return e
		}
	case *ast.AndExpr:
		return lastOperand(&x.Right)
	case *ast.XorExpr:
		return lastOperand(&x.Right)
	case *ast.NotExpr:
		return lastOperand(&x.Expr)
	case *ast.ComparisonExpr:
		return lastOperand(&x.Right)
	case *ast.RangeCond:
		return lastOperand(&x.To)
	case *ast.BinaryExpr:
		return lastOperand(&x.Right)
	case *ast.UnaryExpr:
		return lastOperand(&x.Expr)
	}
	return nil
}

// declare gives the variables that a statement assigns, and that the session does not have
// yet, the type of what is assigned first: the planner asks for it before a row is
// read. Until then they are NULL, as before.
func declare(ctx *sql.Context, stmt ast.Statement) error {
	var err error
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		f, ok := n.(*ast.FuncExpr)
		if !ok || f.Name.String() != assignFunction || err != nil {
			return err == nil, nil
		}
		name := strings.TrimPrefix(f.Exprs[0].(*ast.AliasedExpr).Expr.(*ast.ColName).Name.String(), "@")
		typ, _, _ := ctx.GetUserVariable(ctx, name)
		if typ != nil && typ != types.Null {
			return true, nil
		}
		typ = types.CreateLongText(ctx.GetCollation())
		if v, ok := f.Exprs[1].(*ast.AliasedExpr).Expr.(*ast.SQLVal); ok {
			switch v.Type {
			case ast.IntVal:
				typ = types.Int64
			case ast.FloatVal:
				typ = types.Float64
			}
		}
		err = ctx.SetUserVariable(ctx, name, nil, typ)
		return true, nil
	}, stmt)
	return err
}

// assign is @a := x: its value is x's, and the variable has it from then on.
type assign struct {
	variable *expression.UserVar
	value    sql.Expression
}

var (
	_ sql.Expression         = (*assign)(nil)
	_ sql.CollationCoercible = (*assign)(nil)
)

func newAssign(args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(":=", 2, len(args))
	}
	variable, ok := args[0].(*expression.UserVar)
	if !ok {
		return nil, fmt.Errorf("gms: := to %T", args[0])
	}
	return varying{&assign{variable, args[1]}}, nil
}

// Resolved implements sql.Expression.
func (a *assign) Resolved() bool { return a.value.Resolved() }

// String implements sql.Expression.
func (a *assign) String() string { return fmt.Sprintf("(%s := %s)", a.variable, a.value) }

// Type implements sql.Expression.
func (a *assign) Type(ctx *sql.Context) sql.Type { return a.value.Type(ctx) }

// IsNullable implements sql.Expression.
func (a *assign) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (a *assign) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, a.value)
}

// Children implements sql.Expression. The variable is none: it is not read.
func (a *assign) Children() []sql.Expression { return []sql.Expression{a.value} }

// WithChildren implements sql.Expression.
func (a *assign) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(a, len(children), 1)
	}
	return &assign{a.variable, children[0]}, nil
}

// Eval implements sql.Expression.
func (a *assign) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	v, err := a.value.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	t := a.value.Type(ctx)
	if text := variableValue(ctx, a.value); v != nil && !unchanged(text, a.value) {
		kept, err := variableValue(ctx, expression.NewLiteral(v, t)).Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		noteCollation(ctx, a.variable, text)
		return v, ctx.SetUserVariable(ctx, a.variable.Name, kept, types.LongText)
	}
	noteCollation(ctx, a.variable, a.value)
	return v, ctx.SetUserVariable(ctx, a.variable.Name, v, t)
}

// assignedAtOnce returns a SET of several user variables with the values that they get: all are
// found out before one is set. Returns nil if it sets something else.
func assignedAtOnce(ctx *sql.Context, n *plan.Set, r sql.Row) (*plan.Set, error) {
	if len(n.Exprs) < 2 {
		return nil, nil
	}
	out := make([]sql.Expression, len(n.Exprs))
	for _, e := range n.Exprs {
		set, ok := e.(*expression.SetField)
		if !ok {
			return nil, nil
		}
		if _, ok := set.LeftChild.(*expression.UserVar); !ok {
			return nil, nil
		}
	}
	for i, e := range n.Exprs {
		set := e.(*expression.SetField)
		value := variableValue(ctx, set.RightChild)
		noteCollation(ctx, set.LeftChild.(*expression.UserVar), value)
		v, err := value.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		out[i] = expression.NewSetField(set.LeftChild, expression.NewLiteral(v, value.Type(ctx)))
	}
	return plan.NewSet(out), nil
}

// variableValue returns a value as a user's variable has it: a date or a time and a member of an ENUM or SET is a text.
func variableValue(ctx *sql.Context, e sql.Expression) sql.Expression {
	if isMoment(e.Type(ctx)) {
		return asText(ctx, e)
	}
	return asMemberText(ctx, e)
}

// noteCollation notes the collation of a text that the statement assigns to a user's variable.
func noteCollation(ctx *sql.Context, to *expression.UserVar, value sql.Expression) {
	s, ok := ctx.Session.(evaluation)
	if !ok || !types.IsTextOnly(value.Type(ctx)) {
		return
	}
	c, _ := sql.GetCoercibility(ctx, value)
	if _, sub := value.(*plan.Subquery); sub {
		if t, ok := value.Type(ctx).(sql.StringType); ok && t.Collation() != sql.Collation_Default {
			c = t.Collation()
		}
	}
	if c != sql.Collation_binary {
		s.noteVariable(to.Name, c)
	}
}

// noteVariable notes the collation of the text that the statement assigns to a user's variable.
func (s *Session) noteVariable(name string, c sql.CollationID) {
	if s.collations == nil {
		s.collations = map[string]sql.CollationID{}
	}
	s.collations[strings.ToLower(name)] = c
}

// variableType returns the type of a user's variable: a text has the collation of what is assigned, the connection's where that is
// not known.
func (s *Session) variableType(ctx *sql.Context, name string, typ sql.Type) sql.Type {
	if !s.b.mysql || !types.IsTextOnly(typ) {
		return typ
	}
	c := s.collations[strings.ToLower(name)]
	if c == sql.Collation_Unspecified {
		if t, ok := typ.(sql.StringType); ok && t.Collation() != sql.Collation_Default && t.Collation() != sql.Collation_Unspecified {
			return typ
		}
		c = ctx.GetCollation()
	}
	return types.CreateLongText(c)
}

// intoVariables returns a SELECT … INTO variables whose values are those of user's variables.
func intoVariables(ctx *sql.Context, n *plan.Into) *plan.Into {
	columns := n.Child.Schema(ctx)
	values := make([]sql.Expression, len(columns))
	var list []sql.Expression // the select list
	transform.Inspect(n.Child, func(n sql.Node) bool {
		if p, ok := n.(*plan.Project); ok && list == nil {
			list = p.Projections
		}
		return list == nil && len(n.Children()) == 1
	})
	changed := false
	for i, c := range columns {
		values[i] = expression.NewGetField(i, c.Type, c.Name, c.Nullable)
		if i >= len(n.IntoVars) {
			continue
		}
		to, ok := n.IntoVars[i].(*expression.UserVar)
		if !ok {
			continue
		}
		if noteCollation(ctx, to, values[i]); i < len(list) {
			noteCollation(ctx, to, list[i])
		}
		if isMoment(c.Type) {
			values[i], changed = &momentText{UnaryExpressionStub: expression.UnaryExpressionStub{Child: values[i]}, moment: c.Type}, true
		} else if text := asMemberText(ctx, values[i]); !unchanged(text, values[i]) {
			values[i], changed = text, true
		}
	}
	if !changed {
		return n
	}
	out := *n
	out.Child = plan.NewProject(ctx, values, n.Child)
	return &out
}
