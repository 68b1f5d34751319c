package gms

import (
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// This file assigns whole rows: of INSERT and LOAD DATA, and the columns that UPDATE names.

// assigned is the source of an INSERT with the columns' types.
type assigned struct {
	sql.Node
	insert *plan.InsertInto
	fires  bool // its rows fire BEFORE triggers, which see NULL in columns that do not take it
}

// Children implements sql.Node.
func (n *assigned) Children() []sql.Node { return []sql.Node{n.Node} }

// WithChildren implements sql.Node.
func (n *assigned) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &assigned{Node: children[0], insert: n.insert, fires: n.fires}, nil
}

// assigned builds the source of an INSERT.
func (b *builder) assigned(ctx *sql.Context, s *Session, n *assigned, r sql.Row) (sql.RowIter, error) {
	it, err := b.base.Build(ctx, n.Node, r)
	if err != nil {
		return nil, err
	}
	local := false
	transform.Inspect(n.Node, func(n sql.Node) bool {
		if l, ok := n.(*plan.LoadData); ok {
			local = l.Local
		}
		return true
	})
	var records *int64
	if o := s.results; o != nil && s.depth == 0 && o.insert == nil {
		o.insert, records = n.insert, &o.records
	}
	var formats []value.ColumnFormat
	var digits []int
	if t := tableOf(n.insert.Destination); t != nil {
		live := t.live(ctx)
		formats = live.formats
		for i, c := range live.schema {
			if types.IsTimespan(c.Type) {
				if digits == nil {
					digits = make([]int, len(live.schema))
				}
				digits[i] = expr.Precision(&live.def.Columns[i])
			}
		}
	}
	schema := n.insert.Destination.Schema(ctx)
	return &assignIter{
		order: assignedOrder(schema, n.insert.ColumnNames), formats: formats, digits: digits, records: records, child: it, schema: schema, insert: n.insert, fires: n.fires,
		single: valueRows(ctx, n.Node) == 1, empty: emptyRow(s, n.insert), a: value.Assigner{Ignore: n.insert.Ignore || local},
	}, nil
}

// assignedOrder is the order in which the columns of a row are assigned: those that the statement names, then the others.
func assignedOrder(schema sql.Schema, names []string) []int {
	order, named := make([]int, 0, len(schema)), make([]bool, len(schema))
	for at, name := range names {
		if at >= len(schema) || !syntax.SameName(schema[at].Name, name) {
			at = schema.IndexOfColName(name)
		}
		if at >= 0 && !named[at] {
			named[at] = true
			order = append(order, at)
		}
	}
	for at := range schema {
		if !named[at] {
			order = append(order, at)
		}
	}
	return order
}

// emptyRow reports whether a client's INSERT is one of VALUES ().
func emptyRow(s *Session, n *plan.InsertInto) bool {
	stmt, ok := s.current().(*ast.Insert)
	if !ok || s.root != n {
		return false
	}
	rows, ok := stmt.Rows.(*ast.AliasedValues)
	return ok && len(rows.Values) > 0 && len(rows.Values[0]) == 0
}

type assignIter struct {
	child   sql.RowIter
	records *int64 // counts the rows for the client; nil: not for it
	schema  sql.Schema
	order   []int                // see assignedOrder
	formats []value.ColumnFormat // of the columns; nil: none has one
	digits  []int                // of the columns, see expr.Precision; nil: not known
	insert  *plan.InsertInto
	single  bool // a VALUES list of one row
	empty   bool // VALUES ()
	fires   bool // see assigned
	a       value.Assigner
}

// Next implements sql.RowIter.
func (i *assignIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.child.Next(ctx)
	if err == io.EOF && i.a.Row == 0 && !i.fires && !i.a.Lenient(ctx) { //nolint:errorlint // as iterators return it
		for n, c := range i.schema { // also of a query without rows
			if i.insert.DeferredDefaults.Contains(n) && !c.Nullable && !c.Virtual && !c.AutoIncrement && c.Type.Type() != sqltypes.Enum {
				return nil, mysql.NewSQLError(1364, "HY000", "Field '%s' doesn't have a default value", c.Name)
			}
		}
	}
	if err = strictly(ctx, &i.a, err); err != nil {
		return nil, err
	}
	i.a.Row++
	if i.records != nil {
		*i.records = i.a.Row
	}
	r = r.Copy()
	own := r
	if len(r) > len(i.schema) {
		own = r[len(r)-len(i.schema):]
	}
	for _, n := range i.order {
		if n >= len(own) {
			continue
		}
		c := i.schema[n]
		if own[n] != nil {
			i.a.Table = c.Source
			if n < len(i.formats) {
				i.a.Format = i.formats[n]
			}
			if own[n], err = i.a.Assign(ctx, c.Name, c.Type, own[n]); err != nil {
				return nil, err
			}
			if span, ok := own[n].(types.Timespan); ok && n < len(i.digits) {
				own[n] = columnSpan(ctx, span, i.digits[n])
			}
			continue
		}
		missing := i.empty || i.insert.DeferredDefaults.Contains(n)
		if !c.Nullable && !c.Virtual && i.a.Lenient(ctx) && (missing || !i.fires && (i.a.Ignore || !i.single)) {
			own[n] = i.a.Null(ctx, c.Name, c.Type, missing)
		} else if i.empty && !c.Nullable && !c.Virtual && !c.AutoIncrement {
			if c.Type.Type() != sqltypes.Enum {
				return nil, mysql.NewSQLError(1364, "HY000", "Field '%s' doesn't have a default value", c.Name)
			}
			own[n] = uint16(1)
		} else if !missing && !i.fires && !c.Nullable && c.Generated == nil && !c.AutoIncrement && !i.a.Lenient(ctx) {
			return nil, mysql.NewSQLError(mysql.ERBadNullError, "23000", "Column '%s' cannot be null", c.Name)
		}
	}
	return r, nil
}

