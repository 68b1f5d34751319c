package gms

import (
	"cmp"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// mathFunctions are functions of DOUBLEs whose result may be out of range, which the planner's have as NULL.
var mathFunctions = map[string]*functionDef{
	"abs":       absolute,
	"bit_count": {name: "bit_count", args: 1, pure: true, typ: types.Int64, eval: bitCount},
	"format":    {name: "format", args: anyArgs, pure: true, typ: types.Text, eval: formatNumber},
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
	"atan":      double("atan", anyArgs, arcTangent),
	"atan2":     double("atan2", anyArgs, arcTangent),
	"degrees":   double("degrees", 1, func(x []float64) float64 { return x[0] * (180 / float64(math.Pi)) }),
	"radians":   double("radians", 1, func(x []float64) float64 { return x[0] * (float64(math.Pi) / 180) }),
	"sign":      {name: "sign", args: 1, pure: true, typ: types.Int64, eval: signOf},
	"power":     double("pow", 2, func(x []float64) float64 { return exactPow(x[0], x[1]) }),
}

func double(name string, args int, of func([]float64) float64) *functionDef {
	return &functionDef{name: name, args: args, pure: true, typ: types.Float64, eval: func(ctx *sql.Context, args []any) (any, error) {
		if len(args) < 1 || len(args) > 2 {
			return nil, sql.ErrInvalidArgumentNumber.New(name, "1 or 2", len(args))
		}
		x, texts := make([]float64, len(args)), make([]string, len(args))
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			var err error
			if x[i], err = doubleOf(ctx, a); err != nil {
				return nil, err
			}
			texts[i] = shown(a)
		}
		y := of(x)
		if (name == "asin" || name == "acos") && math.IsNaN(y) {
			return nil, nil
		}
		if !finite(y) {
			return nil, errDouble(name + "(" + strings.Join(texts, ",") + ")")
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
	v, _, err := types.Float64.Convert(ctx, args[0])
	if sql.ErrTruncatedIncorrect.Is(err) {
		ctx.Warn(mysql.ERTruncatedWrongValue, "%s", err.Error())
	} else if err != nil {
		return nil, err
	}
	return int64(cmp.Compare(v.(float64), 0)), nil
}

// seededRandom is RAND(n): the sequence that a constant begins, for others the first number of each one's.
type seededRandom struct {
	expression.UnaryExpressionStub
	mu       sync.Mutex
	begun    bool
	sequence randomSequence
}

var (
	_ sql.FunctionExpression         = (*seededRandom)(nil)
	_ sql.NonDeterministicExpression = (*seededRandom)(nil)
	_ sql.CollationCoercible         = (*seededRandom)(nil)
)

func newSeededRandom(seed sql.Expression) sql.Expression {
	return &seededRandom{UnaryExpressionStub: expression.UnaryExpressionStub{Child: seed}}
}

// FunctionName implements sql.FunctionExpression.
func (*seededRandom) FunctionName() string { return "rand" }

// Description implements sql.FunctionExpression.
func (*seededRandom) Description() string { return "rand" }

// Type implements sql.Expression.
func (*seededRandom) Type(*sql.Context) sql.Type { return types.Float64 }

// String implements sql.Expression.
func (r *seededRandom) String() string { return "rand(" + r.Child.String() + ")" }

// IsNullable implements sql.Expression.
func (*seededRandom) IsNullable(*sql.Context) bool { return false }

// IsNonDeterministic implements sql.NonDeterministicExpression: each row has the next number.
func (*seededRandom) IsNonDeterministic() bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (*seededRandom) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (r *seededRandom) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 1)
	}
	return newSeededRandom(children[0]), nil
}

// randomRange is what MySQL's generator counts modulo.
const randomRange = 0x3FFFFFFF

// Eval implements sql.Expression.
func (r *seededRandom) Eval(ctx *sql.Context, row sql.Row) (any, error) {
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
		r.sequence = randomSequence{(seed*0x10001 + 55555555) % randomRange, seed * 0x10000001 % randomRange}
		r.begun = true
	}
	return r.sequence.next(), nil
}

// randomSequence is the state of MySQL's generator: rand_seed1 and rand_seed2.
type randomSequence struct{ first, second uint32 }

// next returns the next number.
func (r *randomSequence) next() float64 {
	r.first = uint32((uint64(r.first)*3 + uint64(r.second)) % randomRange)
	r.second = uint32((uint64(r.first) + uint64(r.second) + 33) % randomRange)
	return float64(r.first) / randomRange
}

// seed takes the value of rand_seed1 or rand_seed2; RAND() of the session goes on from there.
func (s *Session) seed(ctx *sql.Context, variable string, value any) {
	n, _, _ := types.Uint64.Convert(ctx, value)
	seed, _ := n.(uint64)
	if s.random == nil {
		s.random = &randomSequence{rand.Uint32N(randomRange), rand.Uint32N(randomRange)}
	}
	if variable == "rand_seed1" {
		s.random.first = uint32(seed % randomRange)
	} else {
		s.random.second = uint32(seed % randomRange)
	}
}

// random is RAND() without an argument.
type random struct{ *builtin.Rand }

// WithChildren implements sql.Expression.
func (r random) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(r, len(children), 0)
	}
	return r, nil
}

// Eval implements sql.Expression: the next number of the session's sequence if it has set rand_seed1 or rand_seed2.
func (r random) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	if s, ok := ctx.Session.(evaluation); ok {
		if n, ok := s.nextRandom(); ok {
			return n, nil
		}
	}
	return r.Rand.Eval(ctx, row)
}

// nextRandom returns the next number of RAND() in the session's sequence, false if it has set none.
func (s *Session) nextRandom() (float64, bool) {
	if s.random == nil {
		return 0, false
	}
	return s.random.next(), true
}
