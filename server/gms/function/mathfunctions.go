package function

import (
	"cmp"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// mathFunctions are functions of DOUBLEs whose result may be out of range, which the planner's have as NULL.
var mathFunctions = map[string]*expr.FunctionDef{
	"abs":       absolute,
	"bit_count": {Name: "bit_count", Args: 1, Pure: true, Typ: types.Int64, Eval: bitCount},
	"format":    {Name: "format", Args: expr.AnyArgs, Pure: true, Typ: types.Text, Eval: formatNumber},
	"exp":       double("exp", 1, func(x []float64) float64 { return exactExp(x[0]) }),
	"pow":       double("pow", 2, func(x []float64) float64 { return exactPow(x[0], x[1]) }),
	"ln":        logarithm("ln", exactLog),
	"log":       logarithm("log", exactLog),
	"log2":      logarithm("log2", func(x float64) float64 { return exactLog(x) / math.Ln2 }),
	"log10":     logarithm("log10", exactLog10),
	"sin":       double("sin", 1, func(x []float64) float64 { return exactSin(x[0]) }),
	"cos":       double("cos", 1, func(x []float64) float64 { return exactCos(x[0]) }),
	"tan":       double("tan", 1, func(x []float64) float64 { return exactTan(x[0]) }),
	"cot":       double("cot", 1, func(x []float64) float64 { return 1 / exactTan(x[0]) }),
	"asin":      double("asin", 1, func(x []float64) float64 { return exactAsin(x[0]) }),
	"acos":      double("acos", 1, func(x []float64) float64 { return exactAcos(x[0]) }),
	"atan":      double("atan", expr.AnyArgs, arcTangent),
	"atan2":     double("atan2", expr.AnyArgs, arcTangent),
	"degrees":   double("degrees", 1, func(x []float64) float64 { return x[0] * (180 / float64(math.Pi)) }),
	"radians":   double("radians", 1, func(x []float64) float64 { return x[0] * (float64(math.Pi) / 180) }),
	"sign":      {Name: "sign", Args: 1, Pure: true, Typ: types.Int64, Eval: signOf},
	"power":     double("pow", 2, func(x []float64) float64 { return exactPow(x[0], x[1]) }),
}

func double(name string, args int, of func([]float64) float64) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: args, Pure: true, Typ: types.Float64, Eval: func(ctx *sql.Context, args []any) (any, error) {
		if len(args) < 1 || len(args) > 2 {
			return nil, sql.ErrInvalidArgumentNumber.New(name, "1 or 2", len(args))
		}
		x, texts := make([]float64, len(args)), make([]string, len(args))
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			var err error
			if x[i], err = expr.DoubleOf(ctx, a); err != nil {
				return nil, err
			}
			texts[i] = value.Shown(a)
		}
		y := of(x)
		if (name == "asin" || name == "acos") && math.IsNaN(y) {
			return nil, nil
		}
		if !value.Finite(y) {
			return nil, expr.ErrDouble(name + "(" + strings.Join(texts, ",") + ")")
		}
		return y, nil
	}}
}

// arcTangent is ATAN(x), ATAN(y, x) and ATAN2 of either.
func arcTangent(x []float64) float64 {
	if len(x) == 2 {
		return exactAtan2(x[0], x[1])
	}
	return exactAtan(x[0])
}

// signOf is SIGN: of a fraction it is not 0.
func signOf(ctx *sql.Context, args []any) (any, error) {
	switch x := args[0].(type) {
	case nil:
		return nil, nil
	case *apd.Decimal:
		return int64(x.Sign()), nil
	case time.Time:
		return int64(1), nil
	}
	x, err := expr.DoubleOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return int64(cmp.Compare(x, 0)), nil
}

// SeededRandom is RAND(n): the sequence that a constant begins, for others the first number of each one's.
type SeededRandom struct {
	expression.UnaryExpressionStub
	mu       sync.Mutex
	begun    bool
	sequence RandomSequence
}

