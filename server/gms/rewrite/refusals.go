package rewrite

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// ReadOnlyDatabase finds the option that makes a database read only.
var ReadOnlyDatabase = regexp.MustCompile(`(?i)\sread\s+only\s*=?\s*1\s*(;|$)`)

// ParserClause finds the parser of a FULLTEXT index.
var ParserClause = regexp.MustCompile(`(?i)\bwith\s+parser\s`)

// RefusedParts returns the error of the first part of a statement that is refused wherever it stands.
func RefusedParts(query string, n ast.SQLNode) error {
	misused := mysql.NewSQLError(1111, "HY000", "Invalid use of group function")
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Where:
			if n != nil && n.Type == ast.WhereStr && Groups(n.Expr) {
				return false, misused
			}
			if n != nil {
				if row, ok := n.Expr.(ast.ValTuple); ok && len(row) > 1 {
					return false, mysql.NewSQLError(1241, "21000", "Operand should contain 1 column(s)")
				}
			}
		case *ast.IndexSpec:
			for _, f := range n.Fields {
				e := syntax.Unparenthesized(f.Expression)
				if of, _, ok := ArrayCast(e); ok {
					e = of
				}
				if err := RefusedParts(query, e); err != nil {
					return false, err
				}
			}
			return false, nil
		case *ast.FuncExpr:
			if isArrayCast(n) {
				return false, errArrayCast()
			}
			for i, e := range n.Exprs {
				if _, star := e.(*ast.StarExpr); star && i > 0 {
					return false, laterStar(query)
				}
			}
			if v, ok := onlyValue(n); ok && PresentFunctions[n.Name.Lowered()] != "" {
				if err := tooPrecise(PresentFunctions[n.Name.Lowered()], v); err != nil {
					return false, err
				}
			}
			if n.Over == nil && n.IsAggregate() && slices.ContainsFunc(n.Exprs, GroupsIn) {
				return false, misused
			}
		case *ast.ComparisonExpr: // MySQL's grammar has an INTERVAL beside + and - alone
			for _, e := range []ast.Expr{n.Left, n.Right} {
				if _, interval := e.(*ast.IntervalExpr); interval {
					return false, syntax.Error(query, len(query))
				}
			}
		case *ast.GroupConcatExpr:
			if slices.ContainsFunc(n.Exprs, GroupsIn) {
				return false, misused
			}
		case *ast.ConvertUsingExpr:
			return true, NoCharset(n.Type)
		case *ast.ConvertExpr:
			if n.Type == nil {
				break
			}
			name := "CAST"
			switch strings.ToLower(n.Type.Type) {
			case "char", "nchar", "binary":
				if Number(n.Type.Length) > math.MaxUint32 {
					return false, mysql.NewSQLError(1439, "42000", "Display width out of range for column 'cast as char' (max = %d)", uint32(math.MaxUint32))
				}
				return true, NoCharset(n.Type.Charset)
			case "decimal":
				if name = ast.String(n.Expr); Number(n.Type.Scale) <= 30 && Number(n.Type.Scale) > Number(n.Type.Length) {
					name = ""
				}
			}
			if err := CheckType(name, &ast.ColumnType{Type: n.Type.Type, Length: n.Type.Length, Scale: n.Type.Scale}); err != nil {
				return false, err
			}
			return true, NoCharset(n.Type.Charset)
		case *ast.ColName:
			return true, wrongScope(n)
		case *ast.AliasedTableExpr:
			if t, ok := n.Expr.(ast.TableName); ok {
				return true, CheckName(t.Name.String(), 1103, "table")
			}
		case *ast.Select:
			tables := 0
			if joined(n.From, &tables); tables > expr.JoinedMax {
				return false, mysql.NewSQLError(mysql.ERTooManyTables, "HY000", "Too many tables; MySQL can only use %d tables in a join", expr.JoinedMax)
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

// PresentFunctions are the functions of the present that take the digits behind the second, with their names in errors.
var PresentFunctions = map[string]string{
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
	if n := Number(digits); digits != nil && digits.Type == ast.IntVal && n > 6 {
		return mysql.NewSQLError(1426, "42000", "Too-big precision %d specified for '%s'. Maximum is 6.", n, name)
	}
	return nil
}

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

// NoCharset returns the error of a character set of MySQL's that the planner does not encode.
func NoCharset(name string) error {
	set, err := sql.ParseCharacterSet(name)
	if err != nil || name == "" || set.Encoder() != nil {
		return nil //nolint:nilerr // the planner says so
	}
	return mysql.NewSQLError(mysql.ERUnknownCharacterSet, "42000", "Unknown character set: '%s'", name)
}

// GroupsIn reports whether an expression of a SELECT has an aggregate of the SELECT itself.
func GroupsIn(e ast.SelectExpr) bool {
	a, ok := e.(*ast.AliasedExpr)
	return ok && Groups(a.Expr)
}

// laterStar is the error of a * that is not the first of a list.
func laterStar(query string) error {
	comma := false
	for l := syntax.NewLexer(query); l.At < len(query); l.Next() {
		if comma && l.Kind == '*' {
			return l.Syntax()
		}
		comma = l.Kind == ','
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

// DeletesRead checks that the tables of a DELETE of several are in its FROM.
func DeletesRead(n *ast.Delete) error {
	var names []string
	for _, e := range n.TableExprs {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
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
		if !slices.ContainsFunc(names, func(name string) bool { return syntax.SameName(name, t.Name.String()) }) {
			return mysql.NewSQLError(1109, "42S02", "Unknown table '%s' in MULTI DELETE", t.Name.String())
		}
	}
	return nil
}

// ZeroDefaults returns the error of a clause that gives a column of moments the zero one, which
// the mode does not allow.
func ZeroDefaults(ctx context.Context, d *ast.DDL) error {
	sctx, ok := ctx.(*sql.Context)
	if !ok || d.TableSpec == nil || !value.ModeEnabled(sctx, value.NoZeroDate) || !sql.LoadSqlMode(sctx).Strict() {
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

// Groups reports whether an expression calls an aggregate function, not as a window's.
func Groups(e ast.Expr) bool {
	found := false
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
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

// RowLengths checks that the rows of an INSERT have as many values as it names columns, or else as the first row has.
func RowLengths(n *ast.Insert) error {
	rows, ok := n.Rows.(*ast.AliasedValues)
	if !ok || len(rows.Values) == 0 {
		return nil
	}
	length := len(n.Columns)
	if length == 0 {
		length = len(rows.Values[0])
	}
	for i, row := range rows.Values {
		if len(row) != length {
			return mysql.NewSQLError(1136, "21S01", "Column count doesn't match value count at row %d", i+1)
		}
	}
	return nil
}
