package rewrite

import (
	"regexp"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// The planner says which column it does not know, or is ambiguous, not where the statement has it. MySQL names
// the clause, which is found in the statement, in the order in which MySQL resolves it.

var (
	unknownOfTable  = regexp.MustCompile(`^table "(.*)" does not have column "(.*)"$`)
	ambiguousColumn = regexp.MustCompile(`^ambiguous column (?:or alias )?name "(.*?)"`)
)

// UnknownIn returns 1054 or 1052 with its clause for an error of the planner about a column, nil for
// other errors and for a column that the statement has nowhere.
func UnknownIn(stmt ast.Statement, text string) error {
	var f clauseFinder
	if m := unknownColumn.FindStringSubmatch(text); m != nil {
		f.column = m[1]
	} else if m := unknownOfTable.FindStringSubmatch(text); m != nil {
		f.table, f.column = m[1], m[2]
	} else if m := unknownTable.FindStringSubmatch(text); m != nil {
		f.table = m[1]
	} else if m := ambiguousColumn.FindStringSubmatch(text); m != nil {
		f.column, f.bare = m[1], true
	} else {
		return nil
	}
	f.statement(stmt)
	switch {
	case f.clause == "":
		return nil
	case f.bare:
		return mysql.NewSQLError(1052, "23000", "Column '%s' in %s is ambiguous", f.shown, f.clause)
	}
	return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", f.shown, f.clause)
}

// clauseFinder looks for the first place of a column.
type clauseFinder struct {
	column, table string // of the column; no column: any of the table
	bare          bool   // without a table
	shown, clause string
}

func (f *clauseFinder) statement(stmt ast.Statement) {
	switch n := stmt.(type) {
	case ast.SelectStatement:
		f.query(n)
	case *ast.Insert:
		f.with(n.With)
		for _, c := range n.Columns {
			if f.clause == "" && f.table == "" && c.EqualString(f.column) {
				f.shown, f.clause = c.String(), FieldList
			}
		}
		switch rows := n.Rows.(type) {
		case ast.SelectStatement:
			f.query(rows)
		case *ast.AliasedValues:
			f.walk(FieldList, rows.Values)
		}
		f.walk(FieldList, n.OnDup)
	case *ast.Update:
		f.with(n.With)
		f.walk(onClause, n.TableExprs)
		f.walk(FieldList, n.Exprs)
		f.walk(whereClause, n.Where)
		f.walk(orderClause, n.OrderBy)
	case *ast.Delete:
		f.with(n.With)
		f.walk(onClause, n.TableExprs)
		f.walk(whereClause, n.Where)
		f.walk(orderClause, n.OrderBy)
	case *ast.DDL:
		if n.ViewSpec != nil {
			f.query(n.ViewSpec.ViewExpr)
		} else if n.OptSelect != nil {
			f.query(n.OptSelect.Select)
		}
	case *ast.Explain:
		f.statement(n.Statement)
	}
}

// The clauses of a statement as MySQL's errors call them.
const (
	FieldList   = "field list"
	onClause    = "on clause"
	whereClause = "where clause"
	orderClause = "order clause"
)

func (f *clauseFinder) query(q ast.SelectStatement) {
	switch n := q.(type) {
	case *ast.ParenSelect:
		f.query(n.Select)
	case *ast.SetOp:
		f.with(n.With)
		f.query(n.Left)
		f.query(n.Right)
		f.walk(orderClause, n.OrderBy)
	case *ast.Select:
		f.with(n.With)
		f.walk(onClause, n.From)
		f.walk(FieldList, n.SelectExprs)
		f.walk(whereClause, n.Where)
		f.walk("group statement", n.GroupBy)
		f.walk("having clause", n.Having)
		for _, w := range n.Window {
			f.window(w)
		}
		f.walk(orderClause, n.OrderBy)
	}
}

func (f *clauseFinder) with(w *ast.With) {
	if w == nil {
		return
	}
	for _, c := range w.Ctes {
		f.walk(FieldList, c.AliasedTableExpr)
	}
}

func (f *clauseFinder) window(w *ast.WindowDef) {
	f.walk("window partition by", w.PartitionBy)
	f.walk("window order by", w.OrderBy)
}

// walk looks into a part of a statement. A subquery in it has clauses of its own.
func (f *clauseFinder) walk(clause string, part ast.SQLNode) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			f.query(n.Select)
			return false, nil
		case *ast.Over:
			if n != nil {
				f.window((*ast.WindowDef)(n))
			}
			return false, nil
		case *ast.ColName:
			f.found(clause, n)
		}
		return true, nil
	}, part)
}

func (f *clauseFinder) found(clause string, c *ast.ColName) {
	table := c.Qualifier.Name.String()
	if f.clause != "" || f.bare && table != "" || f.table != "" && !strings.EqualFold(table, f.table) || f.column != "" && !c.Name.EqualString(f.column) {
		return
	}
	f.clause, f.shown = clause, c.Name.String()
	if table != "" {
		f.shown = table + "." + f.shown
	}
	if db := c.Qualifier.DbQualifier.String(); db != "" {
		f.shown = db + "." + f.shown
	}
}
