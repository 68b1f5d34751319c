package function

import (
	"math"

	"sextant/server/gms/value"
)

// The C library's functions of DOUBLEs, which MySQL has, round nearly always to the nearest DOUBLE. Go's do not: to
// them LOG10(1e15) is 14.999999999999998. These go over double-double numbers.

var (
	ddLn2     = value.DD{H: 0.6931471805599453, L: 2.3190468138462996e-17}
	ddLn10    = value.DD{H: 2.302585092994046, L: -2.1707562233822494e-16}
	ddHalfPi  = value.DD{H: 1.5707963267948966, L: 6.123233995736766e-17}
	halfPiEnd = -1.4973849048591698e-33 // of half of pi, behind ddHalfPi
)

// ddExp returns e to the power of x, which is below 800, as a number and a power of 2.
func ddExp(x value.DD) (value.DD, int) {
	k := math.Round(x.H / ddLn2.H)
	r := x.Minus(ddLn2.Times(value.DD{H: k, L: 0}))
	const halvings = 9
	r.H, r.L = math.Ldexp(r.H, -halvings), math.Ldexp(r.L, -halvings)
	sum := value.DD{}
	for n := 12.0; n > 0; n-- { // e^r - 1
		sum = sum.Plus(value.DD{H: 1, L: 0}).Times(r).By(value.DD{H: n, L: 0})
	}
	for range halvings { // (1+s)² - 1
		sum = sum.Times(sum).Plus(value.DD{H: 2 * sum.H, L: 2 * sum.L})
	}
	return sum.Plus(value.DD{H: 1, L: 0}), int(k)
}

// ddLog returns the natural logarithm of a number above 0.
func ddLog(x float64) value.DD {
	f, k := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, k = f*2, k-1
	}
	y := math.Log(f)
	e, n := ddExp(value.DD{H: -y, L: 0})
	e.H, e.L = math.Ldexp(e.H, n), math.Ldexp(e.L, n)
	return value.DD{H: y, L: 0}.Plus(e.Times(value.DD{H: f, L: 0}).Minus(value.DD{H: 1, L: 0})).Plus(ddLn2.Times(value.DD{H: float64(k), L: 0}))
}

// ddSinCos returns the sine and cosine of a number, false if it is too large.
func ddSinCos(x float64) (sin, cos value.DD, ok bool) {
	if !(math.Abs(x) < 1e9) {
		return sin, cos, false
	}
	k := math.Round(x / ddHalfPi.H)
	r := value.DD{H: x, L: 0}.Minus(value.DDProduct(k, ddHalfPi.H)).Minus(value.DDProduct(k, ddHalfPi.L)).Minus(value.DD{H: k * halfPiEnd, L: 0})
	square := r.Times(r)
	square.H, square.L = -square.H, -square.L
	sin, cos = value.DD{}, value.DD{}
	for n := 27.0; n > 1; n -= 2 {
		sin = sin.Plus(value.DD{H: 1, L: 0}).Times(square).By(value.DD{H: n * (n - 1), L: 0})
		cos = cos.Plus(value.DD{H: 1, L: 0}).Times(square).By(value.DD{H: (n - 1) * (n - 2), L: 0})
	}
	sin, cos = sin.Plus(value.DD{H: 1, L: 0}).Times(r), cos.Plus(value.DD{H: 1, L: 0})
	for range (int64(k)%4 + 4) % 4 {
		sin, cos = cos, value.DD{H: -sin.H, L: -sin.L}
	}
	return sin, cos, true
}

func exactExp(x float64) float64 {
	if !(math.Abs(x) < 700) {
		return math.Exp(x)
	}
	e, n := ddExp(value.DD{H: x, L: 0})
	return math.Ldexp(e.Value(), n)
}

func exactLog(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return math.Log(x)
	}
	return ddLog(x).Value()
}

func exactLog10(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return math.Log10(x)
	}
	return ddLog(x).By(ddLn10).Value()
}

func exactPow(x, y float64) float64 {
	rough := math.Pow(x, y)
	if x == 0 || x == 1 || y == 0 || !value.Finite(rough) || math.Abs(rough) < 1e-290 || math.Abs(rough) > 1e305 || !value.Finite(x) || !value.Finite(y) {
		return rough
	}
	e, n := ddExp(ddLog(math.Abs(x)).Times(value.DD{H: y, L: 0}))
	return math.Copysign(math.Ldexp(e.Value(), n), rough)
}

// exactTrig returns a function of sine and cosine, or the rough one where they are not known.
func exactTrig(rough func(float64) float64, of func(sin, cos value.DD) float64) func(float64) float64 {
	return func(x float64) float64 {
		if sin, cos, ok := ddSinCos(x); ok && x != 0 {
			return of(sin, cos)
		}
		return rough(x)
	}
}

// exactArc returns an inverse of them: better is how much the rough one is too small, by its sine and cosine.
func exactArc(rough func(float64) float64, better func(x float64, sin, cos value.DD) float64) func(float64) float64 {
	return func(x float64) float64 {
		y := rough(x)
		if sin, cos, ok := ddSinCos(y); ok && y != 0 {
			if d := better(x, sin, cos); value.Finite(d) {
				return y + d
			}
		}
		return y
	}
}

var (
	exactSin  = exactTrig(math.Sin, func(sin, _ value.DD) float64 { return sin.Value() })
	exactCos  = exactTrig(math.Cos, func(_, cos value.DD) float64 { return cos.Value() })
	exactTan  = exactTrig(math.Tan, func(sin, cos value.DD) float64 { return sin.By(cos).Value() })
	exactAsin = exactArc(math.Asin, func(x float64, sin, cos value.DD) float64 { return value.DD{H: x, L: 0}.Minus(sin).Value() / cos.H })
	exactAcos = exactArc(math.Acos, func(x float64, sin, cos value.DD) float64 { return cos.Minus(value.DD{H: x, L: 0}).Value() / sin.H })
	exactAtan = exactArc(math.Atan, func(x float64, sin, cos value.DD) float64 {
		return cos.Times(value.DD{H: x, L: 0}).Minus(sin).Value() / (cos.H + x*sin.H)
	})
)

func exactAtan2(y, x float64) float64 {
	return exactArc(func(float64) float64 { return math.Atan2(y, x) }, func(_ float64, sin, cos value.DD) float64 {
		return cos.Times(value.DD{H: y, L: 0}).Minus(sin.Times(value.DD{H: x, L: 0})).Value() / (x*cos.H + y*sin.H)
	})(0)
}
