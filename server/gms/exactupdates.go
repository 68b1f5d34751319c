package gms

import (
	"context"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/syntax"
)

// The planner asks the types of a row's columns whether an UPDATE changes it, and so does
// not write 'A' over 'a' where the collation holds them for equal. MySQL compares bytes.

// exactRows is the child of an UPDATE of one table, its texts compared by their bytes.
type exactRows struct {
	sql.Node
	table sql.UpdatableTable
}

var (
	_ sql.Node           = (*exactRows)(nil)
	_ sql.UpdatableTable = (*exactRows)(nil)
)

// Name implements sql.Table.
func (e *exactRows) Name() string { return e.table.Name() }

// Schema implements sql.Table and sql.Node. That of a table with foreign keys is its rows' before and after the UPDATE to the
// planner, and no row is equal by it.
func (e *exactRows) Schema(ctx *sql.Context) sql.Schema {
	if keys, ok := e.table.(*plan.ForeignKeyHandler); ok {
		return exactRow(keys.Sch)
	}
	return exactRow(e.table.Schema(ctx))
}

// exactRow is exactSchema of what only compares rows: documents are equal if their texts are, as 1 and 1.0 are not.
func exactRow(columns sql.Schema) sql.Schema {
	out := exactSchema(columns)
	for i, c := range out {
		if types.IsJSON(c.Type) {
			e := *c
			e.Type, out[i] = exactJSON{c.Type}, &e
		}
	}
	return out
}

// exactJSON compares documents by their texts.
type exactJSON struct{ jsonType }

type jsonType = sql.Type

// Compare implements sql.Type.
func (t exactJSON) Compare(ctx context.Context, a, b any) (int, error) {
	if l, ok := a.(*types.LazyJSONDocument); ok && b == any(l) {
		return 0, nil // it was not assigned
	}
	n, err := t.jsonType.Compare(ctx, a, b)
	l, lok := a.(sql.JSONWrapper)
	r, rok := b.(sql.JSONWrapper)
	if n != 0 || err != nil || !lok || !rok {
		return n, err
	}
	was, err := types.JsonToMySqlString(ctx, l)
	if err != nil {
		return 0, err
	}
	is, err := types.JsonToMySqlString(ctx, r)
	return strings.Compare(was, is), err
}

// Children implements sql.Node.
func (e *exactRows) Children() []sql.Node { return []sql.Node{e.Node} }

// WithChildren implements sql.Node.
func (e *exactRows) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &exactRows{children[0], e.table}, nil
}

// Collation implements sql.Table.
func (e *exactRows) Collation() sql.CollationID { return e.table.Collation() }

// Partitions implements sql.Table.
func (e *exactRows) Partitions(ctx *sql.Context) (sql.PartitionIter, error) {
	return e.table.Partitions(ctx)
}

// PartitionRows implements sql.Table.
func (e *exactRows) PartitionRows(ctx *sql.Context, p sql.Partition) (sql.RowIter, error) {
	return e.table.PartitionRows(ctx, p)
}

// Updater implements sql.UpdatableTable. Whoever counts the changed rows of a table with
// foreign keys asks their editor for the columns, and it cascades a changed text.
func (e *exactRows) Updater(ctx *sql.Context) sql.RowUpdater {
	u := e.table.Updater(ctx)
	if keys, ok := u.(*plan.ForeignKeyHandler); ok {
		c, e := *keys, *keys.Editor
		c.Sch, e.Schema = exactSchema(keys.Sch), exactSchema(e.Schema)
		c.Editor = &e
		return &c
	}
	return u
}

// exactSchema returns columns whose texts are equal if their bytes are.
func exactSchema(columns sql.Schema) sql.Schema {
	out := slices.Clone(columns)
	for i, c := range columns {
		t, ok := c.Type.(types.StringType)
		if !ok {
			continue
		}
		if exact, err := t.WithNewCollation(t.Collation().CharacterSet().BinaryCollation()); err == nil {
			e := *c
			e.Type, out[i] = exact, &e
		}
	}
	return out
}

// exactly returns the child of an UPDATE with texts compared by bytes, of a join too; several:
// the statement names several tables.
func exactly(ctx *sql.Context, n sql.Node, several bool) (sql.Node, error) {
	joins := false
	n, _, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		j, ok := n.(*plan.UpdateJoin)
		if !ok {
			return n, transform.SameTree, nil
		}
		joins = true
		source := *j.Child.(*plan.UpdateSource)
		var columns []sql.Expression
		for i, c := range exactSchema(source.Child.Schema(ctx)) {
			// NULL in a column that is not written is none that is refused: an aggregate of a derived table says that it has none.
			columns = append(columns, expression.NewGetFieldWithTable(i, 0, c.Type, c.DatabaseSource, c.Source, c.Name, c.Nullable || !writes(j, c.Source)))
		}
		source.Child = newJoinedRows(ctx, plan.NewProject(ctx, columns, source.Child), j.UpdateTargets, several)
		targets := map[string]sql.Node{}
		for name, target := range j.UpdateTargets {
			targets[name] = exactTable(target)
		}
		return plan.NewUpdateJoin(targets, &source), transform.NewTree, nil
	})
	if err != nil || joins {
		return n, err
	}
	return exactTable(n), nil
}

// writes reports whether an UPDATE writes one of its tables.
func writes(j *plan.UpdateJoin, table string) bool {
	for name := range j.UpdateTargets {
		if syntax.SameName(name, table) {
			return true
		}
	}
	return false
}

// exactTable returns what reads a table to update it, its texts compared by their bytes.
func exactTable(n sql.Node) sql.Node {
	if table, err := plan.GetUpdatable(n); err == nil {
		return &exactRows{Node: n, table: table}
	}
	return n // a join
}
