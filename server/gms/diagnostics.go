package gms

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// getDiagnostics is a GET DIAGNOSTICS.
type getDiagnostics struct {
	stacked   bool
	condition string // its number, or the variable that has it; "" for the statement's items
	items     []rewrite.DiagnosticsItem
}

// readDiagnostics reads what follows GET.
func readDiagnostics(l *syntax.Lexer) (*getDiagnostics, error) {
	d := &getDiagnostics{stacked: l.AcceptOne("current", "stacked") == "stacked"}
	if !l.Accept("diagnostics") {
		return nil, l.Syntax()
	}
	items := []string{"number", "row_count"}
	if l.Accept("condition") {
		var ok bool
		if d.condition, ok = l.Target(); !ok {
			return nil, l.Syntax()
		}
		items = append([]string{"returned_sqlstate", "message_text", "mysql_errno"}, rewrite.ConditionItems...)
	}
	for {
		to, ok := l.Target()
		if !ok || !l.Accept("=") {
			return nil, l.Syntax()
		}
		item := l.AcceptOne(items...)
		if item == "" {
			return nil, l.Syntax()
		}
		d.items = append(d.items, rewrite.DiagnosticsItem{To: to, Item: item})
		if !l.Accept(",") {
			return d, l.End()
		}
	}
}

// diagnosticsOf returns the GET DIAGNOSTICS that a SET stands for, nil if it is another.
func diagnosticsOf(n *ast.Set) (*getDiagnostics, error) {
	if len(n.Exprs) != 1 || n.Exprs[0].Name.Name.String() != rewrite.Diagnosed {
		return nil, nil
	}
	v, ok := n.Exprs[0].Expr.(*ast.SQLVal)
	if !ok {
		return nil, nil
	}
	l := syntax.NewLexer(string(v.Val))
	l.Next()
	return readDiagnostics(l)
}

// variables are those that it assigns to.
func (d *getDiagnostics) variables() []string {
	var names []string
	for _, i := range d.items {
		names = append(names, i.To)
	}
	return names
}

// parseGetDiagnostics parses GET DIAGNOSTICS of a client.
func parseGetDiagnostics(l *syntax.Lexer) (ast.Statement, error) {
	d, err := readDiagnostics(l)
	if err != nil {
		return nil, err
	}
	if err := (&checkScope{}).hasVariables(d.variables()); err != nil {
		return nil, err
	}
	a := &admin{name: "GET DIAGNOSTICS", diagnoses: true, run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return nil, d.run(ctx, s, &scope{})
	}}
	return a.statement(), nil
}

// run assigns the items. In a handler the first condition is the one that it is for.
func (d *getDiagnostics) run(ctx *sql.Context, s *Session, sc *scope) error {
	var list []rewrite.Condition
	for at := sc; at != nil && list == nil; at = at.up {
		if at.raised != nil {
			list = append(slices.Clone(at.raised.Before), *at.raised)
		}
	}
	if list == nil {
		if d.stacked {
			return mysql.NewSQLError(1887, "0Z002", "GET STACKED DIAGNOSTICS when handler not active")
		}
		for _, w := range s.Warnings() {
			state := value.SQLStates[w.Code]
			if state == "" {
				state = "HY000"
			}
			c := rewrite.Condition{Number: w.Code, State: state, Message: w.Message}
			if e, ok := s.calls.signalled.(*mysql.SQLError); ok && e.Num == w.Code && e.Message == w.Message {
				c.State, c.Items = e.State, s.calls.condition.Items
			}
			list = append([]rewrite.Condition{c}, list...)
		}
	}
	var of rewrite.Condition
	if d.condition != "" {
		n, err := d.number(ctx, s, sc)
		if err != nil {
			return err
		}
		if n < 1 || n > int64(len(list)) {
			ctx.Session.Warn(&sql.Warning{Level: "Error", Code: 1758, Message: "Invalid condition number"}) // no error of the statement
			return nil
		}
		of = list[n-1]
	}
	for _, i := range d.items {
		var v any
		t := sql.Type(types.LongText)
		switch i.Item {
		case "number":
			v, t = int64(len(list)), types.Int64
		case "row_count":
			v, t = ctx.GetLastQueryInfo().RowCount.Load(), types.Int64
		case "returned_sqlstate":
			v = of.State
		case "message_text":
			v = of.Message
		case "mysql_errno":
			v, t = int64(of.Number), types.Int64
		default:
			v = of.Item(i.Item)
		}
		if err := sc.store(ctx, i.To, expression.NewLiteral(v, t), nil); err != nil {
			return err
		}
	}
	return nil
}

// number returns the number of the condition.
func (d *getDiagnostics) number(ctx *sql.Context, s *Session, sc *scope) (int64, error) {
	if n, err := strconv.ParseInt(d.condition, 10, 64); err == nil {
		return n, nil
	}
	var v any
	if user, ok := strings.CutPrefix(d.condition, "@"); ok {
		var err error
		if _, v, err = s.GetUserVariable(ctx, user); err != nil {
			return 0, err
		}
	} else if l := sc.find(strings.ToLower(d.condition)); l != nil {
		v = l.value
	} else {
		return 0, mysql.NewSQLError(1327, "42000", "Undeclared variable: %s", d.condition)
	}
	n, _, err := types.Int64.Convert(ctx, v)
	if n == nil || err != nil {
		return 0, err
	}
	return n.(int64), nil
}
