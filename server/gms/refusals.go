package gms

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// readOnlyDatabase finds the option that makes a database read only.
var readOnlyDatabase = regexp.MustCompile(`(?i)\sread\s+only\s*=?\s*1\s*(;|$)`)

// refusals returns MySQL's error for what the grammar takes and the planner refuses without a
// number, or forgets.
func refusals(ctx context.Context, query string, stmt ast.Statement) error {
	if !served(ctx) {
		return nil
	}
	switch n := stmt.(type) {
	case *ast.DBDDL:
		if n.Action == ast.CreateStr {
			if err := checkName(n.DBName, 1102, "database"); err != nil {
				return err
			}
		}
		if n.Action == ast.AlterStr && readOnlyDatabase.MatchString(query) {
			return mysql.NewSQLError(mysql.ERNotSupportedYet, "42000", "This version of MySQL doesn't yet support 'ALTER DATABASE ... READ ONLY = 1'")
		}
	case *ast.Delete:
		if err := deletesRead(n); err != nil {
			return err
		}
	case *ast.Set: // of which the names that it sets are the planner's
		for _, e := range n.Exprs {
			if err := refusedParts(query, e.Expr); err != nil {
				return err
			}
			if name := e.Name.Name.Lowered(); name == "names" || name == "charset" || strings.HasPrefix(name, "character_set_") {
				if err := noCharset(strings.Trim(ast.String(e.Expr), "'`")); err != nil {
					return err
				}
			}
		}
		return nil
	case *ast.Prepare:
		if n != nil && (phrase(leading(n.Expr, 2), "load", "data") || changesEvent(n.Expr)) {
			return mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		}
	case *ast.DDL:
		if v := n.ViewSpec; v != nil && n.Action == ast.CreateStr {
			if err := checkName(v.ViewName.Name.String(), 1103, "table"); err != nil {
				return err
			}
		}
		if p := n.ProcedureSpec; p != nil && n.Action == ast.CreateStr {
			if err := checkName(p.ProcName.Name.String(), 1458, "routine"); err != nil {
				return err
			}
		}
		if err := checkDefinition(stmt); err != nil {
			return err
		}
		if err := callsInDefinitions(ctx, n); err != nil {
			return err
		}
		if err := zeroDefaults(ctx, n); err != nil {
			return err
		}
	case *ast.AlterTable:
		if err := checkDefinition(stmt); err != nil {
			return err
		}
		for _, d := range n.Statements {
			if err := callsInDefinitions(ctx, d); err != nil {
				return err
			}
			if err := zeroDefaults(ctx, d); err != nil {
				return err
			}
		}
	}
	return refusedParts(query, stmt)
}

// refusedParts returns the error of the first part of a statement that is refused wherever it stands.
func refusedParts(query string, n ast.SQLNode) error {
	misused := mysql.NewSQLError(1111, "HY000", "Invalid use of group function")
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Where:
			if n != nil && n.Type == ast.WhereStr && groups(n.Expr) {
				return false, misused
			}
			if n != nil {
				if row, ok := n.Expr.(ast.ValTuple); ok && len(row) > 1 {
					return false, mysql.NewSQLError(1241, "21000", "Operand should contain 1 column(s)")
				}
			}
		case *ast.FuncExpr:
			for i, e := range n.Exprs {
				if _, star := e.(*ast.StarExpr); star && i > 0 {
					return false, laterStar(query)
				}
			}
			if v, ok := onlyValue(n); ok && presentFunctions[n.Name.Lowered()] != "" {
				if err := tooPrecise(presentFunctions[n.Name.Lowered()], v); err != nil {
					return false, err
				}
			}
			if n.Over == nil && n.IsAggregate() && slices.ContainsFunc(n.Exprs, groupsIn) {
				return false, misused
			}
		case *ast.GroupConcatExpr:
			if slices.ContainsFunc(n.Exprs, groupsIn) {
				return false, misused
			}
		case *ast.ConvertUsingExpr:
			return true, noCharset(n.Type)
		case *ast.ConvertExpr:
			if n.Type == nil {
				break
			}
			name := "CAST"
			if strings.EqualFold(n.Type.Type, "decimal") {
				if name = ast.String(n.Expr); number(n.Type.Scale) <= 30 && number(n.Type.Scale) > number(n.Type.Length) {
					name = ""
				}
			}
			if err := checkType(name, &ast.ColumnType{Type: n.Type.Type, Length: n.Type.Length, Scale: n.Type.Scale}); err != nil {
				return false, err
			}
			return true, noCharset(n.Type.Charset)
		case *ast.ColName:
			return true, wrongScope(n)
		case *ast.AliasedTableExpr:
			if t, ok := n.Expr.(ast.TableName); ok {
				return true, checkName(t.Name.String(), 1103, "table")
			}
		case *ast.Select:
			tables := 0
			if joined(n.From, &tables); tables > joinedMax {
				return false, mysql.NewSQLError(mysql.ERTooManyTables, "HY000", "Too many tables; MySQL can only use %d tables in a join", joinedMax)
			}
			for i, e := range n.SelectExprs {
				if star, ok := e.(*ast.StarExpr); ok && i > 0 && star.TableName.IsEmpty() {
					return false, laterStar(query)
				}
			}
		}
		return true, nil
	}, n)
}

