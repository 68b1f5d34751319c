package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// keptOptions are the options of tables that are kept and shown, in MySQL's order. They change nothing: they are of
// InnoDB's files and statistics.
var keptOptions = []string{
	"min_rows", "max_rows", "avg_row_length", "pack_keys", "stats_persistent", "stats_auto_recalc", "stats_sample_pages", "checksum",
	"delay_key_write", "row_format", "key_block_size",
}

// optOption begins the key of a kept option in the Options of a table.
const optOption = "option "

// optionsMark is the comment of a clause of ALTER TABLE that sets the kept options, see ModifyComment.
var optionsMark = alterMark + "options"

// tableOptionsOf returns the kept options of a CREATE TABLE or ALTER TABLE in upper case, its engine, and the comment of the former.
func tableOptionsOf(query string) map[string]string {
	l := syntax.NewLexer(query)
	alter := l.Accept("alter", "table")
	if !alter && !l.Accept("create", "table") && !l.Accept("create", "temporary", "table") {
		return nil
	}
	out := map[string]string{}
	before := ""
	for depth := 0; l.Kind != 0; {
		depth += rewrite.Nesting(l)
		if depth == 0 && l.Kind == 'w' && (l.Is("as") && !alter || l.Is("select")) {
			break
		}
		if name := strings.ToLower(l.Text); depth == 0 && l.Kind == 'w' && !rewrite.BeforeName[before] && before != "change" && (keptOption(name) || name == "comment" || name == "engine") {
			l.Next()
			l.Accept("=")
			if out[name] = l.Text; keptOption(name) {
				out[name] = strings.ToUpper(l.Text)
			}
		}
		before = strings.ToLower(l.Text)
		l.Next()
	}
	return out
}

func keptOption(name string) bool {
	for _, o := range keptOptions {
		if o == name {
			return true
		}
	}
	return false
}

// noteOptions notes the options of a statement for its execution. An engine that there is not is error 1286 if sql_mode has
// NO_ENGINE_SUBSTITUTION, else a warning. One of MySQL's that is not InnoDB becomes it, with warning 1266.
func (s *Session) noteOptions(ctx *sql.Context, query string, stmt ast.Statement) error {
	s.tableOptions = tableOptionsOf(query)
	if name := s.tableOptions["engine"]; name != "" && s.b.mysql && !strings.EqualFold(name, "innodb") {
		known := slices.Contains(rewrite.Engines, strings.ToLower(name))
		if !known {
			unknown := rewrite.UnknownEngine(name)
			if value.ModeEnabled(ctx, "NO_ENGINE_SUBSTITUTION") {
				return unknown
			}
			s.deprecated = append(s.deprecated, &sql.Warning{Level: "Warning", Code: unknown.Num, Message: unknown.Message})
		}
		table := ast.TableIdent{}
		if a, ok := stmt.(*ast.AlterTable); ok && known {
			table = a.Table.Name
		} else if d, ok := stmt.(*ast.DDL); ok && (d.Action == ast.CreateStr || known) {
			table = d.Table.Name
		}
		if !table.IsEmpty() {
			s.deprecated = append(s.deprecated, &sql.Warning{
				Level: "Warning", Code: 1266, Message: "Using storage engine InnoDB for table '" + table.String() + "'",
			})
		}
	}
	if f := s.tableOptions["row_format"]; f == "FIXED" || f == "PAGE" {
		return mysql.NewSQLError(1478, "HY000", "Table storage engine 'InnoDB' does not support the create option 'ROW_TYPE'")
	}
	a, ok := stmt.(*ast.AlterTable)
	if !ok {
		return nil
	}
	for name := range s.tableOptions {
		if keptOption(name) {
			a.Statements = append(a.Statements, &ast.DDL{
				Action: ast.AlterStr, Table: a.Table, AlterCommentSpec: &ast.AlterCommentSpec{Comment: optionsMark},
			})
			break
		}
	}
	return nil
}

// setOptions sets the kept options of a table to those of the statement. DEFAULT is none.
func (s *Session) setOptions(def *engine.TableDef) {
	for _, name := range keptOptions {
		switch v := s.tableOptions[name]; v {
		case "":
		case "DEFAULT":
			delete(def.Options, optOption+name)
		default:
			def.Options[optOption+name] = v
		}
	}
}

// optionsText returns the kept options of a table with names in upper case, as SHOW CREATE TABLE has them, each behind a
// blank, or in lower case.
func optionsText(def *engine.TableDef, upper bool) string {
	var out strings.Builder
	for _, name := range keptOptions {
		if v := def.Options[optOption+name]; v != "" {
			if upper {
				name = strings.ToUpper(name)
			}
			out.WriteString(" " + name + "=" + v)
		}
	}
	return out.String()
}

// rowFormat is the format that information_schema shows.
func rowFormat(def *engine.TableDef) string {
	f := def.Options[optOption+"row_format"]
	if f == "" {
		return "Dynamic"
	}
	return f[:1] + strings.ToLower(f[1:])
}
