package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
)

// An UPDATE of several tables may write one table by several aliases. Source: MySQL's Query_result_update keeps
// what each assigns, by the row as it was before, and then changes the rows alias by alias, in the order of the FROM.

// aliasedTable is one of the aliases by which an UPDATE writes a table.
type aliasedTable struct {
	firingTable
	at   int   // its place among them
	sets []int // the columns that it assigns
	rows *aliasedRows
}

// aliasedRows says by which alias each column of a row has been assigned, by the row's stored form before it; -1: by none.
type aliasedRows map[string][]int

// byAliases has those of the targets of a join that are one table write each row as it is, not as the join has read it.
// Returns 1706 if they assign its key.
func (s *Session) byAliases(ctx *sql.Context, join *plan.UpdateJoin, targets map[string]sql.Node) (found bool, err error) {
	type alias struct {
		name string
		sets []int
	}
	byTable := map[engine.TableID][]alias{}
	for name, target := range join.UpdateTargets {
		t := tableUnder(target)
		id := t.live(ctx).def.ID
		byTable[id] = append(byTable[id], alias{name, assignedColumns(ctx, join, name, t)})
	}
	for _, list := range byTable {
		if len(list) < 2 {
			continue
		}
		found = true
		slices.SortFunc(list, func(a, b alias) int {
			return int(tableNumber(join.UpdateTargets[a.name])) - int(tableNumber(join.UpdateTargets[b.name]))
		})
		rows := &aliasedRows{}
		for at, a := range list {
			t := tableUnder(targets[a.name])
			for _, b := range list[at+1:] {
				if slices.ContainsFunc(slices.Concat(a.sets, b.sets), t.live(ctx).isKey) {
					return false, mysql.NewSQLError(1706, "HY000",
						"Primary key/partition key update is not allowed since the table is updated both as '%s' and '%s'.", a.name, b.name)
				}
			}
			table, err := plan.GetUpdatable(targets[a.name])
			if err != nil {
				return false, err
			}
			targets[a.name] = &aliasedTable{firingTable{Node: targets[a.name], table: table}, at, a.sets, rows}
		}
	}
	return found, nil
}

// isKey reports whether a column is of the primary key or decides a row's partition.
func (s *shape) isKey(column int) bool {
	if s.parts != nil && slices.Contains(s.parts.columns, column) {
		return true
	}
	return !s.def.Keyless() && slices.ContainsFunc(s.def.Primary.Columns, func(c engine.IndexColumn) bool { return c.Column == column })
}

// tableNumber is a table's number in the order of the FROM.
func tableNumber(n sql.Node) (id sql.TableId) {
	transform.Inspect(n, func(n sql.Node) bool {
		t, ok := n.(plan.TableIdNode)
		if ok && id == 0 {
			id = t.Id()
		}
		return id == 0
	})
	return id
}

// assignedColumns returns the columns of a table that an UPDATE of a join assigns by an alias.
func assignedColumns(ctx *sql.Context, join *plan.UpdateJoin, alias string, t *Table) (columns []int) {
	for _, e := range join.Child.(*plan.UpdateSource).UpdateExprs.ExplicitUpdateExprs() {
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		if c, ok := set.LeftChild.(*expression.GetField); ok && strings.EqualFold(c.Table(), alias) {
			columns = append(columns, t.live(ctx).def.Column(c.Name()))
		}
	}
	return columns
}

// Updater implements sql.UpdatableTable.
func (t *aliasedTable) Updater(ctx *sql.Context) sql.RowUpdater {
	return &aliasedUpdater{t.table.(sql.UpdatableTable).Updater(ctx), t, &editor{t: tableUnder(t.Node)}}
}

type aliasedUpdater struct {
	sql.RowUpdater
	t    *aliasedTable
	rows *editor
}

// Update implements sql.RowUpdater. What an alias that comes later has assigned stays.
func (u *aliasedUpdater) Update(ctx *sql.Context, old, new sql.Row) error {
	s, tx, sh, err := u.rows.begin(ctx)
	if err != nil {
		return err
	}
	stored, err := u.rows.encode(ctx, sh, old)
	if err != nil {
		return err
	}
	key := string(stored)
	def, err := sh.place(stored)
	if err != nil {
		return err
	}
	is, err := tx.Newest(ctx, def, stored)
	if err != nil || is == nil {
		return s.fail(ctx, err)
	}
	row, err := sh.decode(s.TimeZone(ctx), sh.def.Desc(), is, nil)
	if err != nil {
		return err
	}
	for i, c := range sh.schema {
		if c.Virtual {
			row[i] = old[i]
		}
	}
	by := (*u.t.rows)[key]
	if by == nil {
		by = slices.Repeat([]int{-1}, len(row))
	}
	next, by := row.Copy(), slices.Clone(by)
	for _, c := range u.t.sets {
		if by[c] <= u.t.at {
			next[c], by[c] = new[c], u.t.at
		}
	}
	if err := u.RowUpdater.Update(ctx, row, next); err != nil {
		return err
	}
	(*u.t.rows)[key] = by
	return nil
}
