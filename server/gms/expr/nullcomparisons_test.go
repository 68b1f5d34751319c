package expr

import (
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// A NULL in a condition is compared without an error that is thrown away.
func TestNullsAreComparedWithoutErrors(t *testing.T) {
	ctx := sql.NewEmptyContext()
	column := func(i int) sql.Expression { return expression.NewGetField(i, types.Int64, "a", true) }
	five := expression.NewLiteral(int64(5), types.Int64)
	e := CompareNulls(ctx, expression.NewOr(expression.NewNot(expression.NewEquals(column(0), five)), expression.NewGreaterThan(five, column(1))))
	for _, c := range []struct {
		row  sql.Row
		want any
	}{
		{sql.Row{nil, nil}, nil}, {sql.Row{int64(5), nil}, nil}, {sql.Row{int64(4), nil}, true}, {sql.Row{nil, int64(4)}, true},
		{sql.Row{int64(5), int64(5)}, false},
	} {
		if got, err := e.Eval(ctx, c.row); err != nil || got != c.want {
			t.Errorf("%v: %v, %v, want %v", c.row, got, err, c.want)
		}
	}
	nulls := sql.Row{nil, nil}
	if n := testing.AllocsPerRun(10, func() { _, _ = e.Eval(ctx, nulls) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
