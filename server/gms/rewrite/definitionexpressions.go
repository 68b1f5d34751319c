package rewrite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// inconstant are functions whose value is not one of their arguments alone.
var inconstant = []string{
	"rand", "uuid", "uuid_short", "now", "sysdate", "curdate", "curtime", "utc_date", "utc_time", "utc_timestamp",
	"current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "connection_id", "current_user", "user",
	"session_user", "system_user", "database", "schema", "version", "last_insert_id", "row_count", "found_rows", "get_lock",
	"release_lock", "is_free_lock", "is_used_lock", "release_all_locks", "sleep", "benchmark", "load_file", "current_role",
	"statement_digest", "statement_digest_text", "master_pos_wait",
}

// onceComputed are functions of those that an expression of a DEFAULT may have, which is computed once.
var onceComputed = []string{
	"rand", "uuid", "uuid_short", "now", "sysdate", "curdate", "curtime", "utc_date", "utc_time", "utc_timestamp",
	"current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "connection_id", "database", "schema", "current_role",
	"unix_timestamp", "statement_digest", "statement_digest_text",
}

// calledAlso are names of functions in errors.
var calledAlso = map[string]string{
	"current_date": "curdate", "current_time": "curtime", "current_timestamp": "now", "localtime": "now", "localtimestamp": "now",
	"schema": "database", "session_user": "user", "system_user": "user", "version": "version()",
}

// numbered is an error's number and text.
type numbered struct {
	number int
	text   string
}

func (n numbered) of(args ...any) error { return mysql.NewSQLError(n.number, "HY000", n.text, args...) }

// expressionRules are the errors of the expressions of one kind: of a function that has a name, of what else is not
// allowed, of variables and of rows.
type expressionRules struct{ named, unnamed, variable, row numbered }

var (
	defaultRules = &expressionRules{
		numbered{3770, "Default value expression of column '%s' contains a disallowed function: %s."},
		numbered{3769, "Default value expression of column '%s' contains a disallowed function."},
		numbered{3772, "Default value expression of column '%s' cannot refer user or system variables."},
		numbered{3771, "Default value expression of column '%s' cannot refer to a row value."},
	}
	generatedRules = &expressionRules{
		numbered{3763, "Expression of generated column '%s' contains a disallowed function: %s."},
		numbered{3102, "Expression of generated column '%s' contains a disallowed function."},
		numbered{3765, "Expression of generated column '%s' cannot refer user or system variables."},
		numbered{3764, "Expression of generated column '%s' cannot refer to a row value."},
	}
	checkRules = &expressionRules{
		numbered{3814, "An expression of a check constraint '%s' contains disallowed function: %s."},
		numbered{3815, "An expression of a check constraint '%s' contains disallowed function."},
		numbered{3816, "An expression of a check constraint '%s' cannot refer to a user or system variable."},
		numbered{3817, "Check constraint '%s' cannot refer to a row value."},
	}
	indexRules = &expressionRules{
		numbered{},
		numbered{3758, "Expression of functional index '%s' contains a disallowed function."},
		numbered{3758, "Expression of functional index '%s' contains a disallowed function."},
		numbered{3800, "Expression of functional index '%s' cannot refer to a row value."},
	}
)

// checkExpression checks that an expression of a definition has no subquery, no variable and no function whose value
// is not that of the row.
func checkExpression(e ast.Expr, name string, errs *expressionRules) error {
	if e == nil {
		return nil
	}
	err := syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery, *ast.ExistsExpr:
			return false, errs.unnamed.of(name)
		case *ast.ColName:
			if strings.HasPrefix(n.Name.String(), "@") {
				return false, errs.variable.of(name)
			}
		case *ast.ValuesFuncExpr:
			if errs.named.number == 0 {
				return false, errs.unnamed.of(name)
			}
			return false, errs.named.of(name, "values")
		case *ast.FuncExpr:
			if isArrayCast(n) {
				return false, errArrayCast()
			}
			if n.Over != nil {
				return false, mysql.NewSQLError(3593, "HY000", "You cannot use the window function '%s' in this context.", n.Name.Lowered())
			}
			f := n.Name.Lowered()
			if (slices.Contains(inconstant, f) || f == "unix_timestamp" && len(n.Exprs) == 0) && !(errs == defaultRules && slices.Contains(onceComputed, f)) {
				if errs.named.number == 0 {
					return false, errs.unnamed.of(name)
				}
				return false, errs.named.of(name, cmp.Or(calledAlso[f], f))
			}
		}
		return true, nil
	}, e)
	if err != nil {
		return err
	}
	if Groups(e) {
		return mysql.NewSQLError(1111, "HY000", "Invalid use of group function")
	}
	if _, ok := syntax.Unparenthesized(e).(ast.ValTuple); ok {
		return errs.row.of(name)
	}
	return nil
}