// Close implements sql.RowIter.
func (i *assignIter) Close(ctx *sql.Context) error { return i.child.Close(ctx) }

// assignment is the right side of a SET in an UPDATE, with the type of its column.
type assignment struct {
	sql.Expression
	column  *expression.GetField
	a       *value.Assigner
	digits  int  // of a TIME, see expr.Precision
	missing bool // the statement gives it no value
	strict  bool // NULL is an error at once: of a generated column
}

// newAssignment returns what is assigned to a column.
func newAssignment(ctx *sql.Context, e sql.Expression, column *expression.GetField, ignore bool) *assignment {
	a := &assignment{Expression: e, column: column, digits: -1, a: &value.Assigner{Ignore: ignore, Table: column.Table(), Format: expr.FieldFormat(ctx, column)}}
	if types.IsTimespan(column.Type(ctx)) {
		if d := expr.DefinitionOf(ctx, column); d != nil {
			a.digits = expr.Precision(d)
		}
	}
	return a
}

// Eval implements sql.Expression.
func (e *assignment) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	e.a.Row++
	v, err := e.Expression.Eval(ctx, r)
	if err == nil {
		err = e.a.Divided(ctx)
	}
	if err != nil {
		return nil, err
	}
	t := e.column.Type(ctx)
	if v == nil && !e.column.IsNullable(ctx) {
		if e.a.Lenient(ctx) {
			return e.a.Null(ctx, e.column.Name(), t, e.missing), nil
		} else if e.strict {
			return nil, mysql.NewSQLError(mysql.ERBadNullError, "23000", "Column '%s' cannot be null", e.column.Name())
		}
	}
	v, err = e.a.Assign(ctx, e.column.Name(), t, v)
	if span, ok := v.(types.Timespan); ok {
		return columnSpan(ctx, span, e.digits), err
	}
	return v, err
}

// WithChildren implements sql.Expression.
func (e *assignment) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Expression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	c := *e
	c.Expression = x
	return &c, nil
}

// assignments wraps the right sides of SET.
func assignments(ctx *sql.Context, exprs *plan.UpdateExprs, ignore bool) (*plan.UpdateExprs, error) {
	out := make([]sql.Expression, exprs.Length())
	for i, e := range exprs.AllExpressions() {
		out[i] = e
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		if column, ok := set.LeftChild.(*expression.GetField); ok {
			val := set.RightChild
			if w, ok := val.(*expression.Wrapper); ok && len(w.Children()) == 1 {
				val = w.Children()[0]
			}
			d, ok := val.(*sql.ColumnDefaultValue)
			switch ok = ok && d != nil && !d.Literal && d.Resolved(); {
			case ok && types.IsJSON(column.Type(ctx)):
				val = nullDocument(d)
			case ok:
				val, _ = assignedAs(ctx, d.Expr, column.Type(ctx))
			default:
				val, _ = assignedAs(ctx, set.RightChild, column.Type(ctx))
			}
			if lacksDefault(val) && !column.IsNullable(ctx) {
				val = &noDefault{column: column.Name(), typ: column.Type(ctx), a: value.Assigner{Ignore: ignore}}
			}
			set := column
			if t := clockType(column.Type(ctx)); t != nil {
				set = expression.NewGetFieldWithTable(column.Index(), int(column.TableId()), t, column.Database(), column.Table(), column.Name(), column.IsNullable(ctx))
			}
			out[i] = expression.NewSetField(set, newAssignment(ctx, val, column, ignore))
		}
	}
	return exprs.WithExpressions(out)
}

// clockType returns the type of what the session's clock shows of a TIMESTAMP that is assigned, nil for other types. The
// planner would hold it to the range of a TIMESTAMP in UTC, in which value.Assigner has found the instant.
func clockType(t sql.Type) sql.Type {
	if d, ok := t.(sql.DatetimeType); ok && t.Type() == sqltypes.Timestamp {
		return value.Datetimes[d.Precision()]
	}
	return nil
}

// clockSchema returns columns with clockType's types.
func clockSchema(columns sql.Schema) sql.Schema {
	out := slices.Clone(columns)
	for i, c := range columns {
		if t := clockType(c.Type); t != nil {
			e := *c
			e.Type, out[i] = t, &e
		}
	}
	return out
}

// lacksDefault reports whether an expression is what the planner makes of DEFAULT of a column without one.
func lacksDefault(e sql.Expression) bool {
	w, ok := e.(*expression.Wrapper)
	if !ok {
		return false
	}
	for _, c := range w.Children() {
		if d, ok := c.(*sql.ColumnDefaultValue); !ok || d != nil {
			return false
		}
	}
	return true
}
