package gms

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/function"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// variableBlocks are the sizes in bytes of which the values of some variables are multiples.
var variableBlocks = map[string]int64{
	"binlog_cache_size": 4096, "join_buffer_size": 128, "key_buffer_size": 4096, "max_allowed_packet": 1024, "max_heap_table_size": 1024,
	"net_buffer_length": 1024, "query_alloc_block_size": 1024, "query_prealloc_size": 1024, "range_alloc_block_size": 4096,
	"read_buffer_size": 4096, "transaction_alloc_block_size": 1024, "transaction_prealloc_size": 1024,
}

// cutValue is the value of a variable of numbers, which is cut to what the variable takes.
type cutValue struct {
	sql.Expression
	name string
	typ  reflect.Value // the planner's type of the variable
}

// withinBounds returns a SET of which the variables of numbers get none that are too small or
// too large, which MySQL cuts with a warning, and a user's variable gets a date as a text.
func withinBounds(ctx *sql.Context, n *plan.Set) *plan.Set {
	out := make([]sql.Expression, len(n.Exprs))
	for i, e := range n.Exprs {
		out[i] = e
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		if to, ok := set.LeftChild.(*expression.UserVar); ok {
			value := function.VariableValue(ctx, set.RightChild)
			function.NoteCollation(ctx, to, value)
			out[i] = expression.NewSetField(to, value)
			continue
		}
		to, ok := set.LeftChild.(*expression.SystemVar)
		if !ok || strings.EqualFold(to.Name, "timestamp") {
			continue
		}
		if name := strings.ToLower(to.Name); strings.HasPrefix(name, "character_set_") || strings.HasPrefix(name, "collation_") {
			out[i] = expression.NewSetField(to, &offeredCharset{set.RightChild})
			continue
		}
		v, _, ok := sql.SystemVariables.GetGlobal(to.Name)
		if !ok || v.IsReadOnly() {
			continue
		}
		if t := reflect.ValueOf(v.GetType()); t.Kind() == reflect.Struct && t.FieldByName("lowerbound").IsValid() {
			out[i] = expression.NewSetField(to, &cutValue{set.RightChild, strings.ToLower(to.Name), t})
		}
	}
	return plan.NewSet(out)
}

// offeredCharset is the name of a character set or a collation, an error if its texts cannot be encoded here.
type offeredCharset struct{ sql.Expression }

// Eval implements sql.Expression.
func (c *offeredCharset) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Expression.Eval(ctx, r)
	if name, ok := v.(string); ok && err == nil {
		set, _, _ := strings.Cut(name, "_")
		err = rewrite.NoCharset(set)
	}
	return v, err
}

// Eval implements sql.Expression.
func (b *cutValue) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := b.Expression.Eval(ctx, r)
	if err != nil {
		return nil, err
	}
	whole := !b.typ.FieldByName("lowerbound").CanFloat()
	switch x := v.(type) {
	case bool:
		if v = int64(0); x {
			v = int64(1)
		}
	case string, float32, float64, *apd.Decimal:
		if whole {
			return nil, mysql.NewSQLError(mysql.ERWrongTypeForVar, "42000", "Incorrect argument type to variable '%s'", b.name)
		}
	}
	cut := b.cut(v)
	if cut == nil {
		return v, nil
	}
	if value.ModeEnabled(ctx, "STRICT_ALL_TABLES") {
		return nil, mysql.NewSQLError(1231, "42000", "Variable '%s' can't be set to the value of '%v'", b.name, v)
	}
	value.Warn(ctx, 1292, fmt.Sprintf("Truncated incorrect %s value: '%v'", b.name, v))
	return cut, nil
}

// cut returns the value that the variable gets in place of v, nil if that is v itself or no number
// that it could take.
func (b *cutValue) cut(v any) any {
	low, high := b.typ.FieldByName("lowerbound"), b.typ.FieldByName("upperbound")
	if low.Kind() == reflect.Float64 {
		f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		if _, text := v.(string); text || err != nil || f >= low.Float() && f <= high.Float() {
			return nil
		}
		return min(max(f, low.Float()), high.Float())
	}
	x := reflect.ValueOf(v)
	negative := x.CanInt() && x.Int() < 0
	if !x.CanInt() && !x.CanUint() {
		return nil
	}
	if low.CanUint() {
		n := uint64(0)
		if !negative && x.CanInt() {
			n = uint64(x.Int())
		} else if !negative {
			n = x.Uint()
		}
		to := min(max(n, low.Uint()), high.Uint())
		if block := uint64(variableBlocks[b.name]); block > 0 {
			to = max(to/block*block, low.Uint())
		}
		if to == n && !negative {
			return nil
		}
		return to
	}
	n := int64(math.MaxInt64)
	if x.CanInt() {
		n = x.Int()
	} else if x.Uint() < math.MaxInt64 {
		n = int64(x.Uint())
	}
	if one := b.typ.FieldByName("negativeOne"); one.IsValid() && one.Bool() && n == -1 {
		return nil
	}
	to := min(max(n, low.Int()), high.Int())
	if block := variableBlocks[b.name]; block > 0 {
		to = max(to/block*block, low.Int())
	}
	if to == n && (x.CanInt() || x.Uint() <= math.MaxInt64) {
		return nil
	}
	return to
}
