package gms

import (
	"math/rand/v2"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/function"
)

// seed takes the value of rand_seed1 or rand_seed2; RAND() of the session goes on from there.
func (s *Session) seed(ctx *sql.Context, variable string, value any) {
	n, _, _ := types.Uint64.Convert(ctx, value)
	seed, _ := n.(uint64)
	if s.random == nil {
		s.random = &function.RandomSequence{First: rand.Uint32N(function.RandomRange), Second: rand.Uint32N(function.RandomRange)}
	}
	if variable == "rand_seed1" {
		s.random.First = uint32(seed % function.RandomRange)
	} else {
		s.random.Second = uint32(seed % function.RandomRange)
	}
}

// NextRandom returns the next number of RAND() in the session's sequence, false if it has set none.
func (s *Session) NextRandom() (float64, bool) {
	if s.random == nil {
		return 0, false
	}
	return s.random.Next(), true
}
