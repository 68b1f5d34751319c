package gms

import (
	"regexp"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

var tableNotFound = regexp.MustCompile(`^table not found: ([^,]*?)(?:, maybe you mean .*)?$`)

// missingTable returns MySQL's error for a table that is not there and that a statement names
// with its database; nil for other errors. The planner does not say of which database it is.
func missingTable(stmt ast.Statement, text string) error {
	m := tableNotFound.FindStringSubmatch(text)
	if m == nil || stmt == nil {
		return nil
	}
	var found error
	visit := func(n ast.SQLNode) (bool, error) {
		if t, ok := n.(ast.TableName); ok && found == nil && !t.DbQualifier.IsEmpty() && strings.EqualFold(t.Name.String(), m[1]) {
			found = mysql.NewSQLError(1146, "42S02", "Table '%s.%s' doesn't exist", t.DbQualifier, m[1])
		}
		return found == nil, nil
	}
	if e, ok := stmt.(*ast.Explain); ok {
		stmt = e.Statement
	}
	if err := ast.Walk(visit, stmt); err != nil {
		return nil
	}
	return found
}