// presentFunctions are the functions of the present that take the digits behind the second, with their names in errors.
var presentFunctions = map[string]string{
	"now": "now", "current_timestamp": "now", "localtime": "now", "localtimestamp": "now", "curtime": "curtime", "current_time": "curtime",
	"sysdate": "sysdate", "utc_time": "utc_time", "utc_timestamp": "utc_timestamp",
}

// onlyValue returns the literal that is the only argument of a call.
func onlyValue(n *ast.FuncExpr) (*ast.SQLVal, bool) {
	if len(n.Exprs) != 1 {
		return nil, false
	}
	e, ok := n.Exprs[0].(*ast.AliasedExpr)
	if !ok {
		return nil, false
	}
	v, ok := e.Expr.(*ast.SQLVal)
	return v, ok
}

// tooPrecise returns the error of more than six digits behind the second.
func tooPrecise(name string, digits *ast.SQLVal) error {
	if n := number(digits); digits != nil && digits.Type == ast.IntVal && n > 6 {
		return mysql.NewSQLError(1426, "42000", "Too-big precision %d specified for '%s'. Maximum is 6.", n, name)
	}
	return nil
}

// joinedMax is how many tables a SELECT may join.
const joinedMax = 61

// joined counts the tables of a FROM.
func joined(list ast.TableExprs, tables *int) {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.ParenTableExpr:
			joined(e.Exprs, tables)
		case *ast.JoinTableExpr:
			joined(ast.TableExprs{e.LeftExpr, e.RightExpr}, tables)
		default:
			*tables++
		}
	}
}

// noCharset returns the error of a character set of MySQL's that the planner does not encode.
func noCharset(name string) error {
	set, err := sql.ParseCharacterSet(name)
	if err != nil || name == "" || set.Encoder() != nil {
		return nil //nolint:nilerr // the planner says so
	}
	return mysql.NewSQLError(mysql.ERUnknownCharacterSet, "42000", "Unknown character set: '%s'", name)
}

func groupsIn(e ast.SelectExpr) bool {
	a, ok := e.(*ast.AliasedExpr)
	return ok && groups(a.Expr)
}

// laterStar is the error of a * that is not the first of a list.
func laterStar(query string) error {
	comma := false
	for l := newLexer(query); l.at < len(query); l.next() {
		if comma && l.kind == '*' {
			return l.syntax()
		}
		comma = l.kind == ','
	}
	return nil
}

// wrongScope returns the error of @@session.x of a global variable and of @@global.x of one of
// sessions.
func wrongScope(n *ast.ColName) error {
	name, _, scope, err := ast.VarScopeForColName(n)
	if err != nil || scope == "" {
		return nil //nolint:nilerr // the planner says so
	}
	v, _, ok := sql.SystemVariables.GetGlobal(name.Name.String())
	if !ok {
		return nil
	}
	kind := ""
	if m, is := v.(*sql.MysqlSystemVariable); is && strings.EqualFold(scope, "global") {
		if m.Scope.Type == sql.SystemVariableScope_Session {
			kind = "SESSION"
		}
	} else if v.IsGlobalOnly() && (strings.EqualFold(scope, "session") || strings.EqualFold(scope, "local")) {
		kind = "GLOBAL"
	}
	if kind == "" {
		return nil
	}
	return mysql.NewSQLError(1238, "HY000", "Variable '%s' is a %s variable", name.Name.Lowered(), kind)
}

