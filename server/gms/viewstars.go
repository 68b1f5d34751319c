package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// withColumns returns a CREATE VIEW with the columns that there are in the place of each `*` and `t.*` of its
// text, in the parts of a UNION and in subqueries too, so that later ones do not become columns of the view. A
// star of tables that cannot be read by themselves (LATERAL, a WITH that is not the first) stays. Columns that
// are expressions without a name get one where theirs is no column's or another's.
// Returns 1060 for columns of the same name that are given or a table's.
func (s *Session) withColumns(ctx *sql.Context, n *plan.CreateView) (*plan.CreateView, error) {
	c, err := s.withoutStars(ctx, n)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(n.Definition.Schema(ctx)))
	for _, column := range n.Definition.Schema(ctx) {
		names = append(names, column.Name)
	}
	text := c.Definition.TextDefinition
	named, err := distinctNames(text, names)
	if at := strings.LastIndex(c.CreateViewString, text); err != nil || at < 0 || named == text {
		return c, err
	} else {
		out, d := *c, *c.Definition
		d.TextDefinition = named
		out.CreateViewString = c.CreateViewString[:at] + named + c.CreateViewString[at+len(text):]
		out.Definition = &d
		return &out, nil
	}
}

// distinctNames returns the text of a view's query with names for the expressions without one in its first list whose names, or
// those of the columns before, are no names of columns: Name_exp_n of the nth column, or My_exp_, which is distinct from those before.
func distinctNames(text string, names []string) (string, error) {
	items := listItems(text)
	if len(items) != len(names) { // the view has a list of its own, or a star that stays
		items = make([]listItem, len(names))
	}
	given := slices.Clone(names)
	for i := range items {
		if items[i].unnamed && rewrite.CheckName(names[i], 1166, "column") != nil {
			names[i] = fmt.Sprintf("Name_exp_%d", i+1)
		}
	}
	for i := range names {
		for j := 0; j < i; j++ {
			if !syntax.SameName(names[i], names[j]) {
				continue
			}
			at := i
			if !items[i].unnamed {
				at = j
			}
			if !items[at].unnamed {
				return "", mysql.NewSQLError(mysql.ERDupFieldName, "42S21", "Duplicate column name '%s'", names[i])
			}
			base, free := given[at], ""
			for n := 0; free == "" || slices.ContainsFunc(names[:i+1], func(name string) bool { return syntax.SameName(name, free) }); n++ {
				if free = "My_exp_" + base; n > 0 {
					free = fmt.Sprintf("My_exp_%d_%s", n, base)
				}
			}
			names[at] = free
		}
	}
	for i := len(items) - 1; i >= 0; i-- {
		if names[i] != given[i] {
			text = text[:items[i].end] + " AS " + syntax.QuoteName(names[i]) + text[items[i].end:]
		}
	}
	return text, nil
}

// listItem is an expression in the list of a SELECT: where it ends, and whether it is one that is given no name and is no column.
type listItem struct {
	end     int
	unnamed bool
}

// listItems returns what is in the first list of a query's text, nil for a query that is read otherwise.
func listItems(text string) (out []listItem) {
	stmt, err := newParser().ParseSimple(text)
	if err != nil {
		return nil
	}
	q, _ := stmt.(ast.SelectStatement)
	for {
		if p, ok := q.(*ast.ParenSelect); ok {
			q = p.Select
		} else if u, ok := q.(*ast.SetOp); ok {
			q = u.Left
		} else {
			break
		}
	}
	list, ok := q.(*ast.Select)
	if !ok {
		return nil
	}
	l := syntax.NewLexer(text)
	for depth := 0; l.Kind != 0 && (depth > 0 || !l.Is("select")); l.Next() {
		if depth += rewrite.Nesting(l); l.Kind == '(' && len(out) == 0 && l.Start == 0 {
			depth = 0 // of the query itself
		}
	}
	l.Next()
	last := l.Start
	end := func() {
		if len(out) < len(list.SelectExprs) {
			e, ok := list.SelectExprs[len(out)].(*ast.AliasedExpr)
			unnamed := ok && e.As.IsEmpty()
			if unnamed {
				_, column := e.Expr.(*ast.ColName)
				unnamed = !column
			}
			out = append(out, listItem{last, unnamed})
		}
	}
	for depth := 0; l.Kind != 0; l.Next() {
		if depth == 0 && (l.Kind == ')' || l.Kind == ';' || l.Kind == 'w' && (l.Is("from") || slices.ContainsFunc(behindTables, l.Is))) {
			break
		}
		if depth == 0 && l.Kind == ',' {
			end()
		}
		depth += rewrite.Nesting(l)
		last = l.At
	}
	end()
	return out
}

