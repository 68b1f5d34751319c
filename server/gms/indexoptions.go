package gms

import (
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// indexOptions are what a definition says of an index and the planner drops: which columns
// are DESC, and INVISIBLE.
type indexOptions struct {
	desc      []bool
	invisible bool
}

// indexKey finds an index of a definition by its name, "" without one, and its columns.
func indexKey(name string, columns []string) string {
	return strings.ToLower(name + "\x00" + strings.Join(columns, "\x00"))
}

const primaryName = "PRIMARY"

// noteIndexes remembers the options of the indexes in a definition for their creation, which
// its execution asks for.
func (s *Session) noteIndexes(stmt ast.Statement) error {
	_, clauses := altered(stmt)
	if clauses == nil {
		return nil
	}
	s.indexes = nil
	note := func(name string, fields []*ast.IndexField, options []*ast.IndexOption) error {
		o := indexOptions{desc: make([]bool, len(fields))}
		columns := make([]string, len(fields))
		for i, f := range fields {
			o.desc[i] = strings.EqualFold(f.Order, ast.DescScr)
			columns[i] = strings.TrimPrefix(f.Column.String(), functionalMark)
		}
		for _, x := range options {
			o.invisible = o.invisible || strings.EqualFold(x.Name, "invisible")
		}
		if o.invisible && name == primaryName && s.b.mysql {
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
				name = primaryName
			}
			if err := note(name, ix.Fields, ix.Options); err != nil {
				return err
			}
		}
		if d.TableSpec == nil {
			continue
		}
		for _, ix := range d.TableSpec.Indexes {
			name := ix.Info.Name.String()
			if ix.Info.Primary {
				name = primaryName
			}
			if err := note(name, ix.Fields, ix.Options); err != nil {
				return err
			}
		}
	}
	return nil
}

// optionsOf are those of an index that is created. What was given no name has got one.
func (s *Session) optionsOf(name string, columns []string) indexOptions {
	if o, ok := s.indexes[indexKey(name, columns)]; ok || name == primaryName {
		return o
	}
	return s.indexes[indexKey("", columns)]
}
