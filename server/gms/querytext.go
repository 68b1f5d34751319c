package gms

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// queryPrinter writes the query of a view as MySQL's SHOW CREATE VIEW does: every column with its table and its name, every
// table with its database unless that is the current one.
type queryPrinter struct {
	exprPrinter
	ctx     *sql.Context
	s       *Session
	cat     *engine.Catalog
	current string // the database whose name is not written
	names   *namedTables
	scope   *printedScope
}

// printedScope is a SELECT whose parts are written.
type printedScope struct {
	outer   *printedScope
	tables  []printedTable
	merged  map[string]ast.TableName    // the tables of columns that are joined by
	list    map[string]*ast.AliasedExpr // what is selected, by its names
	aliases bool                        // columns may be names of what is selected
}

// printedTable is a table of a FROM.
type printedTable struct {
	name    syntax.TableName // what columns call it by; without a database behind an alias
	written string           // before its columns
	columns ast.Columns
}

// viewQuery returns a view's query in MySQL's form, without the name of the current database, false if it has something that
// is not known here, or that is gone.
func (s *Session) viewQuery(ctx *sql.Context, t syntax.TableName, current string) (string, bool) {
	m, err := newViewMerger(ctx, &parser{base: sql.NewMysqlParser(), raw: true}, s)
	if err != nil {
		return "", false
	}
	spec, err := m.view(t)
	if err != nil || spec == nil {
		return "", false
	}
	p := &queryPrinter{ctx: ctx, s: s, cat: m.cat, current: current, names: &namedTables{s: s, ctx: ctx, ctes: map[string]*ast.CommonTableExpr{}}}
	p.column, p.query, p.stored = p.named, p.statement, p.storedFunction
	defer s.within(t.Database)()
	text := p.statement(spec.ViewExpr, true)
	switch spec.CheckOption {
	case ast.ViewCheckOptionUnspecified:
	case ast.ViewCheckOptionLocal:
		text += " WITH LOCAL CHECK OPTION"
	default:
		text += " WITH CASCADED CHECK OPTION"
	}
	return text, !p.failed
}

// statement writes a query. Its columns have names if they are of use.
func (p *queryPrinter) statement(q ast.SelectStatement, named bool) string {
	switch q := q.(type) {
	case *ast.ParenSelect:
		return p.statement(q.Select, named)
	case *ast.SetOp:
		if q.Into != nil || locks(q.Lock) {
			return p.fail()
		}
		text := p.with(q.With) + p.side(q.Left, named) + " " + strings.TrimSuffix(q.Type, " distinct") + " " + p.side(q.Right, named)
		for i, o := range q.OrderBy {
			text += orderWord(i)
			switch e := o.Expr.(type) {
			case *ast.ColName:
				text += syntax.QuoteName(e.Name.String())
			case *ast.SQLVal:
				text += p.literal(e)
			default:
				return p.fail()
			}
			text += direction(o)
		}
		return text + p.limit(q.Limit)
	case *ast.Select:
		return p.selects(q, named)
	}
	return p.fail()
}

// side writes a side of a UNION.
func (p *queryPrinter) side(q ast.SelectStatement, named bool) string {
	in, ok := q.(*ast.ParenSelect)
	if !ok {
		return p.statement(q, named)
	}
	text := p.statement(in.Select, named)
	if s, ok := in.Select.(*ast.Select); ok && len(s.OrderBy) == 0 && s.Limit == nil {
		return text
	}
	return "(" + text + ")"
}

func (p *queryPrinter) with(w *ast.With) string {
	if w == nil {
		return ""
	}
	p.names.with(w)
	text := "with "
	if w.Recursive {
		text += "recursive "
	}
	for i, c := range w.Ctes {
		q, ok := c.Expr.(*ast.Subquery)
		if !ok {
			return p.fail()
		}
		if i > 0 {
			text += ", "
		}
		text += syntax.QuoteName(c.As.String()) + derivedColumns(c.Columns) + " as (" + p.statement(q.Select, true) + ")"
	}
	return text + " "
}

// derivedColumns is the list of names behind a derived table, "" if it has none.
func derivedColumns(list ast.Columns) string {
	if len(list) == 0 {
		return ""
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = syntax.QuoteName(c.String())
	}
	return " (" + strings.Join(names, ",") + ")"
}

