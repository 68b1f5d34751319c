package gms

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
)

// indexOptions are what a definition says of an index and the planner drops: which columns
// are DESC, INVISIBLE, and those that are kept for SHOW CREATE TABLE, nil: none.
type indexOptions struct {
	desc      []bool
	invisible bool
	kept      map[string]string
}

// indexKey finds an index of a definition by its name, "" without one, and its columns, of which those of expressions have no
// names yet.
func indexKey(name string, columns []string) string {
	for _, c := range columns {
		if name += "\x00"; !sql.IsHiddenSystemColumn(c) {
			name += c
		}
	}
	return strings.ToLower(name)
}

// noteIndexes remembers the options of the indexes in a definition for their creation, which
// its execution asks for.
func (s *Session) noteIndexes(stmt ast.Statement) error {
	_, clauses := rewrite.Altered(stmt)
	if clauses == nil {
		return nil
	}
	s.indexes = nil
	note := func(name string, using ast.ColIdent, fields []*ast.IndexField, options []*ast.IndexOption) error {
		o, method := indexOptions{desc: make([]bool, len(fields)), kept: map[string]string{}}, using.Lowered()
		columns := make([]string, len(fields))
		for i, f := range fields {
			o.desc[i] = strings.EqualFold(f.Order, ast.DescScr)
			columns[i] = strings.TrimPrefix(f.Column.String(), rewrite.FunctionalMark)
		}
		for _, x := range options {
			o.invisible = o.invisible || strings.EqualFold(x.Name, "invisible")
			if strings.EqualFold(x.Name, optBlockSize) {
				if n, err := strconv.ParseUint(string(x.Value.Val), 10, 64); err == nil && n > 0 {
					o.kept[optBlockSize] = strconv.FormatUint(n, 10)
				}
			}
			method = cmp.Or(strings.ToLower(x.Using), method)
		}
		switch method {
		case "btree":
			o.kept[optUsing] = strings.ToUpper(method)
		case "hash":
			s.deprecated = append(s.deprecated, &sql.Warning{Level: "Note", Code: 3502,
				Message: "This storage engine does not support the HASH index algorithm, storage engine default was used instead."})
		}
		if o.invisible && name == rewrite.PrimaryName && s.b.mysql {
			return mysql.NewSQLError(3522, "HY000", "A primary key index cannot be invisible")
		}
		if s.indexes == nil {
			s.indexes = map[string]indexOptions{}
		}
		s.indexes[indexKey(name, columns)] = o
		return nil
	}
	for _, d := range clauses {
		if ix := d.IndexSpec; ix != nil {
			name := ix.ToName.String()
			if strings.EqualFold(ix.Type, "primary") {
				name = rewrite.PrimaryName
			}
			if err := note(name, ix.Using, ix.Fields, ix.Options); err != nil {
				return err
			}
		}
		if d.TableSpec == nil {
			continue
		}
		for _, ix := range d.TableSpec.Indexes {
			name := ix.Info.Name.String()
			if ix.Info.Primary {
				name = rewrite.PrimaryName
			}
			if err := note(name, ast.ColIdent{}, ix.Fields, ix.Options); err != nil {
				return err
			}
		}
	}
	return nil
}

// optionsOf are those of an index that is created. What was given no name has got one.
func (s *Session) optionsOf(name string, columns []string) indexOptions {
	if o, ok := s.indexes[indexKey(name, columns)]; ok || name == rewrite.PrimaryName {
		return o
	}
	return s.indexes[indexKey("", columns)]
}
