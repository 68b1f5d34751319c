package value

import "math"

// DD is a number of about 106 bits: the sum of both.
type DD struct{ H, L float64 }

func ddSum(a, b float64) DD {
	s := a + b
	t := s - a
	return DD{s, (a - (s - t)) + (b - t)}
}

// DDProduct returns the product of two DOUBLEs, exactly.
func DDProduct(a, b float64) DD {
	p := a * b
	return DD{p, math.FMA(a, b, -p)}
}

// Plus returns a sum.
func (a DD) Plus(b DD) DD {
	s := ddSum(a.H, b.H)
	t := ddSum(a.L, b.L)
	s = ddSum(s.H, s.L+t.H)
	return ddSum(s.H, s.L+t.L)
}

// Times returns a product.
func (a DD) Times(b DD) DD {
	p := DDProduct(a.H, b.H)
	return ddSum(p.H, p.L+a.H*b.L+a.L*b.H)
}

// By returns a quotient.
func (a DD) By(b DD) DD {
	q := a.H / b.H
	r := a.Plus(b.Times(DD{-q, 0}))
	p := r.H / b.H
	r = r.Plus(b.Times(DD{-p, 0}))
	return ddSum(q, p).Plus(DD{r.H / b.H, 0})
}

// Minus returns a difference.
func (a DD) Minus(b DD) DD { return a.Plus(DD{-b.H, -b.L}) }

// Value returns the DOUBLE that is nearest to the number.
func (a DD) Value() float64 { return a.H + a.L }