// selects writes a SELECT.
func (p *queryPrinter) selects(q *ast.Select, named bool) string {
	if q.Into != nil || locks(q.Lock) {
		return p.fail()
	}
	text := p.with(q.With) + "select "
	for _, o := range []struct {
		set  bool
		word string
	}{{q.QueryOpts.StraightJoinHint, "straight_join "}, {q.QueryOpts.Distinct, "distinct "}, {q.QueryOpts.SQLCalcFoundRows, "sql_calc_found_rows "}} {
		if o.set {
			text += o.word
		}
	}
	p.scope = &printedScope{outer: p.scope, list: map[string]*ast.AliasedExpr{}}
	defer func() { p.scope = p.scope.outer }()
	for _, e := range q.SelectExprs {
		if a, ok := e.(*ast.AliasedExpr); ok && resultName(a) != "" {
			p.scope.list[strings.ToLower(resultName(a))] = a
		}
	}
	from := p.from(q)
	for i, e := range q.SelectExprs {
		a, ok := e.(*ast.AliasedExpr)
		if !ok {
			return p.fail()
		}
		if i > 0 {
			text += ","
		}
		text += p.expr(a.Expr)
		if named || !a.As.IsEmpty() {
			text += " AS " + syntax.QuoteName(resultName(a))
		}
	}
	text += from
	if q.Where != nil {
		text += " where " + p.condition(q.Where.Expr)
	}
	for i, e := range q.GroupBy {
		if u, ok := e.(*ast.UnaryExpr); ok && strings.HasPrefix(syntax.RollupMark, ", "+strings.TrimSpace(u.Operator)) {
			text += " with rollup"
			continue
		}
		if i == 0 {
			text += " group by "
		} else {
			text += ","
		}
		text += p.sortedBy(q, e, true)
	}
	p.scope.aliases = true
	if q.Having != nil {
		text += " having " + p.condition(q.Having.Expr)
	}
	for i, w := range q.Window {
		if i == 0 {
			text += " window "
		} else {
			text += ", "
		}
		text += syntax.QuoteName(w.Name.String()) + " AS " + p.window(w)
	}
	for i, o := range q.OrderBy {
		text += orderWord(i) + p.sortedBy(q, o.Expr, false) + direction(o)
	}
	return text + p.limit(q.Limit)
}

func locks(l *ast.Lock) bool { return l != nil && l.Type != "" }

func orderWord(i int) string {
	if i == 0 {
		return " order by "
	}
	return ","
}

func direction(o *ast.Order) string {
	if o.Direction == ast.DescScr {
		return " desc"
	}
	return ""
}

func (p *queryPrinter) limit(l *ast.Limit) string {
	switch {
	case l == nil:
		return ""
	case l.Offset != nil:
		return " limit " + p.expr(l.Offset) + "," + p.expr(l.Rowcount)
	}
	return " limit " + p.expr(l.Rowcount)
}

// sortedBy writes what a SELECT is grouped or ordered by: a number is the expression that it means, an alias stays one,
// in GROUP BY if no column has the name.
func (p *queryPrinter) sortedBy(q *ast.Select, e ast.Expr, groups bool) string {
	switch x := e.(type) {
	case *ast.SQLVal:
		if at, err := strconv.Atoi(string(x.Val)); x.Type == ast.IntVal && err == nil && at >= 1 && at <= len(q.SelectExprs) {
			if a, ok := q.SelectExprs[at-1].(*ast.AliasedExpr); ok {
				if isNumeral(a.Expr) || !a.As.IsEmpty() {
					return syntax.QuoteName(resultName(a))
				}
				return p.expr(a.Expr)
			}
		}
		return p.fail()
	case *ast.ColName:
		if a := p.scope.list[x.Name.Lowered()]; a != nil && x.Qualifier.IsEmpty() && !a.As.IsEmpty() {
			if _, column := p.scope.find(x); !groups || !column {
				return syntax.QuoteName(a.As.String())
			}
		}
	}
	return p.expr(e)
}

// isNumeral reports whether an expression is a number, which would be a place in ORDER BY.
func isNumeral(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return isNumeral(e.Expr)
	case *ast.UnaryExpr:
		return isNumeral(e.Expr)
	case *ast.SQLVal, *ast.NullVal:
		return true
	}
	return false
}

// from writes the FROM of a SELECT and notes its tables.
func (p *queryPrinter) from(q *ast.Select) string {
	if len(q.From) == 0 {
		return ""
	}
	if t, ok := q.From[0].(*ast.AliasedTableExpr); ok && len(q.From) == 1 {
		if name, ok := t.Expr.(ast.TableName); ok && name.DbQualifier.IsEmpty() && name.Name.String() == "dual" {
			if q.Where == nil {
				return ""
			}
			return " from DUAL "
		}
	}
	n := *p.names
	n.tables, n.joins, n.merged = nil, nil, map[string]ast.TableName{}
	for _, e := range q.From {
		if merges(e) {
			if columns, err := n.columns(e); err != nil || columns == nil {
				return p.fail()
			}
		}
	}
	for _, join := range n.joins {
		join()
	}
	p.scope.merged = n.merged
	return " from " + p.tables(q.From)
}

// tables writes a list of tables, as joins of each with what stands before it.
func (p *queryPrinter) tables(list ast.TableExprs) string {
	text := ""
	for i, e := range list {
		if i == 0 {
			text = p.table(e)
		} else {
			text = "(" + text + " join " + p.table(e) + ")"
		}
	}
	return text
}

