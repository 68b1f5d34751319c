package rewrite

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// target names what a statement is for, as errors do: the command and the table, "" if the
// statement is for no table, or for several.
func target(stmt ast.Statement) (command, table string) {
	one := func(list ast.TableExprs) string {
		if len(list) != 1 {
			return ""
		}
		a, ok := list[0].(*ast.AliasedTableExpr)
		if !ok {
			return ""
		}
		t, _ := a.Expr.(ast.TableName)
		return t.Name.String()
	}
	switch n := stmt.(type) {
	case *ast.Select:
		return "SELECT", one(n.From)
	case *ast.Insert:
		return "INSERT", n.Table.Name.String()
	case *ast.Load:
		return "INSERT", n.Table.Name.String()
	case *ast.Update:
		return "UPDATE", one(n.TableExprs)
	case *ast.Delete:
		return "DELETE", one(n.TableExprs)
	case *ast.AlterTable:
		return "ALTER", n.Table.Name.String()
	case *ast.DDL:
		table := n.Table.Name.String()
		if len(n.FromTables) == 1 && table == "" {
			table = n.FromTables[0].Name.String()
		}
		switch n.Action {
		case ast.CreateStr, ast.DropStr, ast.AlterStr:
			return strings.ToUpper(n.Action), table
		case ast.TruncateStr:
			return "DROP", table
		}
	}
	return "", ""
}

// derivedTarget returns the first derived table that an UPDATE may change or a DELETE names, "" if there is none.
func derivedTarget(stmt ast.Statement) (name string) {
	var from ast.TableExprs
	var of ast.TableNames
	switch n := stmt.(type) {
	case *ast.Update:
		from = n.TableExprs
	case *ast.Delete:
		from, of = n.TableExprs, n.Targets
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		a, ok := n.(*ast.AliasedTableExpr)
		if !ok {
			return true, nil
		}
		is := func(t ast.TableName) bool { return syntax.SameName(t.Name.String(), a.As.String()) }
		if _, derived := a.Expr.(*ast.Subquery); derived && name == "" && (len(of) == 0 || slices.ContainsFunc(of, is)) {
			name = a.As.String()
		}
		return false, nil
	}, from)
	return name
}

var (
	unknownTable   = regexp.MustCompile(`^table not found: ([^.,]+)(?:, maybe you mean .*)?$`)
	unknownColumn  = regexp.MustCompile(`^column "(.*)" could not be found in any table in scope$`)
	commandDenied  = regexp.MustCompile(`^command denied to user (.*)$`)
	insertedColumn = regexp.MustCompile(`^Unknown column '(.*)' in '(.*)'$`)
	databaseDenied = regexp.MustCompile(`^Access denied for user (.*) to database '(.*)'$`)
)

// StatementError returns MySQL's error in place of one of the planner's that does not say what
// of the statement it is about; other errors as they are.
func StatementError(stmt ast.Statement, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if m := databaseDenied.FindStringSubmatch(text); m != nil {
		if _, use := stmt.(*ast.Use); use {
			return mysql.NewSQLError(1044, "42000", "%s", text)
		}
	}
	if set, ok := stmt.(*ast.Set); ok {
		if m := unknownColumn.FindStringSubmatch(text); m != nil {
			for _, e := range set.Exprs {
				if e.Name != nil && e.Name.Qualifier.IsEmpty() && e.Name.Name.EqualString(m[1]) {
					return mysql.NewSQLError(1193, "HY000", "Unknown system variable '%s'", m[1])
				}
			}
		}
	}
	if c, ok := stmt.(*ast.Call); ok {
		name := c.ProcName.Name.String()
		if text == sql.ErrStoredProcedureDoesNotExist.New(name).Error() || sql.ErrStoredProceduresNotSupported.Is(err) {
			if !c.ProcName.Qualifier.IsEmpty() {
				name = c.ProcName.Qualifier.String() + "." + name
			}
			return sql.ErrStoredProcedureDoesNotExist.New(name)
		}
	}
	if _, ok := stmt.(*ast.Deallocate); ok {
		if handler, ok := strings.CutSuffix(text, " given to EXECUTE"); ok {
			return mysql.NewSQLError(1243, "HY000", "%s given to DEALLOCATE PREPARE", handler)
		}
	}
	if m := unknownTable.FindStringSubmatch(text); m != nil {
		if star := starred(stmt, m[1]); star != "" {
			return mysql.NewSQLError(1051, "42S02", "Unknown table '%s'", star)
		}
		if db := qualifierOf(stmt, m[1]); db != "" {
			return sql.ErrTableNotFound.New(db + "." + m[1])
		}
	}
	if e := UnknownIn(stmt, text); e != nil {
		return e
	}
	if e := definitionError(stmt, text); e != nil {
		return e
	}
	if d, ok := stmt.(*ast.DDL); ok && d.ViewSpec != nil && strings.HasPrefix(text, "tuple should contain") {
		return mysql.NewSQLError(1353, "HY000",
			"In definition of view, derived table or common table expression, SELECT list and column names list have different column counts")
	}
	if sql.ErrColumnCountMismatch.Is(err) && namesRows(stmt) {
		return sql.ErrInsertIntoMismatchValueCount.New()
	}
	command, table := target(stmt)
	if derived := derivedTarget(stmt); derived != "" && strings.HasPrefix(text, "table doesn't support "+command) {
		table = derived
	}
	if table == "" {
		return err
	}
	for _, denied := range []*regexp.Regexp{commandDenied, databaseDenied} {
		if m := denied.FindStringSubmatch(text); m != nil {
			return mysql.NewSQLError(1142, "42000", "%s command denied to user %s for table '%s'", command, m[1], table)
		}
	}
	if m := insertedColumn.FindStringSubmatch(text); m != nil && command == "INSERT" && strings.EqualFold(m[2], table) {
		return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in 'field list'", m[1])
	}
	switch {
	case command == "INSERT" && strings.Contains(text, "expected insert destination to be resolved or unresolved table"):
		return mysql.NewSQLError(1471, "HY000", "The target table %s of the INSERT is not insertable-into", table)
	case strings.Contains(text, "table doesn't support "+command):
		return mysql.NewSQLError(1288, "HY000", "The target table %s of the %s is not updatable", table, command)
	}
	return err
}

