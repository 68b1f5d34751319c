package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
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
	return func(l *syntax.Lexer) (ast.Statement, error) {
		filter, err := readShowFilter(l, first)
		if err != nil {
			return nil, err
		}
		var stmt ast.Statement
		err = syntax.WithQuotedNames(true, "SELECT * FROM ("+text+") AS `t`"+filter+" ORDER BY `"+first+"`", func(q string) (err error) {
			stmt, err = ast.Parse(q)
			return err
		})
		return stmt, err
	}
}

// readShowFilter takes the rest of a SHOW: LIKE of a column, or WHERE, or nothing.
func readShowFilter(l *syntax.Lexer, column string) (string, error) {
	from := l.Start
	filter := ""
	switch {
	case l.Kind == 0 || l.Is(";"):
		return "", nil
	case l.Is("like"):
		filter = " WHERE `" + column + "` "
	case l.Is("where"):
		filter = " "
	default:
		return "", l.Syntax()
	}
	l.Skip()
	return filter + l.Q[from:l.Start], nil
}

// parseShowCharacter parses SHOW CHARACTER SET.
func parseShowCharacter(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("set") {
		return nil, l.Syntax()
	}
	return showSelect(selectCharsets, "Charset")(l)
}

// filtered returns the rows of SHOW INDEX that its WHERE lets through. Columns are found
// by their names: the planner takes no condition there.
func (s *Session) filtered(ctx *sql.Context, cat sql.Catalog, n *plan.ShowIndexes, rows []sql.Row) ([]sql.Row, error) {
	show, ok := s.current().(*ast.Show)
	if !ok || show.ShowIndexFilterOpt == nil {
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

// slaveStatusColumns are SHOW SLAVE STATUS's.
var slaveStatusColumns = strings.Fields(`Slave_IO_State Master_Host Master_User Master_Port Connect_Retry Master_Log_File
	Read_Master_Log_Pos Relay_Log_File Relay_Log_Pos Relay_Master_Log_File Slave_IO_Running Slave_SQL_Running Replicate_Do_DB
	Replicate_Ignore_DB Replicate_Do_Table Replicate_Ignore_Table Replicate_Wild_Do_Table Replicate_Wild_Ignore_Table Last_Errno
	Last_Error Skip_Counter Exec_Master_Log_Pos Relay_Log_Space Until_Condition Until_Log_File Until_Log_Pos Master_SSL_Allowed
	Master_SSL_CA_File Master_SSL_CA_Path Master_SSL_Cert Master_SSL_Cipher Master_SSL_Key Seconds_Behind_Master
	Master_SSL_Verify_Server_Cert Last_IO_Errno Last_IO_Error Last_SQL_Errno Last_SQL_Error Replicate_Ignore_Server_Ids
	Master_Server_Id Master_UUID Master_Info_File SQL_Delay SQL_Remaining_Delay Slave_SQL_Running_State Master_Retry_Count
	Master_Bind Last_IO_Error_Timestamp Last_SQL_Error_Timestamp Master_SSL_Crl Master_SSL_Crlpath Retrieved_Gtid_Set
	Executed_Gtid_Set Auto_Position Replicate_Rewrite_DB Channel_Name Master_TLS_Version Master_public_key_path
	Get_master_public_key Network_Namespace`)

// parseShowSlave parses SHOW SLAVE STATUS and SHOW SLAVE HOSTS; there are none.
func parseShowSlave(l *syntax.Lexer) (ast.Statement, error) {
	if l.Accept("hosts") {
		return emptySet("SHOW REPLICAS", "Server_id", "Host", "Port", "Master_id", "Slave_UUID")(l)
	}
	if !l.Accept("status") {
		return nil, l.Syntax()
	}
	if l.Accept("for", "channel") {
		l.Next()
	}
	return emptySet("SHOW SLAVE STATUS", slaveStatusColumns...)(l)
}

// parseShowStorage parses SHOW STORAGE ENGINES.
func parseShowStorage(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("engines") {
		return nil, l.Syntax()
	}
	return ast.Parse("SHOW ENGINES")
}

// parseShowExtended parses SHOW EXTENDED {INDEX | INDEXES | KEYS}: there are no hidden
// columns of indexes. SHOW EXTENDED COLUMNS is the planner's.
func parseShowExtended(l *syntax.Lexer) (ast.Statement, error) {
	if l.AcceptOne("index", "indexes", "keys") == "" {
		return nil, nil
	}
	from := l.Start
	l.Skip()
	return ast.Parse("SHOW INDEX " + l.Q[from:l.Start])
}

// systemViews returns what SHOW FULL TABLES does of information_schema.
func (b *builder) systemViews(ctx *sql.Context, s *Session, n *plan.ShowTables, r sql.Row) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	for i, r := range rows {
		rows[i] = sql.Row{r[0], "SYSTEM VIEW"}
	}
	return sql.RowsToRowIter(rows...), err
}

// listed reports whether a table or view is in lists: anything of it was granted, or it is the session's.
func (a *rights) listed(db, name string) bool {
	return a.anyTable(syntax.TableName{Database: db, Name: name}) || a.s.temporary(db, name) != nil
}

// visibleOnly returns the rows of a SHOW that begin with a name which the user may see.
func (b *builder) visibleOnly(ctx *sql.Context, s *Session, n sql.Node, r sql.Row, sees func(a *rights, name string) bool) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	a := s.newAccess(ctx)
	return sql.RowsToRowIter(slices.DeleteFunc(rows, func(r sql.Row) bool { return !sees(a, r[0].(string)) })...), err
}

// shownView makes SHOW CREATE VIEW of a SHOW CREATE TABLE that names a view, in place: what it reads may be gone.
func (s *Session) shownView(ctx *sql.Context, stmt ast.Statement) error {
	show, ok := stmt.(*ast.Show)
	if !ok || !strings.EqualFold(show.Type, "create table") {
		return nil
	}
	_, view, err := s.definition(ctx, fullName(show.Table, s.GetCurrentDatabase()))
	if view {
		show.Type = "create view"
	}
	return err
}
