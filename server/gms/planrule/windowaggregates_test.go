package planrule

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// Aggregates of frames that go along with the row read each row a few times, whatever the frame, and are those of its rows.
func TestFramesAreReadOnce(t *testing.T) {
	ctx := sql.NewEmptyContext()
	long := func(v int64) any { return strings.Repeat("x", 100<<10) + fmt.Sprintf("%05d", v+100) } // a few are extremesKept
	number := expression.NewGetField(0, types.Int64, "n", true)
	text := expression.NewGetField(1, types.LongBlob, "s", true)
	sum := &expr.Aggregate{Kind: expr.Aggregates["sum"], Child: number}
	frames := map[string]sql.WindowFrame{
		"to the end": plan.NewRowsCurrentRowToUnboundedFollowingFrame(),
		"around":     plan.NewRowsNPrecedingToNFollowingFrame(expression.NewLiteral(int64(30), types.Int64), expression.NewLiteral(int64(20), types.Int64)),
	}
	for name, w := range frames {
		for _, order := range []int{-1, 0, 1} {
			const n = 80
			rows := make([]sql.Row, n)
			for i := range rows {
				v := i * order
				if order == 0 {
					v = rand.IntN(20)
				}
				rows[i] = sql.Row{int64(v), long(int64(v))}
				if i%7 == 0 {
					rows[i] = sql.Row{nil, nil}
				}
			}
			read := 0
			p := &Partition{N: n, Row: func(_ *sql.Context, i int) (sql.Row, error) {
				read++
				return rows[i], nil
			}}
			def := &sql.WindowDefinition{Frame: w}
			f, err := newFrame(def, nil)
			if err != nil {
				t.Fatal(err)
			}
			for what, a := range map[string]struct {
				aggregation sql.Aggregation
				most        int // reads of a row
				of          func(values []int64) any
			}{
				"SUM":          {sum, 3, func(v []int64) any { return sumOf(v) }},
				"COUNT":        {aggregation.NewCount(text), 3, func(v []int64) any { return int64(len(v)) }},
				"MIN":          {aggregation.NewMin(number), 3, func(v []int64) any { return extremeOf(v, -1, func(v int64) any { return v }) }},
				"MIN of texts": {aggregation.NewMin(text), n / 5, func(v []int64) any { return extremeOf(v, -1, long) }},
				"MAX of texts": {aggregation.NewMax(text), n / 5, func(v []int64) any { return extremeOf(v, 1, long) }},
			} {
				read = 0
				value := frameValue(ctx, a.aggregation, f)
				for p.At = 0; p.At < n; p.At++ {
					got, err := value(ctx, p)
					if err != nil {
						t.Fatal(err)
					}
					from, to := p.At, n
					if name == "around" {
						from, to = max(p.At-30, 0), min(p.At+21, n)
					}
					var in []int64
					for _, r := range rows[from:to] {
						if v, ok := r[0].(int64); ok {
							in = append(in, v)
						}
					}
					if want := a.of(in); got != want && fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("%s %s of order %d at %d: %.40v, want %.40v", what, name, order, p.At, got, want)
					}
				}
				if read > a.most*n {
					t.Errorf("%s %s of order %d read %d rows of %d", what, name, order, read, n)
				}
			}
		}
	}
}

// sumOf is a SUM.
func sumOf(v []int64) any {
	if len(v) == 0 {
		return nil
	}
	sum := int64(0)
	for _, x := range v {
		sum += x
	}
	return sum
}

// extremeOf is a MIN or MAX.
func extremeOf(v []int64, sign int, of func(int64) any) any {
	if len(v) == 0 {
		return nil
	}
	most := v[0]
	for _, x := range v {
		if cmp.Compare(x, most) == sign {
			most = x
		}
	}
	return of(most)
}