// ColumnsOf are the columns that an expression names.
func ColumnsOf(e ast.SQLNode) []ast.ColIdent {
	var out []ast.ColIdent
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.ColName); ok && !strings.HasPrefix(c.Name.String(), "@") {
			out = append(out, c.Name)
		}
		return true, nil
	}, e)
	return out
}

// CheckCheck returns MySQL's error of a CHECK constraint whatever columns there are; column is that of one which belongs to a column.
func CheckCheck(name, column string, e ast.Expr) error {
	if err := CheckLength(name); err != nil {
		return err
	}
	if columns := ColumnsOf(e); column != "" && (len(columns) == 0 ||
		slices.ContainsFunc(columns, func(c ast.ColIdent) bool { return !c.EqualString(column) })) {
		return mysql.NewSQLError(3813, "HY000", "Column check constraint '%s' references other column.", name)
	}
	if !Boolean(e) {
		return mysql.NewSQLError(3812, "HY000", "An expression of non-boolean type specified to a check constraint '%s'.", name)
	}
	return checkExpression(e, name, checkRules)
}

// truths are functions whose result is 0 or 1 and to MySQL a truth value.
var truths = []string{
	"json_valid", "json_contains", "json_contains_path", "json_schema_valid", "json_overlaps", "regexp_like", "is_uuid", "is_ipv4", "is_ipv6",
	"is_ipv4_compat", "is_ipv4_mapped", "isnull", "strcmp", "st_contains", "st_crosses", "st_disjoint", "st_equals", "st_intersects", "st_overlaps",
	"st_touches", "st_within", "mbrcontains", "mbrcoveredby", "mbrcovers", "mbrdisjoint", "mbrequals", "mbrintersects", "mbroverlaps", "mbrtouches",
	"mbrwithin", "st_isempty", "st_issimple", "st_isclosed", "st_isvalid",
}

// Boolean reports whether the value of an expression is a truth value to MySQL.
func Boolean(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return Boolean(e.Expr)
	case ast.InjectedExpr:
		return len(e.Children) != 1 || Boolean(e.Children[0])
	case *ast.UnaryExpr:
		return e.Operator == ast.BangStr
	case *ast.FuncExpr:
		return slices.Contains(truths, e.Name.Lowered()) || strings.HasPrefix(e.Name.String(), "_") // one of ours in the place of an operator
	case *ast.ColName, *ast.SQLVal, *ast.NullVal, *ast.BinaryExpr, *ast.CaseExpr, *ast.CollateExpr, *ast.ConvertExpr, *ast.ConvertUsingExpr,
		*ast.SubstrExpr, *ast.TrimExpr, *ast.CharExpr, *ast.ExtractFuncExpr, *ast.TimestampFuncExpr:
		return false
	}
	return true
}

// UnknownInCheck returns MySQL's error of a CHECK constraint that names a column which there is not.
func UnknownInCheck(name string, column ast.ColIdent) error {
	return mysql.NewSQLError(3820, "HY000", "Check constraint '%s' refers to non-existing column '%s'.", name, column.String())
}

// CounterInCheck returns MySQL's error of a CHECK constraint that names an AUTO_INCREMENT column.
func CounterInCheck(name string) error {
	return mysql.NewSQLError(3818, "HY000", "Check constraint '%s' cannot refer to an auto-increment column.", name)
}

// DuplicateCheck returns MySQL's error of a second CHECK constraint with a name.
func DuplicateCheck(name string) error {
	return mysql.NewSQLError(3822, "HY000", "Duplicate check constraint name '%s'.", name)
}
