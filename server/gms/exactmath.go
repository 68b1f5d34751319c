package gms

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// The C library's functions of DOUBLEs, which MySQL has, round nearly always to the nearest DOUBLE. Go's do not: to
// them LOG10(1e15) is 14.999999999999998. These go over double-double numbers.

// dd is a number of about 106 bits: the sum of both.
type dd struct{ h, l float64 }

var (
	ddLn2     = dd{0.6931471805599453, 2.3190468138462996e-17}
	ddLn10    = dd{2.302585092994046, -2.1707562233822494e-16}
	ddHalfPi  = dd{1.5707963267948966, 6.123233995736766e-17}
	halfPiEnd = -1.4973849048591698e-33 // of half of pi, behind ddHalfPi
)

func ddSum(a, b float64) dd {
	s := a + b
	t := s - a
	return dd{s, (a - (s - t)) + (b - t)}
}

func ddProduct(a, b float64) dd {
	p := a * b
	return dd{p, math.FMA(a, b, -p)}
}

func (a dd) plus(b dd) dd {
	s := ddSum(a.h, b.h)
	t := ddSum(a.l, b.l)
	s = ddSum(s.h, s.l+t.h)
	return ddSum(s.h, s.l+t.l)
}

func (a dd) times(b dd) dd {
	p := ddProduct(a.h, b.h)
	return ddSum(p.h, p.l+a.h*b.l+a.l*b.h)
}

func (a dd) by(b dd) dd {
	q := a.h / b.h
	r := a.plus(b.times(dd{-q, 0}))
	p := r.h / b.h
	r = r.plus(b.times(dd{-p, 0}))
	return ddSum(q, p).plus(dd{r.h / b.h, 0})
}

func (a dd) minus(b dd) dd { return a.plus(dd{-b.h, -b.l}) }

func (a dd) value() float64 { return a.h + a.l }

// ddExp returns e to the power of x, which is below 800, as a number and a power of 2.
func ddExp(x dd) (dd, int) {
	k := math.Round(x.h / ddLn2.h)
	r := x.minus(ddLn2.times(dd{k, 0}))
	const halvings = 9
	r.h, r.l = math.Ldexp(r.h, -halvings), math.Ldexp(r.l, -halvings)
	sum := dd{}
	for n := 12.0; n > 0; n-- { // e^r - 1
		sum = sum.plus(dd{1, 0}).times(r).by(dd{n, 0})
	}
	for range halvings { // (1+s)² - 1
		sum = sum.times(sum).plus(dd{2 * sum.h, 2 * sum.l})
	}
	return sum.plus(dd{1, 0}), int(k)
}

// ddLog returns the natural logarithm of a number above 0.
func ddLog(x float64) dd {
	f, k := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, k = f*2, k-1
	}
	y := math.Log(f)
	e, n := ddExp(dd{-y, 0})
	e.h, e.l = math.Ldexp(e.h, n), math.Ldexp(e.l, n)
	return dd{y, 0}.plus(e.times(dd{f, 0}).minus(dd{1, 0})).plus(ddLn2.times(dd{float64(k), 0}))
}

// ddSinCos returns the sine and cosine of a number, false if it is too large.
func ddSinCos(x float64) (sin, cos dd, ok bool) {
	if !(math.Abs(x) < 1e9) {
		return sin, cos, false
	}
	k := math.Round(x / ddHalfPi.h)
	r := dd{x, 0}.minus(ddProduct(k, ddHalfPi.h)).minus(ddProduct(k, ddHalfPi.l)).minus(dd{k * halfPiEnd, 0})
	square := r.times(r)
	square.h, square.l = -square.h, -square.l
	sin, cos = dd{}, dd{}
	for n := 27.0; n > 1; n -= 2 {
		sin = sin.plus(dd{1, 0}).times(square).by(dd{n * (n - 1), 0})
		cos = cos.plus(dd{1, 0}).times(square).by(dd{(n - 1) * (n - 2), 0})
	}
	sin, cos = sin.plus(dd{1, 0}).times(r), cos.plus(dd{1, 0})
	for range (int64(k)%4 + 4) % 4 {
		sin, cos = cos, dd{-sin.h, -sin.l}
	}
	return sin, cos, true
}

