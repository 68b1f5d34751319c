package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// withColumns returns a CREATE VIEW with the columns that there are in the place of each `*` and `t.*` of its
// text, in the parts of a UNION and in subqueries too, so that later ones do not become columns of the view. A
// star of tables that cannot be read by themselves (LATERAL, a WITH that is not the first) stays.
// Returns 1060 for columns of the same name.
func (s *Session) withColumns(ctx *sql.Context, n *plan.CreateView) (*plan.CreateView, error) {
	schema := n.Definition.Schema(ctx)
	for i, c := range schema {
		if schema[:i].IndexOfColName(c.Name) >= 0 {
			return nil, mysql.NewSQLError(mysql.ERDupFieldName, "42S21", "Duplicate column name '%s'", c.Name)
		}
	}
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
