package planrule

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// TakeLongNames has the planner take names of up to 64 characters, of which it counts the bytes: it checks a table
// with shorter ones instead. rewrite.CheckName is what counts the characters.
func TakeLongNames(a *analyzer.Analyzer) {
	AroundRule(a, "validateCreateTable", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		ct, ok := n.(*plan.CreateTable)
		if !ok {
			return rule(ctx, n, f)
		}
		short, changed := shortNamed(ct)
		if !changed {
			return rule(ctx, n, f)
		}
		if _, _, err := rule(ctx, short, f); err != nil {
			return nil, transform.SameTree, err
		}
		return n, transform.SameTree, nil
	})
	AroundRule(a, "validateAlterTable", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		out, same, err := rule(ctx, n, f)
		if sql.ErrInvalidIdentifier.Is(err) && utf8.RuneCountInString(err.Error()) <= utf8.RuneCountInString(invalidIdentifier)+sql.MaxIdentifierLength {
			return n, transform.SameTree, nil // it is all that the rule checks
		}
		return out, same, err
	})
	AroundRule(a, "ResolveAlterColumn", shortClauses)
}

// shortClauses has the rule that checks the clauses of an ALTER TABLE do it with short names in the place of new ones that have
// more bytes than the planner takes, and puts those back into what the rule returns.
func shortClauses(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
	long, columns := map[string]string{}, map[string]string{} // by the short names, and those of columns by their names
	short := func(name *string) {
		if isLong(*name) {
			to := fmt.Sprintf("!%d", len(long))
			long[to], *name = *name, to
		}
	}
	named := func(name *string) {
		was := strings.ToLower(*name)
		if short(name); isLong(was) {
			columns[was] = *name
		}
	}
	known := func(name *string) {
		if to, ok := columns[strings.ToLower(*name)]; ok {
			*name = to
		}
	}
	back := func(name *string) {
		if was, ok := long[*name]; ok {
			*name = was
		}
	}
	in, _, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		switch n := n.(type) {
		case *plan.AddColumn:
			if o := n.Order(ctx); o != nil {
				known(&o.AfterColumn)
			}
			named(&n.Column().Name)
		case *plan.ModifyColumn:
			short(&n.NewColumn().Name)
		case *plan.RenameColumn:
			c := *n
			named(&c.NewColumnName)
			return &c, transform.NewTree, nil
		case *plan.AlterIndex:
			c := *n
			c.Columns = slices.Clone(n.Columns)
			for i := range c.Columns {
				known(&c.Columns[i].Name)
			}
			short(&c.IndexName)
			return &c, transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
	if err != nil || len(long) == 0 {
		return rule(ctx, n, f)
	}
	restore := func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if t, ok := n.(sql.SchemaTarget); ok {
			for _, c := range t.TargetSchema() {
				back(&c.Name)
			}
		}
		switch n := n.(type) {
		case *plan.AddColumn:
			if o := n.Order(ctx); o != nil {
				back(&o.AfterColumn)
			}
			back(&n.Column().Name)
		case *plan.ModifyColumn:
			back(&n.NewColumn().Name)
		case *plan.RenameColumn:
			back(&n.NewColumnName)
		case *plan.AlterIndex:
			for i := range n.Columns {
				back(&n.Columns[i].Name)
			}
			back(&n.IndexName)
		}
		return n, transform.SameTree, nil
	}
	out, _, err := rule(ctx, in, f)
	if err != nil {
		_, _, _ = transform.Node(ctx, in, restore) // the columns are those of n
		return nil, transform.SameTree, err
	}
	out, _, err = transform.Node(ctx, out, restore)
	return out, transform.NewTree, err
}

// isLong reports whether a name of up to 64 characters has more bytes than the planner takes.
func isLong(name string) bool {
	return len(name) > sql.MaxIdentifierLength && utf8.RuneCountInString(name) <= sql.MaxIdentifierLength
}

// invalidIdentifier is the text of sql.ErrInvalidIdentifier without a name.
var invalidIdentifier = sql.ErrInvalidIdentifier.New("").Error()

// shortNamed returns a table with short names where ct has such of more bytes than the planner takes, and whether there are any.
func shortNamed(ct *plan.CreateTable) (*plan.CreateTable, bool) {
	changed := false
	names := map[string]string{}
	short := func(name string) string {
		if !isLong(name) {
			return name
		}
		changed = true
		if names[name] == "" {
			names[name] = fmt.Sprintf("!%d", len(names))
		}
		return names[name]
	}
	spec := &plan.TableSpec{TableOpts: ct.TableOpts, Collation: ct.Collation}
	name := short(ct.Name())
	pk := ct.PkSchema()
	spec.Schema.PkOrdinals = pk.PkOrdinals
	for _, c := range pk.Schema {
		c := *c
		c.Name = short(c.Name)
		spec.Schema.Schema = append(spec.Schema.Schema, &c)
	}
	for _, d := range ct.Indexes() {
		d := *d
		d.Name = short(d.Name)
		columns := make([]sql.IndexColumn, len(d.Columns))
		for i, c := range d.Columns {
			c.Name = short(c.Name)
			columns[i] = c
		}
		d.Columns = columns
		spec.IdxDefs = append(spec.IdxDefs, &d)
	}
	for _, c := range ct.Checks() {
		c := *c
		c.Name = short(c.Name)
		spec.ChDefs = append(spec.ChDefs, &c)
	}
	for _, k := range ct.ForeignKeys() {
		k := *k
		k.Name = short(k.Name)
		spec.FkDefs = append(spec.FkDefs, &k)
	}
	if ct.Select() != nil {
		return plan.NewCreateTableSelect(ct.Db, name, ct.IfNotExists(), ct.Temporary(), ct.Select(), spec), changed
	}
	return plan.NewCreateTable(ct.Db, name, ct.IfNotExists(), ct.Temporary(), spec), changed
}
