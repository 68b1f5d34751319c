package gms

import (
	"context"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// EXPLAIN is the planner's statement, with a format that its grammar and its plan have a
// place for: none for TRADITIONAL, "tree", and jsonFormat.

// jsonFormat is the planner's format that stands for JSON.
const jsonFormat = "estimates"

// nameExplain gives the column of a text MySQL's name, which the planner's nodes take from a variable.
var nameExplain = sync.OnceFunc(func() { plan.DescribePlanSchema = explainSchema })

var explainSchema = sql.Schema{{Name: "EXPLAIN", Type: types.LongText}}

// explainFormats returns a text in which EXPLAIN's format is as the grammar has it: a word, and
// none behind ANALYZE. Its length stays.
func explainFormats(ctx context.Context, query string) (string, error) {
	if w := leading(query, 2); !value.Served(ctx) || len(w) < 2 || w[0] != "explain" && w[0] != "desc" && w[0] != "describe" {
		return query, nil
	}
	l := syntax.NewLexer(query)
	l.Next()
	if l.AcceptOne("extended", "partitions", "plan") != "" {
		return query, l.Syntax()
	}
	analyze := l.Accept("analyze")
	from := l.Start
	if !l.Accept("format", "=") {
		return query, nil
	}
	format := strings.ToLower(l.Text)
	quoted := l.Kind == 's' || l.Kind == 'i'
	at := l.Start
	l.Next()
	switch {
	case analyze && format == "tree":
		return query[:from] + strings.Repeat(" ", l.Start-from) + query[l.Start:], nil
	case analyze && (format == "json" || format == "traditional"):
		return query, value.ErrNotSupported("EXPLAIN ANALYZE with " + strings.ToUpper(format) + " format")
	case format != "tree" && format != "json" && format != "traditional":
		return query, mysql.NewSQLError(1791, "HY000", "Unknown EXPLAIN format name: '%s'", format)
	case quoted:
		return query[:at] + " " + format + strings.Repeat(" ", l.Start-at-len(format)-1) + query[l.Start:], nil
	}
	return query, nil
}

// explainFormat gives the planner's statement its format.
func explainFormat(e *ast.Explain) {
	switch strings.ToLower(e.ExplainFormat) {
	case "traditional":
		e.ExplainFormat = ""
	case "json":
		e.ExplainFormat = jsonFormat
	}
	if e.Analyze {
		e.ExplainFormat = ast.TreeStr
	}
}

// explain builds EXPLAIN.
func (b *builder) explain(ctx *sql.Context, s *Session, n *plan.DescribeQuery) (sql.RowIter, error) {
	if err := checkSimple(ctx, s, n.Child); err != nil {
		return nil, err
	}
	var made measures
	if n.Format.Analyze {
		var err error
		if made, err = b.analyze(ctx, s, n.Child); err != nil {
			return nil, err
		}
	}
	if !n.Format.Plan || n.Format.Estimates { // a tree says which values are looked up, and these are none yet
		if err := s.explainKnown(ctx, n.Child); err != nil {
			return nil, err
		}
	}
	rows, err := explainRows(ctx, s, n.Child, n.Format, made)
	if err != nil {
		return nil, err
	}
	if text := explainedText(ctx.Query()); text != "" && (!n.Format.Plan || n.Format.Estimates) {
		s.BaseSession.Warn(&sql.Warning{Level: "Note", Code: 1003, Message: "/* select#1 */ " + text})
	}
	return sql.RowsToRowIter(rows...), nil
}

// explainRows are the rows of EXPLAIN in a format.
func explainRows(ctx *sql.Context, s *Session, n sql.Node, format sql.DescribeOptions, made measures) ([]sql.Row, error) {
	e, top := explain(ctx, s, n)
	switch {
	case format.Estimates:
		text, err := e.json(top)
		return []sql.Row{{text}}, err
	case format.Plan:
		return []sql.Row{{e.tree(n, made)}}, nil
	}
	return top.rows(), nil
}

// explainedText is the statement that an EXPLAIN explains, as it was sent: the planner
// cannot say what it has made of it as SQL. "" if the text is no EXPLAIN.
func explainedText(query string) string {
	l := syntax.NewLexer(query)
	if l.AcceptOne("explain", "desc", "describe") == "" {
		return ""
	}
	if l.Accept("format", "=") {
		l.Next()
	}
	return strings.TrimRight(query[l.Start:], "; \t\r\n")
}

// parseExplainConnection parses [FORMAT = f] FOR CONNECTION id.
func parseExplainConnection(l *syntax.Lexer) (ast.Statement, error) {
	var format sql.DescribeOptions
	columns := plan.DescribeSchema
	if l.Accept("format", "=") {
		switch strings.ToLower(l.Text) {
		case "json":
			format.Plan, format.Estimates = true, true
		case "tree":
			format.Plan = true
		case "traditional":
		default:
			return nil, nil
		}
		l.Next()
	}
	if !l.Accept("for", "connection") {
		return nil, nil
	}
	id, ok := l.Number()
	if !ok {
		return nil, l.Syntax()
	}
	if format.Plan {
		columns = explainSchema
	}
	a := &admin{name: "EXPLAIN FOR CONNECTION", columns: columns}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		n, err := s.b.runningPlan(ctx, id)
		if err != nil {
			return nil, err
		}
		return explainRows(ctx, s, n, format, nil)
	}
	return a.statement(), nil
}

// runningPlan is the plan of the statement that a connection runs.
func (b *Backend) runningPlan(ctx *sql.Context, id uint64) (sql.Node, error) {
	for _, t := range b.threads(ctx) {
		if t.id != id {
			continue
		}
		if v, ok := b.sessions.Load(uint32(id)); ok {
			if n := v.(*Session).running.Load(); n != nil && t.command == string(sql.ProcessCommandQuery) && explainable(*n) {
				return *n, nil
			}
		}
		return nil, mysql.NewSQLError(3012, "HY000", "EXPLAIN FOR CONNECTION command is supported only for SELECT/UPDATE/INSERT/DELETE/REPLACE")
	}
	return nil, mysql.NewSQLError(1094, "HY000", "Unknown thread id: %d", id)
}

// explainable reports whether a plan is of a statement that EXPLAIN explains.
func explainable(n sql.Node) bool {
	switch n := n.(type) {
	case *admin, *plan.DescribeQuery, *plan.Call, *plan.Set, *plan.ShowVariables, *plan.ShowStatus, *plan.ShowColumns, *plan.ShowTables:
		return false
	case *plan.InsertInto, *plan.Update, *plan.UpdateJoin, *plan.DeleteFrom:
		return true
	default:
		return plan.IsReadOnly(n) && !types.IsOkResultSchema(n.Schema(nil))
	}
}
