package gms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := enc.Encode(m.name); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// json returns the text of EXPLAIN FORMAT=JSON.
func (e *explaining) json(top *block) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{{"query_block", e.queryBlock(top)}})
	return strings.TrimSuffix(out.String(), "\n"), err
}

func (e *explaining) queryBlock(b *block) object {
	var o object
	if b.union != nil {
		return object{{"union_result", e.unionResult(b.union)}}
	}
	o.add("select_id", b.id)
	if b.message != "" {
		o.add("message", b.message)
	}
	steps, cost, known := e.steps(b)
	if known {
		o.add("cost_info", object{{"query_cost", twoDigits(cost)}})
	}
	for _, op := range []struct {
		does    bool
		name    string
		members object
	}{
		{b.windows, "windowing", object{{"windows", []object{{{"name", "<unnamed window>"}}}}}},
		{b.groups, "grouping_operation", object{{"using_temporary_table", true}, {"using_filesort", false}}},
		{b.distinct, "duplicates_removal", object{{"using_temporary_table", true}, {"using_filesort", false}}},
		{b.sorts, "ordering_operation", object{{"using_filesort", true}}},
	} {
		if op.does {
			steps = object{{op.name, append(op.members, steps...)}}
		}
	}
	o = append(o, steps...)
	if len(b.subs) > 0 {
		var subs []object
		for _, s := range b.subs {
			subs = append(subs, object{{"dependent", strings.HasPrefix(s.kind, "DEPENDENT")}, {"cacheable", !strings.HasPrefix(s.kind, "DEPENDENT")},
				{"query_block", e.queryBlock(s)}})
		}
		o.add("attached_subqueries", subs)
	}
	return o
}

func (e *explaining) unionResult(u *setOperation) object {
	o := object{{"using_temporary_table", u.distinct}}
	var members []object
	var ids []string
	for _, m := range u.members {
		ids = append(ids, fmt.Sprint(m.id))
		members = append(members, object{{"dependent", false}, {"cacheable", true}, {"query_block", e.queryBlock(m)}})
	}
	if u.distinct {
		o.add("table_name", "<"+u.word+strings.Join(ids, ",")+">")
		o.add("access_type", "ALL")
	}
	o.add("query_specifications", members)
	return o
}

// steps returns the tables of a block, what they cost, and whether that is known.
func (e *explaining) steps(b *block) (object, float64, bool) {
	var tables []object
	total, prefix, known := 0.0, 1.0, len(b.tables) > 0
	for _, a := range b.tables {
		t := object{}
		switch a.block.kind {
		case "INSERT", "REPLACE", "UPDATE", "DELETE":
			t.add(strings.ToLower(a.block.kind), true)
		}
		t.add("table_name", a.table)
		if len(a.partitions) > 0 {
			t.add("partitions", a.partitions)
		}
		if a.typ != "" {
			t.add("access_type", a.typ)
		}
		if len(a.possible) > 0 {
			t.add("possible_keys", a.possible)
		}
		if a.key != "" {
			t.add("key", a.key)
			t.add("used_key_parts", a.parts)
			t.add("key_length", a.keyLength())
		}
		if len(a.ref) > 0 {
			t.add("ref", a.ref)
		}
		known = known && a.rows >= 0
		if a.rows >= 0 {
			read, eval := e.cost(a, prefix)
			produced := prefix * a.rows * a.filtered
			total += read + eval
			t.add("rows_examined_per_scan", uint64(a.rows))
			t.add("rows_produced_per_join", uint64(produced))
			t.add("filtered", twoDigits(a.percent()))
			prefix = produced
			if a.backward {
				t.add("backward_index_scan", true)
			}
			if a.covering {
				t.add("using_index", true)
			}
			if a.hashed {
				t.add("using_join_buffer", "hash join")
			}
			costs := object{{"read_cost", twoDigits(read)}, {"eval_cost", twoDigits(eval)}, {"prefix_cost", twoDigits(total)}}
			if a.of != nil {
				costs.add("data_read_per_join", fmt.Sprint(uint64(produced*e.rowSize(a))))
			}
			t.add("cost_info", costs)
		}
		if len(a.columns) > 0 {
			t.add("used_columns", a.columns)
		}
		if len(a.where) > 0 {
			t.add("attached_condition", e.text(expression.JoinAnd(a.where...)))
		}
		if a.derived != nil {
			t.add("materialized_from_subquery", object{{"using_temporary_table", true},
				{"dependent", false}, {"cacheable", true}, {"query_block", e.queryBlock(a.derived)}})
		}
		tables = append(tables, object{{"table", t}})
	}
	switch len(tables) {
	case 0:
		return nil, 0, false
	case 1:
		return tables[0], total, known
	}
	return object{{"nested_loop", tables}}, total, known
}

// twoDigits is a number as EXPLAIN has it.
func twoDigits(f float64) string { return fmt.Sprintf("%.2f", f) }

// The constants of MySQL's cost model: a page in memory, a row.
const (
	pageCost = 0.25
	rowCost  = 0.1
)

// cost estimates what reading a table costs as often as there are rows before it, by MySQL's
// model with this volume's sizes; the planner's own costs have other units.
func (e *explaining) cost(a *access, times float64) (read, eval float64) {
	pages := a.rows
	switch {
	case a.typ == "ALL" || a.typ == "index":
		if a.hashed {
			times = 1
		}
		pages = 1
		if a.of != nil {
			if n, err := a.of.DataLength(e.ctx); err == nil {
				pages = max(1, float64(n)/engine.PageSize)
			}
		}
	case a.covering:
		pages = max(1, a.rows/100)
	}
	return times * pages * pageCost, times * a.rows * rowCost
}

// function.RowSize is the average of a table's rows, bytes.
func (e *explaining) rowSize(a *access) float64 {
	n, err := a.of.DataLength(e.ctx)
	if err != nil {
		return 0
	}
	count, _, err := a.of.RowCount(e.ctx)
	if err != nil {
		return 0
	}
	return float64(n) / max(1, float64(count))
}

// namedField is a column that says its name as EXPLAIN does.
type namedField struct{ *expression.GetField }

// String implements fmt.Stringer.
func (f namedField) String() string {
	var parts []string
	for _, name := range []string{f.Database(), f.Table(), f.Name()} {
		if name != "" {
			parts = append(parts, syntax.QuoteName(name))
		}
	}
	return strings.Join(parts, ".")
}

// text is a condition with the whole names of its columns.
func (e *explaining) text(x sql.Expression) string {
	named, _, err := transform.Expr(e.ctx, x, func(_ *sql.Context, x sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if f, ok := x.(*expression.GetField); ok {
			return namedField{f}, transform.NewTree, nil
		}
		return x, transform.SameTree, nil
	})
	if err != nil {
		return x.String()
	}
	return named.String()
}