// starred returns the table of a table.* of a statement as it is named there, "" if there is none
// of that name, or if a FROM has the table.
func starred(stmt ast.Statement, table string) (star string) {
	read := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.StarExpr:
			if t := n.TableName; syntax.SameName(t.Name.String(), table) {
				star = t.Name.String()
				if !t.DbQualifier.IsEmpty() {
					star = t.DbQualifier.String() + "." + star
				}
			}
		case *ast.AliasedTableExpr:
			t, ok := n.Expr.(ast.TableName)
			read = read || ok && syntax.SameName(t.Name.String(), table) || syntax.SameName(n.As.String(), table)
		}
		return true, nil
	}, stmt)
	if read {
		return ""
	}
	return star
}

// qualifierOf returns the database with which a statement names a table of a database of the
// server's, "" if it does not.
func qualifierOf(stmt ast.Statement, table string) (db string) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if t, ok := n.(ast.TableName); ok && syntax.SameName(t.Name.String(), table) {
			switch q := strings.ToLower(t.DbQualifier.String()); q {
			case "mysql", "performance_schema", "sys":
				db = q
			}
		}
		return db == "", nil
	}, stmt)
	return db
}

// wrongValue is the error of a value that a system variable does not take: numbers take no
// others.
var wrongValue = regexp.MustCompile(`^Variable '(.*)' can't be set to the value of '(?s:.*)'$`)

// isSwitch reports whether a type is that of variables that are ON or OFF.
func isSwitch(t sql.SystemVariableType) bool {
	_, ok := t.(types.SystemBoolType)
	return ok
}

// VariableError completes the error of a value that a system variable does not take.
func VariableError(e *mysql.SQLError) {
	m := wrongValue.FindStringSubmatch(e.Message)
	if m == nil || !Generic(e.Num) {
		return
	}
	e.Num, e.State = 1231, "42000"
	if v, _, ok := sql.SystemVariables.GetGlobal(m[1]); ok {
		if t, ok := v.GetType().(sql.SystemVariableType); ok && types.IsNumber(t.UnderlyingType()) && !isSwitch(t) {
			e.Num, e.Message = 1232, "Incorrect argument type to variable '"+m[1]+"'"
		}
	}
}

// Generic reports whether an error number says nothing.
func Generic(n int) bool {
	switch n {
	case 0, mysql.ERUnknownError, mysql.ERParseError, mysql.ERTruncatedWrongValueForField:
		return true
	}
	return false
}

// NewRow is the name that the planner has for the row in VALUES(column).
const NewRow = "__new_ins"

// namesRows reports whether upsert has named the columns of an INSERT's rows.
func namesRows(stmt ast.Statement) bool {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return false
	}
	sel, ok := ins.Rows.(*ast.Select)
	if !ok || len(sel.From) != 1 {
		return false
	}
	from, ok := sel.From[0].(*ast.AliasedTableExpr)
	return ok && from.As.String() == NewRow
}
