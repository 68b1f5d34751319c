package gms

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/information_schema"
	"github.com/dolthub/go-mysql-server/sql/plan"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

func schemataRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	for _, db := range databasesOf(ctx, s, cat) {
		c := plan.GetDatabaseCollation(ctx, db)
		if db.Name() == "mysql" {
			c = fixedCollation
		}
		rows = append(rows, sql.Row{"def", db.Name(), c.CharacterSet().Name(), c.Name(), nil, "NO"})
	}
	return rows, nil
}

func schemataExtensionRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	for _, db := range databasesOf(ctx, s, cat) {
		rows = append(rows, sql.Row{"def", db.Name(), ""})
	}
	return rows, nil
}

func characterSetRows(*sql.Context, *Session, sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	it := sql.NewCharacterSetsIterator()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if c.Encoder != nil {
			rows = append(rows, sql.Row{c.Name, c.DefaultCollation.Name(), c.Description, uint32(c.MaxLength)})
		}
	}
	slices.SortFunc(rows, func(a, b sql.Row) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}

// pluginRows are PLUGINS: what clients and tools look for by its name in MySQL, and what
// there is here.
func pluginRows(*sql.Context, *Session, sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	for _, p := range [][3]string{
		{"mysql_native_password", "AUTHENTICATION", "Native MySQL authentication"},
		{"caching_sha2_password", "AUTHENTICATION", "Caching sha2 authentication"},
		{"InnoDB", "STORAGE ENGINE", "Supports transactions, row-level locking, and foreign keys"},
		{"PERFORMANCE_SCHEMA", "STORAGE ENGINE", "Performance Schema"},
	} {
		version := "80039.0"
		if p[1] == "AUTHENTICATION" {
			version = "2.1"
		}
		rows = append(rows, sql.Row{p[0], "1.0", "ACTIVE", p[1], version, nil, nil, nil, p[2], nil, "FORCE"})
	}
	return rows, nil
}

// checkOptionText is the end of the text of a view that has one.
var checkOptionText = regexp.MustCompile(`(?i)\s+with\s+(?:(local|cascaded)\s+)?check\s+option\s*$`)

// viewRows are VIEWS.
func viewRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	privileges := s.privileges(ctx)
	var rows []sql.Row
	err := eachView(ctx, s, cat, "", func(db string, v sql.ViewDefinition) error {
		text, check, updatable, definer, security := v.TextDefinition, "NONE", "NO", "", "DEFINER"
		if h, ok := rewrite.NewObjectHead(v.CreateViewStatement); ok {
			definer, security = h.Definer.User+"@"+h.Definer.Host, h.Security
			if whole, ok := viewText(h.L); ok {
				_, text, _ = strings.Cut(whole, "AS ")
			}
		}
		if query, ok := s.viewQuery(ctx, syntax.TableName{Database: db, Name: v.Name}, ""); ok {
			text = query
		}
		if m := checkOptionText.FindStringSubmatchIndex(text); m != nil {
			if check = "CASCADED"; m[2] >= 0 {
				check = strings.ToUpper(text[m[2]:m[3]])
			}
			text = text[:m[0]]
		}
		if db == "sys" {
			definer, security = "mysql.sys@localhost", "INVOKER"
		}
		of := privileges.Database(db)
		if !privileges.Has(sql.PrivilegeType_ShowView) && !of.Has(sql.PrivilegeType_ShowView) && !of.Table(v.Name).Has(sql.PrivilegeType_ShowView) {
			text = ""
		}
		m, err := newViewMerger(ctx, newParser(), s)
		if err != nil {
			return err
		}
		name := syntax.TableName{Database: db, Name: v.Name}
		if spec, err := m.view(name); err != nil {
			return err
		} else if spec != nil {
			if merged, err := m.merged(name, spec, ""); err != nil {
				return err
			} else if merged != nil {
				updatable = "YES"
			}
		}
		var stored storedView
		if _, err := getObject(ctx, engine.ObjectView, db, v.Name, &stored); err != nil {
			return err
		}
		charset, collation := stored.shown()
		rows = append(rows, sql.Row{"def", db, v.Name, text, check, updatable, definer, security, charset, collation})
		return nil
	})
	return rows, err
}

// viewTableRows are VIEW_TABLE_USAGE.
func viewTableRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	return rows, eachView(ctx, s, cat, "", func(db string, v sql.ViewDefinition) error {
		stmt, err := ast.Parse(v.TextDefinition)
		if err != nil {
			return nil //nolint:nilerr // it cannot be read either
		}
		var used []syntax.TableName
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if t, ok := n.(*ast.AliasedTableExpr); ok {
				if name, ok := t.Expr.(ast.TableName); ok && !name.IsEmpty() {
					if full := fullName(name, db); !slices.Contains(used, full) {
						used = append(used, full)
					}
				}
			}
			return true, nil
		}, stmt)
		for _, t := range used {
			rows = append(rows, sql.Row{"def", db, v.Name, "def", t.Database, t.Name})
		}
		return nil
	})
}

// keyColumnRows are KEY_COLUMN_USAGE: the planner's, of columns that the user has a privilege for.
func keyColumnRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	rows, err := plannersRows(information_schema.GetInformationSchemaTables()[information_schema.KeyColumnUsageTableName])(ctx, s, cat)
	return slices.DeleteFunc(rows, func(r sql.Row) bool {
		column, _ := r[6].(string)
		return s.columnPrivileges(ctx, r[4].(string), r[5].(string), column) == ""
	}), err
}

// eventRows are EVENTS: the planner's, but for the account's form and the time of an event
// that has not run. They are shown to who has the privilege EVENT for their database.
func eventRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	rows, err := plannersRows(information_schema.GetInformationSchemaTables()[information_schema.EventsTableName])(ctx, s, cat)
	if s.checked() {
		a := s.newAccess(ctx)
		rows = slices.DeleteFunc(rows, func(r sql.Row) bool { return !a.has(r[1].(string), sql.PrivilegeType_Event) })
	}
	for _, r := range rows {
		r[3] = unquotedAccount(r[3])
		if body, ok := r[6].(string); ok {
			r[6] = programText(body, r[11].(string))
		}
		if text, ok := r[18].(string); ok && !strings.HasPrefix(text, "2") {
			r[18] = nil
		}
	}
	return rows, err
}
