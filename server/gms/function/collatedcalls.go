package function

import (
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// collatedCall is a function of the planner's that compares texts, here by their collation.
type collatedCall struct {
	sql.FunctionExpression
	eval func(ctx *sql.Context, c *collatedCall, args []any) (any, error)
}

var _ sql.CollationCoercible = (*collatedCall)(nil)

// collatedCalls are the functions that are collatedCalls.
var collatedCalls = map[string]func(ctx *sql.Context, c *collatedCall, args []any) (any, error){
	"locate": locate, "position": locate, "find_in_set": findInSet, "field": field, "strcmp": strcmp,
}

// newCollatedCall returns the function of a name.
func newCollatedCall(name string, eval func(ctx *sql.Context, c *collatedCall, args []any) (any, error)) sql.Function {
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		native := name
		if name == "position" {
			native = "locate"
		}
		f, _ := expr.Natives().Function(ctx, "", native)
		e, err := f.NewInstance(ctx, expr.TextArguments(ctx, name, args))
		if err != nil {
			return nil, err
		}
		return &collatedCall{e.(sql.FunctionExpression), eval}, nil
	}}
}

// CollationCoercibility implements sql.CollationCoercible.
func (c *collatedCall) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, c.FunctionExpression)
}

// String implements sql.Expression. It can be read again, which the planner's of FIND_IN_SET cannot.
func (c *collatedCall) String() string {
	args := make([]string, len(c.Children()))
	for i, e := range c.Children() {
		args[i] = e.String()
	}
	return c.FunctionName() + "(" + strings.Join(args, ",") + ")"
}

// WithChildren implements sql.Expression.
func (c *collatedCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.FunctionExpression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &collatedCall{e.(sql.FunctionExpression), c.eval}, nil
}

// Eval implements sql.Expression.
func (c *collatedCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	args := make([]any, len(c.Children()))
	for i, e := range c.Children() {
		var err error
		if args[i], err = e.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	return c.eval(ctx, c, args)
}

// comparing is the collation by which texts are compared.
func comparing(ctx *sql.Context, list []sql.Expression) sql.CollationID {
	collation, _ := expr.CommonCollation(ctx, list)
	return collation
}

// text returns an argument, not NULL, as a text that is compared by a collation.
func (c *collatedCall) text(ctx *sql.Context, args []any, i int, collation sql.CollationID) (string, error) {
	return expr.TextOfSet(ctx, args[i], c.Children()[i].Type(ctx), collation.CharacterSet())
}

// locate is LOCATE(part, text) and LOCATE(part, text, from). As in MySQL (my_instr_mb), what is found has as many bytes
// as what is looked for.
func locate(ctx *sql.Context, c *collatedCall, args []any) (any, error) {
	for _, a := range args {
		if a == nil {
			return nil, nil
		}
	}
	collation := comparing(ctx, c.Children()[:2])
	part, err := c.text(ctx, args, 0, collation)
	if err != nil {
		return nil, err
	}
	text, err := c.text(ctx, args, 1, collation)
	if err != nil {
		return nil, err
	}
	at := int64(1)
	if len(args) == 3 {
		if at, err = expr.WholeOf(ctx, args[2]); err != nil || at < 1 {
			return int32(0), err
		}
	}
	binary := collation == sql.Collation_binary
	before := partOf(text, 0, at-1, binary)
	if lengthOf(before, binary) < at-1 {
		return int32(0), nil
	}
	for text = text[len(before):]; len(part) <= len(text); at++ {
		if at%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		here := text[:len(part)]
		same := here == part
		if !same && !binary && (len(part) == len(text) || utf8.RuneStart(text[len(part)])) {
			same = expr.CompareTexts(collation, here, part) == 0
		}
		if same {
			return int32(at), nil
		}
		step := 1
		if !binary {
			_, step = utf8.DecodeRuneInString(text)
		}
		text = text[step:]
	}
	return int32(0), nil
}

// strcmp is STRCMP.
func strcmp(ctx *sql.Context, c *collatedCall, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	collation := comparing(ctx, c.Children())
	a, err := c.text(ctx, args, 0, collation)
	if err != nil {
		return nil, err
	}
	b, err := c.text(ctx, args, 1, collation)
	return expr.CompareTexts(collation, a, b), err
}

// findInSet is FIND_IN_SET(text, list).
func findInSet(ctx *sql.Context, c *collatedCall, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	collation := comparing(ctx, c.Children())
	text, err := c.text(ctx, args, 0, collation)
	if err != nil {
		return nil, err
	}
	list, err := c.text(ctx, args, 1, collation)
	if err != nil || list == "" {
		return 0, err
	}
	for i, member := range strings.Split(list, ",") {
		if expr.CompareTexts(collation, member, text) == 0 {
			return i + 1, nil
		}
	}
	return 0, nil
}

// field is FIELD: it compares texts if all arguments are, or else numbers.
func field(ctx *sql.Context, c *collatedCall, args []any) (any, error) {
	if args[0] == nil {
		return int64(0), nil
	}
	texts, exact := true, true
	for _, e := range c.Children() {
		t := e.Type(ctx)
		number := types.IsNumber(t) || types.IsYear(t)
		texts = texts && !number
		exact = exact && number && !types.IsFloat(t)
	}
	typ, collation := sql.Type(types.Float64), comparing(ctx, c.Children())
	switch {
	case texts:
		typ = expr.WeighedBy(collation)
	case exact:
		typ = types.InternalDecimalType
	}
	number := func(i int) (any, error) {
		switch {
		case texts:
			return c.text(ctx, args, i, collation)
		case exact:
			v, _, err := typ.Convert(ctx, args[i])
			return v, err
		}
		switch e := c.Children()[i].(type) {
		case expr.HexLiteral:
			return expr.DoubleOf(ctx, e.Integer().Value())
		case *expr.MemberText:
			v, _, err := e.Of.Convert(ctx, args[i])
			if err != nil {
				return nil, err
			}
			return expr.DoubleOf(ctx, v)
		}
		v, err := expr.NewDateNumber(ctx, expression.NewLiteral(args[i], c.Children()[i].Type(ctx))).Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		return expr.DoubleOf(ctx, v)
	}
	wanted, err := number(0)
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(args); i++ {
		if args[i] == nil {
			continue
		}
		v, err := number(i)
		if err != nil {
			return nil, err
		}
		if n, err := typ.Compare(ctx, wanted, v); n == 0 || err != nil {
			return int64(i), err
		}
	}
	return int64(0), nil
}