// withoutStars returns a CREATE VIEW with the columns in the place of stars.
func (s *Session) withoutStars(ctx *sql.Context, n *plan.CreateView) (*plan.CreateView, error) {
	text := n.Definition.TextDefinition
	at := strings.LastIndex(n.CreateViewString, text)
	stars := starsOf(text)
	if at < 0 || len(stars) == 0 {
		return n, nil
	}
	with := ""
	if l := syntax.NewLexer(text); l.Is("with") {
		for depth := 0; l.Kind != 0 && (depth > 0 || !l.Is("select")); l.Next() {
			depth += rewrite.Nesting(l)
		}
		with = text[:l.Start]
	}
	var out strings.Builder
	done := 0
	for _, x := range stars {
		query := with + "SELECT " + x.qualifier + "* FROM " + x.tables
		columns := s.naturalColumns(ctx, query)
		if columns == nil {
			rows, err := s.bound(ctx, s.b.catalog, n.Database().Name(), query)
			if err != nil {
				continue
			}
			columns = x.columns(rows.Schema(ctx))
		}
		out.WriteString(text[done:x.from] + strings.Join(columns, ", "))
		done = x.to
	}
	c, d := *n, *n.Definition
	d.TextDefinition = out.String() + text[done:]
	c.CreateViewString = n.CreateViewString[:at] + d.TextDefinition + n.CreateViewString[at+len(text):]
	c.Definition = &d
	return &c, nil
}

// star is one in the list of a SELECT: where it is with its qualifier, which ends with a point, and the
// SELECT's FROM.
type star struct {
	from, to          int
	qualifier, tables string
}

// columns are the expressions that the star stands for.
func (x star) columns(schema sql.Schema) []string {
	out := make([]string, len(schema))
	for i, c := range schema {
		out[i] = x.qualifier + syntax.QuoteName(c.Name)
		if x.qualifier == "" && slices.ContainsFunc(schema, func(o *sql.Column) bool { return o != c && syntax.SameName(o.Name, c.Name) }) {
			out[i] = syntax.QuoteName(c.Source) + "." + out[i]
		}
	}
	return out
}

// starsOf returns the stars of a query in their order. Those in EXISTS stand for nothing.
func starsOf(text string) (out []star) {
	var before [2]string
	for l := syntax.NewLexer(text); l.Kind != 0; l.Next() {
		if l.Kind == 'w' && l.Is("select") && !(before[0] == "(" && before[1] == "exists") {
			out = append(out, listStars(*l)...)
		}
		before = [2]string{strings.ToLower(l.Text), before[0]}
	}
	slices.SortFunc(out, func(a, b star) int { return a.from - b.from })
	return out
}

// behindTables are the words that end a FROM.
var behindTables = []string{"where", "group", "having", "window", "order", "limit", "union", "except", "intersect", "for", "lock", "into", "with"}

// listStars returns the stars in the list of the SELECT that l is at.
func listStars(l syntax.Lexer) (out []star) {
	l.Next()
	for l.AcceptOne("distinct", "all", "distinctrow", "straight_join", "sql_small_result", "sql_big_result", "sql_buffer_result", "sql_no_cache") != "" {
	}
	tables, depth, item := -1, 0, l.Start // where the tables begin; how deep the token is; where its item begins
list:
	for ; l.Kind != 0; l.Next() {
		inner := depth > 0
		if depth += rewrite.Nesting(&l); depth < 0 {
			break
		}
		switch {
		case inner || depth > 0:
		case tables >= 0:
			if l.Kind == 'w' && slices.ContainsFunc(behindTables, l.Is) {
				break list
			}
		case l.Kind == 'w' && l.Is("from"):
			tables = l.At
		case l.Kind == ',':
			item = l.At
		case l.Kind == '*':
			head := strings.TrimLeft(l.Q[item:l.Start], " \t\r\n")
			if q := strings.TrimSpace(head); q == "" || strings.HasSuffix(q, ".") { // else it is a product
				out = append(out, star{from: l.Start - len(head), to: l.At, qualifier: q})
			}
		}
	}
	if tables < 0 {
		return nil
	}
	for i := range out {
		out[i].tables = l.Q[tables:l.Start]
	}
	return out
}
