package gms

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// scope is what a block of a procedure declares. A handler's body has one of its own.
type scope struct {
	up         *scope // where names are looked for next
	handlersUp *scope // and handlers: those of its own block are not for a handler's body
	vars       map[string]*local
	conditions map[string]rewrite.Condition
	cursors    map[string]*cursor
	handlers   []*conditionHandler
	raised     *rewrite.Condition // what a handler's body is run for
	rows       *triggerRow
}

// local is a variable or a parameter of a procedure.
type local struct {
	name     string
	typ      sql.Type
	value    any
	assigned bool // since it was made
}

// cursor is a declared cursor, open if it has a schema.
type cursor struct {
	query  ast.SelectStatement
	scope  *scope
	schema sql.Schema
	rows   []sql.Row
}

// local returns the variable that a name is, nil if it is none.
func (sc *scope) local(n *ast.ColName) *local {
	if n.Qualifier.IsEmpty() {
		return sc.find(n.Name.Lowered())
	}
	for ; sc != nil && n.Qualifier.DbQualifier.IsEmpty(); sc = sc.up {
		switch row := n.Qualifier.Name.String(); {
		case sc.rows == nil:
		case strings.EqualFold(row, "new"):
			return sc.rows.new[n.Name.Lowered()]
		case strings.EqualFold(row, "old"):
			return sc.rows.old[n.Name.Lowered()]
		}
	}
	return nil
}

func (sc *scope) find(name string) *local {
	for ; sc != nil; sc = sc.up {
		if l := sc.vars[name]; l != nil {
			return l
		}
	}
	return nil
}

// store assigns to a variable of the procedure or of the user.
func (sc *scope) store(ctx *sql.Context, name string, v any, t sql.Type) error {
	if user, ok := strings.CutPrefix(name, "@"); ok {
		return ctx.SetUserVariable(ctx, strings.Trim(user, "`'\""), v, t)
	}
	if l := sc.find(strings.ToLower(name)); l != nil {
		return l.assign(ctx, v, t)
	}
	return mysql.NewSQLError(1327, "42000", "Undeclared variable: %s", name)
}

// assign gives a variable a value of another type by the rules for columns.
func (l *local) assign(ctx *sql.Context, v any, from sql.Type) error {
	var err error
	if b, ok := v.(bool); ok {
		v = int8(0)
		if b {
			v = int8(1)
		}
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return err
	}
	if v != nil && from != nil && sql.IsStringType(l.typ) && !sql.IsStringType(from) {
		text, err := from.SQL(ctx, nil, v)
		if err != nil {
			return err
		}
		v = text.ToString()
	}
	if v != nil && from != nil && types.IsNumber(l.typ) && expr.IsMoment(from) {
		if v, err = expr.NewDateNumber(ctx, expression.NewLiteral(v, from)).Eval(ctx, nil); err != nil {
			return err
		}
	}
	a := value.Assigner{Row: 1}
	if v, err = a.Assign(ctx, l.name, l.typ, v); err != nil {
		return err
	}
	if v != nil {
		if v, _, err = l.typ.Convert(ctx, v); err == nil && v == uint16(0) && l.typ.Type() == sqltypes.Enum {
			v, err = a.Keep(ctx, l.name, value.Truncated, v)
		}
		if err != nil {
			return err
		}
	}
	l.value, l.assigned = v, true
	return nil
}

// literal returns the value of a variable as an expression of its type, a text of utf8mb4 with another collation than the
// usual one with that.
func (l *local) literal(ctx *sql.Context) (ast.Expr, error) {
	if l.value == nil {
		return &ast.NullVal{}, nil
	}
	if b, ok := l.value.(bool); ok {
		return ast.NewIntVal([]byte(strconv.Itoa(map[bool]int{true: 1}[b]))), nil
	}
	v, err := l.typ.SQL(ctx, nil, l.value)
	if err != nil {
		return nil, err
	}
	text := v.ToString()
	switch k := l.typ.Type(); {
	case k == sqltypes.Bit:
		return ast.NewIntVal([]byte(fmt.Sprint(l.value))), nil
	case sqltypes.IsIntegral(k):
		return ast.NewIntVal([]byte(text)), nil
	case sqltypes.IsFloat(k):
		f, _, err := types.Float64.Convert(ctx, l.value)
		if err != nil {
			return nil, err
		}
		if k == sqltypes.Float32 {
			return cast(strconv.FormatFloat(f.(float64), 'g', -1, 32), "float", ""), nil
		}
		return ast.NewFloatVal(strconv.AppendFloat(nil, f.(float64), 'e', -1, 64)), nil
	case k == sqltypes.Decimal:
		if !strings.Contains(text, ".") {
			if len(text) < 19 { // the planner divides a cast to too many digits
				return ast.NewIntVal([]byte(text)), nil
			}
			return cast(text, "decimal", strconv.Itoa(int(l.typ.(sql.DecimalType).Precision()))), nil
		}
		return ast.NewFloatVal([]byte(text)), nil
	case k == sqltypes.Date:
		return cast(text, "date", ""), nil
	case k == sqltypes.Datetime, k == sqltypes.Timestamp:
		return cast(text, "datetime", fraction(text)), nil
	case k == sqltypes.Time:
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return ast.NewStrVal([]byte(text)), nil // the planner's TIME always has a fraction
	case k == sqltypes.TypeJSON:
		return cast(text, "json", ""), nil
	case sqltypes.IsBinary(k), k == sqltypes.Geometry:
		return ast.NewHexVal(fmt.Appendf(nil, "%x", v.ToBytes())), nil
	}
	if t, ok := l.typ.(sql.TypeWithCollation); ok && t.Collation() != sql.Collation_utf8mb4_0900_ai_ci && t.Collation().CharacterSet() == sql.CharacterSet_utf8mb4 {
		return &ast.CollateExpr{Expr: &ast.ConvertUsingExpr{Expr: ast.NewStrVal([]byte(text)), Type: "utf8mb4"}, Collation: t.Collation().Name()}, nil
	}
	return ast.NewStrVal([]byte(text)), nil
}

