package gms

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// hintedIndexes gives the names of index hints as the tables have them, and the tables the hints of optimizer hints. It returns the
// error of a name that no visible index of the table begins with, and of USE INDEX beside FORCE INDEX.
func (s *Session) hintedIndexes(stmt ast.Statement) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Select:
			return true, s.optimizerHints(n.Comments, n.From)
		case *ast.Update:
			return true, s.optimizerHints(n.Comments, n.TableExprs)
		case *ast.Delete:
			return true, s.optimizerHints(n.Comments, n.TableExprs)
		case *ast.AliasedTableExpr:
			if n.Hints == nil {
				return true, nil
			}
			name, ok := n.Expr.(ast.TableName)
			if !ok {
				return true, nil
			}
			names, err := s.indexNames(name)
			if names == nil || err != nil {
				return true, err
			}
			use, force := false, false
			for i, hint := range n.Hints.Indexes {
				kind, index := rewrite.SplitHint(hint.String())
				use, force = use || strings.HasPrefix(kind, "use"), force || strings.HasPrefix(kind, "force")
				if use && force {
					return false, mysql.NewSQLError(1221, "HY000", "Incorrect usage of USE INDEX and FORCE INDEX")
				}
				at := indexNamed(names, index)
				if index != "" && at < 0 {
					return false, rewrite.NoSuchKey(index, cmp.Or(n.As.String(), name.Name.String()))
				}
				if at >= 0 {
					n.Hints.Indexes[i] = rewrite.HintOf(kind, names[at])
				}
			}
		}
		return true, nil
	}, stmt)
}

// indexNames returns the names of the visible indexes of a table, nil if it is none of ours.
func (s *Session) indexNames(name ast.TableName) ([]string, error) {
	def := s.tableNamed(name)
	if def == nil {
		return nil, nil
	}
	pseudo, err := pseudoIndexes(def)
	if err != nil {
		return nil, err
	}
	names := []string{}
	if !def.Keyless() {
		names = append(names, rewrite.PrimaryName)
	}
	for _, ix := range def.Indexes {
		if !ix.Invisible {
			names = append(names, ix.Name)
		}
	}
	for _, p := range pseudo {
		names = append(names, p.Name)
	}
	return names, nil
}

// indexNamed returns which of the names of indexes a hint means, the first that begins with it if none is it; -1: none.
func indexNamed(names []string, index string) int {
	if at := slices.IndexFunc(names, func(name string) bool { return syntax.SameName(name, index) }); at >= 0 || index == "" {
		return at
	}
	return slices.IndexFunc(names, func(name string) bool { return len(name) > len(index) && syntax.SameName(name[:len(index)], index) })
}

// indexHint is one of the optimizer hints that say by which indexes a table is read: of none, of all of its own.
var indexHint = regexp.MustCompile("(?i)\\b(NO_)?(?:JOIN_)?INDEX\\s*\\(\\s*`?([\\w$]+)`?([^()@]*)\\)")

// optimizerHints gives the tables of a FROM list the index hints that optimizer hints stand for, in the place of others: INDEX is FORCE
// INDEX, NO_INDEX is IGNORE INDEX, or USE INDEX () if it has no names. Names that are not known say nothing.
func (s *Session) optimizerHints(comments ast.Comments, from ast.TableExprs) (failed error) {
	for _, c := range comments {
		if !strings.HasPrefix(string(c), "/*+") {
			continue
		}
		for _, m := range indexHint.FindAllStringSubmatch(string(c), -1) {
			for _, te := range from {
				annotator{}.tables(te, func(t *ast.AliasedTableExpr, name ast.TableName) {
					if !syntax.SameName(cmp.Or(t.As.String(), name.Name.String()), m[2]) {
						return
					}
					names, err := s.indexNames(name)
					failed = cmp.Or(failed, err)
					kind := "force index"
					if m[1] != "" {
						kind = "ignore index"
					}
					var hints []ast.ColIdent
					given := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune(" ,`\t\r\n", r) })
					for _, index := range given {
						if at := indexNamed(names, index); at >= 0 {
							hints = append(hints, rewrite.HintOf(kind, names[at]))
						}
					}
					if len(given) == 0 && m[1] != "" {
						hints = append(hints, rewrite.HintOf("use index", ""))
					}
					if hints != nil {
						t.Hints = &ast.IndexHints{Type: ast.UseStr, Indexes: hints}
					}
				})
			}
		}
	}
	return failed
}

// hintsText is how a view's text has the index hints of a table.
func hintsText(h *ast.IndexHints) string {
	text, last := "", ""
	for _, x := range h.Indexes {
		kind, index := rewrite.SplitHint(x.String())
		if syntax.SameName(index, rewrite.PrimaryName) {
			index = rewrite.PrimaryName
		} else if index != "" {
			index = syntax.QuoteName(index)
		}
		if kind == last {
			text = strings.TrimSuffix(text, ")") + "," + index + ")"
			continue
		}
		text += " " + strings.ToUpper(kind) + " (" + index + ")"
		last = kind
	}
	return text
}

// reads reports whether the index hints of a reference let it read by an index: by those that USE INDEX or FORCE INDEX names, and that
// IGNORE INDEX does not. Hints for ORDER BY and GROUP BY alone say nothing of that; FULLTEXT indexes have no other use than the one that
// MATCH makes of them.
func (r reference) reads(ix sql.Index) bool {
	if r.hints == "" || ix.IsFullText() {
		return true
	}
	limited, named := false, false
	for _, hint := range strings.Split(r.hints, hintsMark)[1:] {
		kind, index := rewrite.SplitHint(hint)
		verb, purpose, _ := strings.Cut(kind, " index")
		switch is := syntax.SameName(index, ix.ID()); {
		case purpose != "" && purpose != " for join":
		case verb != "ignore":
			limited, named = true, named || is
		case is:
			return false
		}
	}
	return named || !limited
}
