package rewrite

import (
	"bytes"
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// Intervals writes + and - of an INTERVAL as the functions that they are: the planner's
// operators make a DATETIME of everything. Texts that are stored keep theirs.
func Intervals(stmt ast.Statement) {
	if d, ok := stmt.(*ast.DDL); ok {
		switch {
		case d.ProcedureSpec != nil:
			stmt = d.ProcedureSpec.Body
		case d.TriggerSpec != nil:
			stmt = d.TriggerSpec.Body
		case d.OptSelect != nil:
			stmt = d.OptSelect.Select
		default:
			return
		}
	}
	switch stmt.(type) {
	case *ast.AlterTable, ast.InjectedStatement:
		return
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if i, ok := n.(*ast.IntervalExpr); ok {
			intervalParted(i)
		}
		return true, nil
	}, stmt)
	replace(reflect.ValueOf(stmt), intervalOperator)
}

// intervalParts are the delimiters of units of several parts as the planner wants them.
var intervalParts = map[string]string{
	"year_month": "-", "day_hour": " ", "day_minute": " :", "day_second": " ::", "hour_minute": ":", "hour_second": "::", "minute_second": ":",
}

// intervalParted writes a constant of a unit of several parts with the delimiters that the planner
// wants: to MySQL anything that is no digit is one, and the parts at the left may be missing.
func intervalParted(i *ast.IntervalExpr) {
	between, ok := intervalParts[strings.ToLower(i.Unit)]
	v, constant := i.Expr.(*ast.SQLVal)
	if !ok || !constant || v.Type != ast.StrVal && v.Type != ast.FloatVal && v.Type != ast.IntVal ||
		v.Type == ast.FloatVal && bytes.ContainsAny(v.Val, "eE") {
		return
	}
	text := strings.TrimLeft(string(v.Val), " ")
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign = "-"
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) == 0 || len(parts) > len(between)+1 {
		return
	}
	for len(parts) <= len(between) {
		parts = append([]string{"0"}, parts...)
	}
	for n := range between {
		sign += parts[n] + between[n:n+1]
	}
	i.Expr = ast.NewStrVal([]byte(sign + parts[len(between)]))
}

// intervalOperator returns what to have in place of n if it adds or subtracts an INTERVAL, else nil.
func intervalOperator(n ast.SQLNode) ast.Expr {
	b, ok := n.(*ast.BinaryExpr)
	if !ok {
		return nil
	}
	date, interval, name := b.Left, b.Right, "date_add"
	switch b.Operator {
	case ast.PlusStr:
		if _, ok := date.(*ast.IntervalExpr); ok {
			date, interval = interval, date
		}
	case ast.MinusStr:
		name = "date_sub"
	default:
		return nil
	}
	if _, ok := interval.(*ast.IntervalExpr); !ok {
		return nil
	}
	return &ast.FuncExpr{Name: ast.NewColIdent(name), Exprs: ast.SelectExprs{
		&ast.AliasedExpr{Expr: date}, &ast.AliasedExpr{Expr: interval},
	}}
}