// deletesRead checks that the tables of a DELETE of several are in its FROM.
func deletesRead(n *ast.Delete) error {
	var names []string
	for _, e := range n.TableExprs {
		_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
			switch n := n.(type) {
			case *ast.AliasedTableExpr:
				if names = append(names, n.As.String()); n.As.IsEmpty() {
					t, _ := n.Expr.(ast.TableName)
					names[len(names)-1] = t.Name.String()
				}
			case *ast.Subquery:
				return false, nil
			}
			return true, nil
		}, e)
	}
	for _, t := range n.Targets {
		if !slices.ContainsFunc(names, func(name string) bool { return sameName(name, t.Name.String()) }) {
			return mysql.NewSQLError(1109, "42S02", "Unknown table '%s' in MULTI DELETE", t.Name.String())
		}
	}
	return nil
}

// zeroDefaults returns the error of a clause that gives a column of moments the zero one, which
// the mode does not allow.
func zeroDefaults(ctx context.Context, d *ast.DDL) error {
	sctx, ok := ctx.(*sql.Context)
	if !ok || d.TableSpec == nil || !modeEnabled(sctx, noZeroDate) || !sql.LoadSqlMode(sctx).Strict() {
		return nil
	}
	for _, c := range d.TableSpec.Columns {
		switch strings.ToLower(c.Type.Type) {
		case "date", "datetime", "timestamp":
			if v, ok := c.Type.Default.(*ast.SQLVal); ok && len(v.Val) > 0 && strings.Trim(string(v.Val), "0-:./ T") == "" {
				return mysql.NewSQLError(1067, "42000", "Invalid default value for '%s'", c.Name.String())
			}
		}
	}
	return nil
}

// callsInDefinitions returns the error of a definition that calls a stored function where
// none may be called.
func callsInDefinitions(ctx context.Context, n *ast.DDL) error {
	if n.TableSpec == nil {
		return nil
	}
	for _, c := range n.TableSpec.Columns {
		if f := calledIn(ctx, c.Type.GeneratedExpr); f != "" {
			return mysql.NewSQLError(3763, "HY000", "Expression of generated column '%s' contains a disallowed function: `%s`.", c.Name.String(), f)
		}
		if f := calledIn(ctx, c.Type.Default); f != "" {
			return mysql.NewSQLError(3770, "HY000", "Default value expression of column '%s' contains a disallowed function: `%s`.", c.Name.String(), f)
		}
	}
	checks := 0
	for _, c := range n.TableSpec.Constraints {
		check, ok := c.Details.(*ast.CheckConstraintDefinition)
		if !ok {
			continue
		}
		checks++
		if f := calledIn(ctx, check.Expr); f != "" {
			name := c.Name
			if name == "" {
				name = fmt.Sprintf("%s_chk_%d", n.Table.Name.String(), checks)
			}
			return mysql.NewSQLError(3814, "HY000", "An expression of a check constraint '%s' contains disallowed function: `%s`.", name, f)
		}
	}
	return nil
}

// calledIn returns a stored function that an expression calls, "" if it calls none.
func calledIn(ctx context.Context, e ast.Expr) string {
	sctx, ok := ctx.(*sql.Context)
	if !ok || e == nil {
		return ""
	}
	found := ""
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		if f, ok := n.(*ast.FuncExpr); ok && found == "" && isStored(sctx, f) {
			found = f.Name.String()
		}
		return found == "", nil
	}, e)
	return found
}

// isStored reports whether a call is one of a stored function.
func isStored(ctx *sql.Context, n *ast.FuncExpr) bool {
	s, err := sessionOf(ctx)
	name := tableName{n.Qualifier.String(), n.Name.String()}
	if err != nil || name.Database == "" && nativeFunction(ctx, name.Name) {
		return false
	}
	if name.Database == "" {
		name.Database = s.GetCurrentDatabase()
	}
	f, err := s.function(ctx, name)
	return err == nil && f != nil
}

// groups reports whether an expression calls an aggregate function, not as a window's.
func groups(e ast.Expr) bool {
	found := false
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.GroupConcatExpr:
			found = true
		case *ast.FuncExpr:
			found = found || n.Over == nil && n.IsAggregate()
		}
		return !found, nil
	}, e)
	return found
}