var (
	_ sql.FunctionExpression         = (*SeededRandom)(nil)
	_ sql.NonDeterministicExpression = (*SeededRandom)(nil)
	_ sql.CollationCoercible         = (*SeededRandom)(nil)
)

func newSeededRandom(seed sql.Expression) sql.Expression {
	return &SeededRandom{UnaryExpressionStub: expression.UnaryExpressionStub{Child: seed}}
}

// FunctionName implements sql.FunctionExpression.
func (*SeededRandom) FunctionName() string { return "rand" }

// Description implements sql.FunctionExpression.
func (*SeededRandom) Description() string { return "rand" }

// Type implements sql.Expression.
func (*SeededRandom) Type(*sql.Context) sql.Type { return types.Float64 }

// String implements sql.Expression.
func (r *SeededRandom) String() string { return "rand(" + r.Child.String() + ")" }

// IsNullable implements sql.Expression.
func (*SeededRandom) IsNullable(*sql.Context) bool { return false }

// IsNonDeterministic implements sql.NonDeterministicExpression: each row has the next number.
func (*SeededRandom) IsNonDeterministic() bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (*SeededRandom) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (r *SeededRandom) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 1)
	}
	return newSeededRandom(children[0]), nil
}

// RandomRange is what MySQL's generator counts modulo.
const RandomRange = 0x3FFFFFFF

// Eval implements sql.Expression.
func (r *SeededRandom) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, constant := r.Child.(*expression.Literal); !constant || !r.begun {
		v, err := r.Child.Eval(ctx, row)
		if err != nil {
			return nil, err
		}
		seed := uint32(0)
		if v != nil {
			n, _, err := types.Int64.Convert(ctx, v)
			if err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
				return nil, err
			}
			i, _ := n.(int64)
			seed = uint32(i)
		}
		r.sequence = RandomSequence{(seed*0x10001 + 55555555) % RandomRange, seed * 0x10000001 % RandomRange}
		r.begun = true
	}
	return r.sequence.Next(), nil
}

// RandomSequence is the state of MySQL's generator: rand_seed1 and rand_seed2.
type RandomSequence struct{ First, Second uint32 }

// Next returns the next number.
func (r *RandomSequence) Next() float64 {
	r.First = uint32((uint64(r.First)*3 + uint64(r.Second)) % RandomRange)
	r.Second = uint32((uint64(r.First) + uint64(r.Second) + 33) % RandomRange)
	return float64(r.First) / RandomRange
}

// Random is RAND() without an argument.
type Random struct{ *builtin.Rand }

// WithChildren implements sql.Expression.
func (r Random) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 0)
	}
	return r, nil
}

// Eval implements sql.Expression: the next number of the session's sequence if it has set rand_seed1 or rand_seed2.
func (r Random) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	if s, ok := ctx.Session.(value.Evaluation); ok {
		if n, ok := s.NextRandom(); ok {
			return n, nil
		}
	}
	return r.Rand.Eval(ctx, row)
}

// logarithm is LN, LOG, LOG2 or LOG10 of a number, NULL with a warning of what has none.
func logarithm(name string, of func(x float64) float64) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: types.Float64, Eval: func(ctx *sql.Context, args []any) (any, error) {
		if len(args) != 1 && (name != "log" || len(args) != 2) {
			return nil, sql.ErrInvalidArgumentNumber.New(name, 1, len(args))
		}
		var x [2]float64
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			var err error
			if x[i], err = expr.DoubleOf(ctx, a); err != nil {
				return nil, err
			}
		}
		if x[0] <= 0 || len(args) == 2 && (x[1] <= 0 || x[0] == 1) {
			ctx.Warn(value.WrongLogarithm, "Invalid argument for logarithm")
			return nil, nil
		}
		if len(args) == 2 {
			return of(x[1]) / of(x[0]), nil
		}
		return of(x[0]), nil
	}}
}
