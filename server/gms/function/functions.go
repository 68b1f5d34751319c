package function

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Named returns a function or an aggregate of this package by its name in small letters, false if there is none. Without
// asMySQL it is only those that a statement's rewriting calls, none that stands in place of one of the planner's.
func Named(ctx *sql.Context, name string, asMySQL bool) (sql.Function, bool) {
	if kind := expr.Aggregates[name]; kind != nil && asMySQL {
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			if d, distinct := e.(*expression.DistinctExpression); distinct && kind.Op == "" && d.Resolved() && types.IsText(d.Child.Type(ctx)) { // of numbers
				e = expression.NewDistinctExpression(&expr.TextDouble{UnaryExpressionStub: expression.UnaryExpressionStub{Child: d.Child}})
			}
			if kind.Op != "" && expr.BinaryString(ctx, e) {
				return &expr.Aggregate{Kind: kind, Child: e}
			}
			return &expr.Aggregate{Kind: kind, Child: expr.NewDateNumber(ctx, e)}
		}}, true
	}
	switch {
	case name == "max" && asMySQL:
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewMax(expr.AsMemberText(ctx, e))
		}}, true
	case name == "min" && asMySQL:
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return aggregation.NewMin(expr.AsMemberText(ctx, e))
		}}, true
	case name == "rand" && asMySQL:
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) == 1 {
				return newSeededRandom(args[0]), nil
			}
			if len(args) == 0 {
				return Random{&builtin.Rand{}}, nil
			}
			return builtin.NewRand(ctx, args...)
		}}, true
	}
	if d := boundedFunctions[name]; d != nil && asMySQL {
		return sql.FunctionN{Name: name, Fn: d.Call}, true
	}
	if d := regexps[name]; d != nil {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return d.call(args...)
		}}, true
	}
	if name == "json_unquote" && asMySQL {
		return sql.Function1{Name: name, Fn: newUnquote}, true
	}
	if name == "json_quote" && asMySQL {
		return sql.Function1{Name: name, Fn: newQuote}, true
	}
	if name == expr.MemberFunction {
		return sql.Function2{Name: name, Fn: func(_ *sql.Context, x, array sql.Expression) sql.Expression {
			return &expr.Function{Def: memberDef, Args: []sql.Expression{&expr.ExactDocument{Expression: x, As: value.PutIn}, array}}
		}}, asMySQL
	}
	if f, ok := changer(name); ok {
		return f, true
	}
	if f, ok := jsonPathFunction(name); ok && asMySQL {
		return f, true
	}
	if f, ok := jsonMaker(name); ok && asMySQL {
		return f, true
	}
	if f, ok := jsonReader(name); ok && asMySQL {
		return f, true
	}
	if move := expr.Offsets[name]; move != nil && asMySQL {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if name == "from_unixtime" && len(args) == 2 {
				at, err := move(ctx, args[0])
				return &expr.Function{Def: timeFunctions["date_format"], Args: []sql.Expression{expr.NewOffset(at), args[1]}}, err
			}
			e, err := move(ctx, expr.IntervalNumbers(ctx, args)...)
			if err != nil {
				return nil, err
			}
			return expr.NewOffset(e), nil
		}}, true
	}
	if name == "round" && asMySQL {
		return sql.FunctionN{Name: name, Fn: expr.NewRound}, true
	}
	if f := wholeCalls[name]; f != nil && asMySQL {
		return sql.Function1{Name: name, Fn: func(ctx *sql.Context, e sql.Expression) sql.Expression {
			return wholeCall{f(ctx, e).(sql.FunctionExpression)}
		}}, true
	}
	if (name == "curtime" || name == "current_time") && asMySQL {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			if len(args) > 0 {
				if _, literal := args[0].(*expression.Literal); !literal {
					return nil, syntax.Error(args[0].String()+")", 0)
				}
			}
			return &expr.Function{Def: presentTime, Args: args}, nil
		}}, true
	}
	if eval := collatedCalls[name]; eval != nil && asMySQL {
		return newCollatedCall(name, eval), true
	}
	if name == "truncate" && asMySQL {
		return sql.Function2{Name: name, Fn: expr.NewTruncation}, true
	}
	if name == "unix_timestamp" && asMySQL {
		return sql.FunctionN{Name: name, Fn: expr.NewUnixTimestamp}, true
	}
	if (name == "curdate" || name == "current_date") && asMySQL {
		return sql.Function0{Name: name, Fn: value.NewToday}, true
	}
	if q := expr.Quantifiers[name]; q != nil {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return q.Call(args...)
		}}, true
	}
	if name == AggregateFunction {
		return sql.FunctionN{Name: name, Fn: aggregateReference}, true
	}
	if name == ArgumentFunction {
		return sql.FunctionN{Name: name, Fn: newNamedArgument}, true
	}
	if name == expr.DefaultMark {
		return sql.FunctionN{Name: name, Fn: expr.NewDefaultOf}, true
	}
	if name == LikeLower || name == LikeUpper {
		return newLikeBound(name), true
	}
	if name == expr.MatchFunction {
		return sql.FunctionN{Name: name, Fn: expr.NewMatch}, true
	}
	if name == NthFunction {
		return sql.Function2{Name: name, Fn: expr.NewNth}, true
	}
	if name == AssignFunction {
		return sql.FunctionN{Name: name, Fn: func(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newAssign(args...)
		}}, true
	}
	if name == VaryFunction {
		return sql.Function1{Name: name, Fn: func(_ *sql.Context, e sql.Expression) sql.Expression { return Varying{e} }}, true
	}
	if strings.HasPrefix(name, expr.CaseFunction) {
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return newCase(ctx, name, args), nil
		}}, true
	}
	switch name {
	case expr.DecimalLiteral:
		return sql.Function1{Name: name, Fn: expr.NewDecimalLiteral}, true
	case expr.HexString, expr.HexInteger, expr.HexBeside:
		return expr.NewHexLiteral(name), true
	case expr.DateLiteral:
		return sql.FunctionN{Name: name, Fn: expr.NewDateLiteral}, true
	case expr.BesideColumn:
		return sql.Function2{Name: name, Fn: expr.NewBesideColumn}, true
	case expr.BetweenOperand:
		return sql.FunctionN{Name: name, Fn: expr.NewBetweenOperand}, true
	case expr.ListedValue:
		return sql.FunctionN{Name: name, Fn: expr.NewListedValue}, true
	case expr.TimeForm:
		return sql.Function2{Name: name, Fn: expr.NewTimeForm}, true
	case expr.ConvertForm:
		return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
			return expr.NewConvertForm(ctx, args[0], args[1])
		}}, true
	case expr.WholeDecimal:
		return sql.Function2{Name: name, Fn: expr.NewWholeDecimal}, true
	case expr.CollatedFunction:
		return sql.Function1{Name: name, Fn: newCollatedText}, true
	case expr.TextFunction:
		return sql.Function1{Name: name, Fn: expr.NewCastText}, true
	case expr.SizedFunction:
		return sql.Function1{Name: name, Fn: expr.NewSized}, true
	case expr.EmptyTextFunction:
		return sql.Function1{Name: name, Fn: newEmptyText}, true
	case expr.JSONList:
		return sql.FunctionN{Name: name, Fn: expr.NewJSONList}, true
	case expr.MemberOperand:
		return sql.FunctionN{Name: name, Fn: expr.NewMemberOperand}, true
	case expr.DateCompare:
		return sql.Function1{Name: name, Fn: expr.NewDateNumber}, true
	}
	for _, kind := range []map[string]sql.Function{windowNumbers, windowOffsets} {
		if f, ok := kind[name]; ok && asMySQL {
			return f, true
		}
	}
	if f, ok := ownFunction(name); ok && asMySQL {
		return f, true
	}
	if f, ok := typedFunction(ctx, name); ok && asMySQL {
		return f, true
	}
	var d *expr.FunctionDef
	for _, kind := range []map[string]*expr.FunctionDef{timeFunctions, mathFunctions, cryptoFunctions, spatialFunctions, geometryFunctions, nativeFunctions, jsonFunctions, schemaFunctions, conversionsOfBases, inetFunctions, gtidFunctions, operatorFunctions} {
		if d == nil && asMySQL {
			d = kind[name]
		}
	}
	if d == nil {
		return nil, false
	}
	return d.Function(), true
}

// operatorFunctions are operators that the grammar of the planner lacks, as functions.
var operatorFunctions = map[string]*expr.FunctionDef{
	expr.InvertFunction:   inverted,
	expr.IntervalFunction: {Name: "interval", Args: expr.AnyArgs, Typ: types.Int64, Eval: intervalIndex},
	expr.ArrayFunction:    arrayCast,
}

// lockNameMax is MySQL's limit of a user lock's name, in characters.
const lockNameMax = 64

// LockName returns a user lock's name; names are the same in any case.
func LockName(ctx *sql.Context, v any) (string, error) {
	t, _, err := types.LongText.Convert(ctx, v)
	if err != nil {
		return "", err
	}
	name, _ := t.(string)
	if n := len([]rune(name)); n == 0 || n > lockNameMax {
		return "", mysql.NewSQLError(3057, "42000", "Incorrect user-level lock name '%s'.", name)
	}
	return strings.ToLower(name), nil
}

func newCollatedText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if t := e.Type(ctx); t != nil && (t == types.Null || types.IsNumber(t) || types.IsTime(t) || types.IsTimespan(t)) {
		return expr.NewCastText(ctx, expression.NewConvert(e, expression.ConvertToChar))
	}
	return e
}
