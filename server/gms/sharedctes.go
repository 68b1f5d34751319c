package gms

import (
	"io"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
)

// derivedName is what tells the derived tables of a plan apart. The planner numbers some references to common table expressions as it
// does other tables.
type derivedName struct {
	id   sql.TableId
	name string
}

func derivedNameOf(t *plan.SubqueryAlias) derivedName {
	return derivedName{t.Id(), strings.ToLower(t.Name())}
}

// shareCTEs has the rows of a common table expression that vary, and that the FROMs of a statement name several times, made once. The
// planner makes them for each reference, of which all have one query before they are planned.
func shareCTEs(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "applyDefaultSelectLimit", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		s, ok := ctx.Session.(*Session)
		if !ok || !s.b.mysql || s.ctes != nil || f != nil && !f.IsSet(sql.QFlagUndeferrableExprs) {
			return rule(ctx, n, f)
		}
		s.ctes = map[derivedName]sql.Node{} // what is planned next is a part of the statement
		found := map[sql.Node]map[*plan.SubqueryAlias]bool{}
		queries := map[derivedName]sql.Node{} // nil: several
		from := n
		if insert, ok := n.(*plan.InsertInto); ok {
			from = insert.Source
		}
		transform.InspectWithOpaque(ctx, from, func(_ *sql.Context, n sql.Node) bool {
			t, ok := n.(*plan.SubqueryAlias)
			if !ok {
				return true
			}
			name := derivedNameOf(t)
			if query, is := queries[name]; is && query != t.Child {
				queries[name] = nil
			} else {
				queries[name] = t.Child
			}
			if t.Correlated.Empty() && !t.OuterScopeVisibility {
				if found[t.Child] == nil {
					found[t.Child] = map[*plan.SubqueryAlias]bool{}
				}
				found[t.Child][t] = true
			}
			return true
		})
		for query, references := range found {
			if len(references) < 2 || !planrule.RowsVary(ctx, query, false) {
				continue
			}
			for t := range references {
				if name := derivedNameOf(t); queries[name] != nil {
					s.ctes[name] = query
				}
			}
		}
		return rule(ctx, n, f)
	})
}

// sharedCTE builds a reference to a common table expression whose rows are made once; query is what they are kept by.
func (b *builder) sharedCTE(ctx *sql.Context, s *Session, n *plan.SubqueryAlias, r sql.Row, query sql.Node) (sql.RowIter, error) {
	if list := s.memory.list(query); list != nil {
		return list.all(ctx)
	}
	rows, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	list := &rowList{m: &s.memory}
	for {
		row, err := rows.Next(ctx)
		if err == nil {
			err = list.add(ctx, row)
		}
		if err == io.EOF {
			s.memory.keepList(query, list)
			if err := rows.Close(ctx); err != nil {
				return nil, err
			}
			return list.all(ctx)
		}
		if err != nil {
			list.close()
			_ = rows.Close(ctx)
			return nil, err
		}
	}
}