func exactExp(x float64) float64 {
	if !(math.Abs(x) < 700) {
		return math.Exp(x)
	}
	e, n := ddExp(dd{x, 0})
	return math.Ldexp(e.value(), n)
}

func exactLog(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return math.Log(x)
	}
	return ddLog(x).value()
}

func exactLog10(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return math.Log10(x)
	}
	return ddLog(x).by(ddLn10).value()
}

func exactPow(x, y float64) float64 {
	rough := math.Pow(x, y)
	if x == 0 || x == 1 || y == 0 || !finite(rough) || math.Abs(rough) < 1e-290 || math.Abs(rough) > 1e305 || !finite(x) || !finite(y) {
		return rough
	}
	e, n := ddExp(ddLog(math.Abs(x)).times(dd{y, 0}))
	return math.Copysign(math.Ldexp(e.value(), n), rough)
}

// exactTrig returns a function of sine and cosine, or the rough one where they are not known.
func exactTrig(rough func(float64) float64, of func(sin, cos dd) float64) func(float64) float64 {
	return func(x float64) float64 {
		if sin, cos, ok := ddSinCos(x); ok && x != 0 {
			return of(sin, cos)
		}
		return rough(x)
	}
}

// exactArc returns an inverse of them: better is how much the rough one is too small, by its sine and cosine.
func exactArc(rough func(float64) float64, better func(x float64, sin, cos dd) float64) func(float64) float64 {
	return func(x float64) float64 {
		y := rough(x)
		if sin, cos, ok := ddSinCos(y); ok && y != 0 {
			if d := better(x, sin, cos); finite(d) {
				return y + d
			}
		}
		return y
	}
}

var (
	exactSin  = exactTrig(math.Sin, func(sin, _ dd) float64 { return sin.value() })
	exactCos  = exactTrig(math.Cos, func(_, cos dd) float64 { return cos.value() })
	exactTan  = exactTrig(math.Tan, func(sin, cos dd) float64 { return sin.by(cos).value() })
	exactAsin = exactArc(math.Asin, func(x float64, sin, cos dd) float64 { return dd{x, 0}.minus(sin).value() / cos.h })
	exactAcos = exactArc(math.Acos, func(x float64, sin, cos dd) float64 { return cos.minus(dd{x, 0}).value() / sin.h })
	exactAtan = exactArc(math.Atan, func(x float64, sin, cos dd) float64 {
		return cos.times(dd{x, 0}).minus(sin).value() / (cos.h + x*sin.h)
	})
)

func exactAtan2(y, x float64) float64 {
	return exactArc(func(float64) float64 { return math.Atan2(y, x) }, func(_ float64, sin, cos dd) float64 {
		return cos.times(dd{y, 0}).minus(sin.times(dd{x, 0})).value() / (x*cos.h + y*sin.h)
	})(0)
}

// logarithm is LN, LOG, LOG2 or LOG10 of a number, NULL with a warning of what has none.
func logarithm(name string, of func(x float64) float64) *functionDef {
	return &functionDef{name: name, args: anyArgs, pure: true, typ: types.Float64, eval: func(ctx *sql.Context, args []any) (any, error) {
		if len(args) != 1 && (name != "log" || len(args) != 2) {
			return nil, sql.ErrInvalidArgumentNumber.New(name, 1, len(args))
		}
		var x [2]float64
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			var err error
			if x[i], err = doubleOf(ctx, a); err != nil {
				return nil, err
			}
		}
		if x[0] <= 0 || len(args) == 2 && (x[1] <= 0 || x[0] == 1) {
			ctx.Warn(wrongLogarithm, "Invalid argument for logarithm")
			return nil, nil
		}
		if len(args) == 2 {
			return of(x[1]) / of(x[0]), nil
		}
		return of(x[0]), nil
	}}
}