// fraction returns the number of digits of a fraction of a second.
func fraction(text string) string {
	if _, digits, ok := strings.Cut(text, "."); ok {
		return strconv.Itoa(len(digits))
	}
	return ""
}

func cast(text, to, length string) ast.Expr {
	t := &ast.ConvertType{Type: to}
	if length != "" {
		t.Length = ast.NewIntVal([]byte(length))
	}
	return &ast.ConvertExpr{Name: "CAST", Expr: ast.NewStrVal([]byte(text)), Type: t}
}

// copy returns a copy of a statement with literals for the variables that it names.
func (sc *scope) copy(ctx *sql.Context, stmt ast.Statement) (ast.Statement, error) {
	c := copier{ctx: ctx, sc: sc}
	out := c.value(reflect.ValueOf(&stmt).Elem()).Interface().(ast.Statement)
	return out, c.err
}

// copier copies the tree of a statement.
type copier struct {
	ctx *sql.Context
	sc  *scope
	err error
}

func (c *copier) value(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		if n, ok := v.Interface().(*ast.ColName); ok && n != nil {
			if l := c.sc.local(n); l != nil {
				e, err := l.literal(c.ctx)
				if err != nil {
					c.err = err
					return v
				}
				out.Set(reflect.ValueOf(e))
				return out
			}
		}
		out.Set(c.value(v.Elem()))
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(c.value(v.Elem()))
		switch n := v.Interface().(type) {
		case *ast.Select:
			c.named(n.SelectExprs, out.Interface().(*ast.Select).SelectExprs)
		case *ast.Limit:
			l := out.Interface().(*ast.Limit)
			l.Offset, l.Rowcount = c.limit(n.Offset, l.Offset), c.limit(n.Rowcount, l.Rowcount)
		case *ast.Order:
			o := out.Interface().(*ast.Order)
			o.Expr = c.sorting(n.Expr, o.Expr)
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(c.value(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(c.value(v.Index(i)))
		}
		if g, ok := v.Interface().(ast.GroupBy); ok {
			for i, e := range out.Interface().(ast.GroupBy) {
				out.Interface().(ast.GroupBy)[i] = c.sorting(g[i], e)
			}
		}
		return out
	}
	return v
}

// named names the columns that are variables by them.
func (c *copier) named(from, to ast.SelectExprs) {
	for i, e := range from {
		if a, ok := e.(*ast.AliasedExpr); ok && a.As.IsEmpty() {
			if n, ok := a.Expr.(*ast.ColName); ok && c.sc.local(n) != nil {
				to[i].(*ast.AliasedExpr).As = n.Name
			}
		}
	}
}

// sorting keeps a variable of ORDER BY and GROUP BY from being the number of a column.
func (c *copier) sorting(from, to ast.Expr) ast.Expr {
	if n, ok := from.(*ast.ColName); ok && c.sc.local(n) != nil {
		if _, ok := to.(*ast.SQLVal); ok {
			return &ast.ConvertExpr{Name: "CAST", Expr: to, Type: &ast.ConvertType{Type: "char"}}
		}
	}
	return to
}

// limit returns the number that a variable is in a LIMIT: a negative one is the largest.
func (c *copier) limit(from, to ast.Expr) ast.Expr {
	n, ok := from.(*ast.ColName)
	if !ok || c.sc.local(n) == nil {
		return to
	}
	v, _, err := types.Uint64.Convert(c.ctx, c.sc.local(n).value)
	switch u, ok := v.(uint64); {
	case ok && err == nil:
		return ast.NewIntVal(strconv.AppendUint(nil, u, 10))
	case c.sc.local(n).value == nil:
		return ast.NewIntVal([]byte("0"))
	}
	return ast.NewIntVal([]byte("18446744073709551615"))
}
