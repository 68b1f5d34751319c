package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// The SELECTs that SHOW statements are, with the names of their columns.
const (
	selectCollations = "SELECT COLLATION_NAME AS `Collation`, CHARACTER_SET_NAME AS `Charset`, ID AS `Id`, IS_DEFAULT AS `Default`, " +
		"IS_COMPILED AS `Compiled`, SORTLEN AS `Sortlen`, PAD_ATTRIBUTE AS `Pad_attribute` FROM information_schema.COLLATIONS"
	selectCharsets = "SELECT CHARACTER_SET_NAME AS `Charset`, DESCRIPTION AS `Description`, DEFAULT_COLLATE_NAME AS `Default collation`, " +
		"MAXLEN AS `Maxlen` FROM information_schema.CHARACTER_SETS"
	selectPlugins = "SELECT PLUGIN_NAME AS `Name`, PLUGIN_STATUS AS `Status`, PLUGIN_TYPE AS `Type`, PLUGIN_LIBRARY AS `Library`, " +
		"PLUGIN_LICENSE AS `License` FROM information_schema.PLUGINS"
	selectIndexes = "SELECT TABLE_NAME AS `Table`, NON_UNIQUE AS `Non_unique`, INDEX_NAME AS `Key_name`, SEQ_IN_INDEX AS `Seq_in_index`, " +
		"COLUMN_NAME AS `Column_name`, COLLATION AS `Collation`, CARDINALITY AS `Cardinality`, SUB_PART AS `Sub_part`, PACKED AS `Packed`, " +
		"NULLABLE AS `Null`, INDEX_TYPE AS `Index_type`, COMMENT AS `Comment`, INDEX_COMMENT AS `Index_comment`, IS_VISIBLE AS `Visible`, " +
		"EXPRESSION AS `Expression` FROM information_schema.STATISTICS"
)

// showSelect parses the rest of a SHOW that is a SELECT: nothing, LIKE a pattern of its
// first column, or WHERE.
func showSelect(text, first string) grammar {
	return func(l *lexer) (ast.Statement, error) {
		from := l.start
		filter := ""
		switch {
		case l.kind == 0:
		case l.is("like"):
			filter = " WHERE `" + first + "` "
		case l.is("where"):
			filter = " "
		default:
			return nil, l.syntax()
		}
		l.skip()
		var stmt ast.Statement
		err := withQuotedNames(true, "SELECT * FROM ("+text+") AS `t`"+filter+l.q[from:l.start]+" ORDER BY `"+first+"`", func(q string) (err error) {
			stmt, err = ast.Parse(q)
			return err
		})
		return stmt, err
	}
}

// parseShowCharacter parses SHOW CHARACTER SET.
func parseShowCharacter(l *lexer) (ast.Statement, error) {
	if !l.accept("set") {
		return nil, l.syntax()
	}
	return showSelect(selectCharsets, "Charset")(l)
}

// filtered returns the rows of SHOW INDEX that its WHERE lets through. Columns are found
// by their names: the planner takes no condition there.
func (s *Session) filtered(ctx *sql.Context, cat sql.Catalog, n *plan.ShowIndexes, rows []sql.Row) ([]sql.Row, error) {
	show, ok := s.locks.stmt.(*ast.Show)
	if !ok || show.ShowIndexFilterOpt == nil || s.depth > 0 {
		return rows, nil
	}
	tree, err := s.bound(ctx, cat, "", "SELECT * FROM ("+selectIndexes+") AS `t` WHERE "+ast.String(show.ShowIndexFilterOpt))
	if err != nil {
		return nil, err
	}
	var condition sql.Expression
	transform.Inspect(tree, func(n sql.Node) bool {
		if f, ok := n.(*plan.Filter); ok && condition == nil {
			condition = f.Expression
		}
		return condition == nil
	})
	schema := n.Schema(ctx)
	condition, _, err = transform.Expr(ctx, condition, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		f, ok := e.(*expression.GetField)
		if !ok {
			return e, transform.SameTree, nil
		}
		at := schema.IndexOfColName(f.Name())
		return expression.NewGetField(at, schema[at].Type, f.Name(), true), transform.NewTree, nil
	})
	if err != nil {
		return nil, err
	}
	var out []sql.Row
	for _, r := range rows {
		v, err := sql.EvaluateCondition(ctx, condition, r)
		if err != nil {
			return nil, err
		}
		if sql.IsTrue(v) {
			out = append(out, r)
		}
	}
	return out, nil
}