// table writes a table or a join, and notes its tables.
func (p *queryPrinter) table(e ast.TableExpr) string {
	switch e := e.(type) {
	case *ast.ParenTableExpr:
		return p.tables(e.Exprs)
	case *ast.JoinTableExpr:
		first, second := p.table(e.LeftExpr), p.table(e.RightExpr)
		word := e.Join
		switch word {
		case ast.JoinStr, ast.LeftJoinStr, ast.StraightJoinStr:
		case ast.RightJoinStr:
			first, second, word = second, first, ast.LeftJoinStr
		default:
			return p.fail()
		}
		text := "(" + first + " " + word + " " + second
		if e.Condition.On != nil {
			text += " on(" + p.condition(e.Condition.On) + ")"
		} else if len(e.Condition.Using) > 0 {
			return p.fail()
		}
		return text + ")"
	case *ast.AliasedTableExpr:
		return p.aliased(e)
	}
	return p.fail()
}

// aliased writes a table, a view, a common table expression or a derived table.
func (p *queryPrinter) aliased(e *ast.AliasedTableExpr) string {
	if e.AsOf != nil {
		return p.fail()
	}
	t := printedTable{columns: p.names.names(e.Expr)}
	text := ""
	switch x := e.Expr.(type) {
	case ast.TableName:
		t.name = fullName(x, p.ctx.GetCurrentDatabase())
		t.written = syntax.QuoteName(t.name.Name)
		text = t.written
		if _, cte := p.names.ctes[strings.ToLower(t.name.Name)]; cte && x.DbQualifier.IsEmpty() {
			t.name.Database = ""
		} else if !syntax.SameName(t.name.Database, p.current) {
			text = syntax.QuoteName(t.name.Database) + "." + text
			if p.cat.Object(engine.ObjectView, t.name.Database, t.name.Name) == nil {
				t.written = text
			}
		}
		if len(e.Partitions) > 0 {
			names := make([]string, len(e.Partitions))
			for i, p := range e.Partitions {
				names[i] = syntax.QuoteName(p.String())
			}
			text += " PARTITION (" + strings.Join(names, ",") + ")"
		}
		if !e.As.IsEmpty() && !syntax.SameName(e.As.String(), t.name.Name) {
			t.name, t.written = syntax.TableName{Name: e.As.String()}, syntax.QuoteName(e.As.String())
			text += " " + t.written
		}
	case *ast.Subquery:
		t.name, t.written = syntax.TableName{Name: e.As.String()}, syntax.QuoteName(e.As.String())
		outer := p.scope
		if !e.Lateral {
			p.scope = p.scope.outer
		} else {
			text = "lateral "
		}
		text += "(" + p.statement(x.Select, true) + ") " + t.written + derivedColumns(x.Columns)
		p.scope = outer
	default:
		return p.fail()
	}
	if e.Hints != nil {
		text += hintsText(e.Hints)
	}
	p.scope.tables = append(p.scope.tables, t)
	return text
}

// find returns how a column is written that is of a table of the scope, false if it is of none.
func (sc *printedScope) find(c *ast.ColName) (string, bool) {
	of := c.Qualifier
	if of.IsEmpty() {
		of = sc.merged[c.Name.Lowered()]
	}
	for _, t := range sc.tables {
		if !of.Name.IsEmpty() && !syntax.SameName(of.Name.String(), t.name.Name) || !of.DbQualifier.IsEmpty() && !syntax.SameName(of.DbQualifier.String(), t.name.Database) {
			continue
		}
		if i := slices.IndexFunc(t.columns, c.Name.Equal); i >= 0 {
			return t.written + "." + syntax.QuoteName(t.columns[i].String()), true
		}
	}
	return "", false
}

// named writes a column, or the name of what is selected that it means.
func (p *queryPrinter) named(c *ast.ColName) (string, bool) {
	for sc := p.scope; sc != nil; sc = sc.outer {
		a := sc.list[c.Name.Lowered()]
		selected := sc.aliases && a != nil && c.Qualifier.IsEmpty()
		if selected && sc == p.scope { // of a HAVING, which means the alias before the column
			if _, column := a.Expr.(*ast.ColName); !column || !a.As.IsEmpty() {
				return syntax.QuoteName(resultName(a)), true
			}
		}
		if text, ok := sc.find(c); ok {
			return text, true
		}
		if selected {
			return syntax.QuoteName(resultName(a)), true
		}
	}
	return "", false
}

// storedFunction reports whether a function is one that was made in the view's database.
func (p *queryPrinter) storedFunction(name string) bool {
	return p.cat.Object(engine.ObjectFunction, p.ctx.GetCurrentDatabase(), name) != nil
}
