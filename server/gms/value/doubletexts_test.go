package value

import (
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// TestDoubleTexts checks the texts of FLOAT and DOUBLE that clients get.
func TestDoubleTexts(t *testing.T) {
	for _, c := range []struct {
		typ  sql.Type
		v    any
		want string
	}{
		{types.Float64, 20239206.0, "20239206"}, {types.Float64, 1e10, "10000000000"}, {types.Float64, 1e-5, "0.00001"},
		{types.Float64, 1e14, "100000000000000"}, {types.Float64, 1e15, "1e15"}, {types.Float64, 1.5e20, "1.5e20"},
		{types.Float64, 1e-15, "0.000000000000001"}, {types.Float64, -1.5e-20, "-1.5e-20"}, {types.Float64, 1e100, "1e100"},
		{types.Float64, 1234567890123456.0, "1.234567890123456e15"}, {types.Float64, 0.30000000000000004, "0.30000000000000004"}, {types.Float64, 0.0, "0"},
		{types.Float32, float32(1.23456789), "1.23457"}, {types.Float32, float32(16777216), "16777200"},
		{types.Float32, float32(123456789), "123457000"}, {types.Float32, float32(1e-10), "0.0000000001"}, {types.Float32, float32(0.1), "0.1"},
	} {
		got, ok := AppendDouble(sql.NewEmptyContext(), nil, c.typ, c.v)
		if !ok || string(got) != c.want {
			t.Errorf("%v of type %s is shown as %s, not %s", c.v, c.typ, got, c.want)
		}
	}
}
