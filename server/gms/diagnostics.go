package gms

import (
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// diagnosed is the name of a variable to which the text of a GET DIAGNOSTICS in a stored
// program is assigned for the grammar, which has none. No identifier of a client's ends in
// a blank.
const diagnosed = "diagnostics "

// getDiagnostics is a GET DIAGNOSTICS.
type getDiagnostics struct {
	stacked   bool
	condition string // its number, or the variable that has it; "" for the statement's items
	items     []diagnosticsItem
}

type diagnosticsItem struct{ to, item string }

// conditionItems are the items of a condition that are texts of its SIGNAL.
var conditionItems = []string{
	"class_origin", "subclass_origin", "constraint_catalog", "constraint_schema", "constraint_name",
	"catalog_name", "schema_name", "table_name", "column_name", "cursor_name",
}

// readDiagnostics reads what follows GET.
func readDiagnostics(l *lexer) (*getDiagnostics, error) {
	d := &getDiagnostics{stacked: l.acceptOne("current", "stacked") == "stacked"}
	if !l.accept("diagnostics") {
		return nil, l.syntax()
	}
	items := []string{"number", "row_count"}
	if l.accept("condition") {
		var ok bool
		if d.condition, ok = l.target(); !ok {
			return nil, l.syntax()
		}
		items = append([]string{"returned_sqlstate", "message_text", "mysql_errno"}, conditionItems...)
	}
	for {
		to, ok := l.target()
		if !ok || !l.accept("=") {
			return nil, l.syntax()
		}
		item := l.acceptOne(items...)
		if item == "" {
			return nil, l.syntax()
		}
		d.items = append(d.items, diagnosticsItem{to, item})
		if !l.accept(",") {
			return d, l.end()
		}
	}
}

// target reads a variable, of the user with its @, or a number.
func (l *lexer) target() (string, bool) {
	if l.accept("@") {
		name, ok := l.nameOrString()
		return "@" + name, ok
	}
	return l.name()
}

// markDiagnostics makes a GET DIAGNOSTICS of a stored program an assignment.
func (r *marking) markDiagnostics(at int) {
	next, end := r.follows(r.end)
	if next == "current" || next == "stacked" {
		next, _ = r.follows(end)
	}
	if next != "diagnostics" {
		return
	}
	for end = r.end; end < len(r.q) && r.q[end] != ';'; {
		_, end = nextWord(r.q, end)
	}
	r.put(at, end, "SET `"+diagnosed+"` = "+quoteText(r.q[at:end]))
}

// diagnosticsOf returns the GET DIAGNOSTICS that a SET stands for, nil if it is another.
func diagnosticsOf(n *ast.Set) (*getDiagnostics, error) {
	if len(n.Exprs) != 1 || n.Exprs[0].Name.Name.String() != diagnosed {
		return nil, nil
	}
	v, ok := n.Exprs[0].Expr.(*ast.SQLVal)
	if !ok {
		return nil, nil
	}
	l := newLexer(string(v.Val))
	l.next()
	return readDiagnostics(l)
}

// variables are those that it assigns to.
func (d *getDiagnostics) variables() []string {
	var names []string
	for _, i := range d.items {
		names = append(names, i.to)
	}
	return names
}

// parseGetDiagnostics parses GET DIAGNOSTICS of a client.
func parseGetDiagnostics(l *lexer) (ast.Statement, error) {
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
	var list []condition
	for at := sc; at != nil && list == nil; at = at.up {
		if at.raised != nil {
			list = []condition{*at.raised}
		}
	}
	if list == nil {
		if d.stacked {
			return mysql.NewSQLError(1887, "0Z002", "GET STACKED DIAGNOSTICS when handler not active")
		}
		for _, w := range s.Warnings() {
			state := sqlStates[w.Code]
			if state == "" {
				state = "HY000"
			}
			list = append([]condition{{number: w.Code, state: state, message: w.Message}}, list...)
		}
	}
	var of condition
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
		switch i.item {
		case "number":
			v, t = int64(len(list)), types.Int64
		case "row_count":
			v, t = ctx.GetLastQueryInfo().RowCount.Load(), types.Int64
		case "returned_sqlstate":
			v = of.state
		case "message_text":
			v = of.message
		case "mysql_errno":
			v, t = int64(of.number), types.Int64
		default:
			v = of.item(i.item)
		}
		if err := sc.store(ctx, i.to, v, t); err != nil {
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

// item returns an item of a condition.
func (c condition) item(name string) string {
	if text, there := c.items[name]; there {
		return text
	}
	switch {
	case name != "class_origin" && name != "subclass_origin":
		return ""
	case name == "subclass_origin" && len(c.state) == 5 && c.state[2:] == "000":
		return "ISO 9075"
	case len(c.state) == 5 && (c.state[0] >= '0' && c.state[0] <= '4' || c.state[0] >= 'A' && c.state[0] <= 'H'):
		return "ISO 9075"
	}
	return "MySQL"
}
