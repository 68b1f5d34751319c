package function

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function/json"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// jsonReaders are functions whose first argument is a document that they read.
var jsonReaders = map[string]func(*sql.Context, ...sql.Expression) (sql.Expression, error){
	"json_type":   expr.NewJSONTypeCall,
	"json_pretty": single(builtin.NewJSONPretty),
	"json_value":  builtin.NewJsonValue,
}

// jsonArguments returns arguments of which every step-th from one on is put into a document.
func jsonArguments(args []sql.Expression, from, step int) []sql.Expression {
	args = slices.Clone(args)
	for i := from; i < len(args); i += step {
		args[i] = &expr.ExactDocument{Expression: args[i], As: value.PutIn}
	}
	return args
}

// jsonMaker returns a function that makes documents of values.
func jsonMaker(name string) (sql.Function, bool) {
	switch name {
	case "json_array":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return builtin.NewJSONArray(ctx, jsonArguments(args, 0, 1)...)
		}}, true
	case "json_object":
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newObjectCall(ctx, jsonArguments(args, 1, 2)...)
		}}, true
	case "json_arrayagg":
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewJsonArray(&expr.ExactDocument{Expression: e, As: value.PutIn})
		}}, true
	case "json_objectagg":
		return sql.Function2{Name: name, Fn: func(ctx *sql.Context, key, val sql.Expression) sql.Expression {
			return expr.NewObjectAggregate(ctx, key, &expr.ExactDocument{Expression: val, As: value.PutIn})
		}}, true
	}
	return nil, false
}

// objectCall is JSON_OBJECT. The planner's is no pointer: two of them compared panic.
type objectCall struct{ sql.FunctionExpression }

var _ sql.CollationCoercible = (*objectCall)(nil)

func newObjectCall(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewJSONObject(ctx, args...)
	if err != nil {
		return nil, err
	}
	return &objectCall{e.(sql.FunctionExpression)}, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (o *objectCall) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, o.FunctionExpression)
}

// WithChildren implements sql.Expression.
func (*objectCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newObjectCall(ctx, children...)
}

// jsonReader returns one of jsonReaders.
func jsonReader(name string) (sql.Function, bool) {
	f, ok := jsonReaders[name]
	if !ok {
		return nil, false
	}
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if none := expression.NewLiteral("", types.LongText); name == "json_value" && len(args) == 2 {
			args = append(args, none, none, none, none, none)
		}
		if name == "json_value" && len(args) == 7 {
			return jsonValueOf(ctx, args)
		}
		if len(args) == 0 {
			return f(ctx)
		}
		return f(ctx, append([]sql.Expression{&expr.ExactDocument{Expression: args[0], As: value.ReadIn}}, args[1:]...)...)
	}}, true
}
