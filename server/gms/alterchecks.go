package gms

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// checksMark begins the comment of a clause of ALTER TABLE that changes the CHECK constraints, in the form of checkChanges.
var checksMark = alterMark + "checks"

// checkChanges are what an ALTER TABLE makes of the CHECK constraints of its table. They are taken out of its
// clauses: to the planner a constraint is one of the columns that there were before. Those that are dropped are so
// before all clauses, see ModifyComment, the others change behind them, see finishChecks.
type checkChanges struct {
	Drops    []string          `json:",omitempty"`
	Adds     []engine.CheckDef `json:",omitempty"`
	Enforced []enforcedCheck   `json:",omitempty"`
	Again    []string          `json:",omitempty"` // the values that their columns have may have changed
}

type enforcedCheck struct {
	Name     string
	Enforced bool
}

// takeChecks makes clauses with marks of those that are about CHECK constraints.
func takeChecks(query string, def *engine.TableDef, a *ast.AlterTable) error {
	var c checkChanges
	var added []*ast.CheckConstraintDefinition // those of c.Adds
	var of []string                            // and the columns that they belong to
	table := def.Name
	for _, d := range a.Statements {
		if d.Action == ast.RenameStr && len(d.ToTables) == 1 {
			table = d.ToTables[0].Name.String()
		}
	}
	var failed error
	a.Statements = slices.DeleteFunc(a.Statements, func(d *ast.DDL) bool {
		if d.TableSpec == nil || failed != nil || d.ConstraintAction != ast.AddStr && d.ConstraintAction != ast.DropStr {
			return false
		}
		d.TableSpec.Constraints = slices.DeleteFunc(d.TableSpec.Constraints, func(x *ast.ConstraintDefinition) bool {
			check, ok := x.Details.(*ast.CheckConstraintDefinition)
			if d.ConstraintAction == ast.DropStr {
				if x.Details == nil {
					ok, failed = ofCheck(def, x.Name, d)
				}
				if ok {
					c.Drops = append(c.Drops, x.Name)
				}
				return ok
			}
			if ok {
				column := ""
				for _, col := range d.TableSpec.Columns {
					if col.Type.Constraint == x {
						column, col.Type.Constraint = col.Name.String(), nil
					}
				}
				added, of = append(added, check), append(of, column)
				c.Adds = append(c.Adds, engine.CheckDef{Name: x.Name, Expr: ast.String(check.Expr), Enforced: check.Enforced})
			}
			return ok
		})
		if d.ConstraintAction == ast.DropStr && d.IndexSpec != nil { // an index's
			d.TableSpec.Constraints, d.ConstraintAction = nil, ""
			return false
		}
		if len(d.TableSpec.Constraints) > 0 {
			return false
		}
		d.ConstraintAction = ""
		return d.ColumnAction == "" && d.IndexSpec == nil
	})
	if failed != nil {
		return failed
	}
	for _, name := range c.Drops {
		if !slices.ContainsFunc(def.Checks, func(d engine.CheckDef) bool { return syntax.SameName(d.Name, name) }) {
			return errNoSuchCheck(name)
		}
	}
	if syntax.ContainsFold(query, "enforced") {
		c.Enforced = enforcedChecks(query)
	}
	number := lastCheck(def, c.Drops)
	for i := range c.Adds {
		name := &c.Adds[i].Name
		if *name == "" {
			number++
			*name = fmt.Sprintf("%s_chk_%d", table, number)
		}
		if err := rewrite.CheckCheck(*name, of[i], added[i].Expr); err != nil {
			return err
		}
	}
	var err error
	if c.Again, err = checksAgain(def, a); err != nil {
		return err
	}
	if c.Drops == nil && c.Adds == nil && c.Enforced == nil && c.Again == nil {
		return nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	a.Statements = slices.Insert(a.Statements, 0, &ast.DDL{
		Action: ast.AlterStr, Table: a.Table, AlterCommentSpec: &ast.AlterCommentSpec{Comment: checksMark + string(text)},
	})
	return nil
}

// checksAgain are the enforced constraints of columns that get another definition: their values become ones of it.
func checksAgain(def *engine.TableDef, a *ast.AlterTable) ([]string, error) {
	var again []string
	for _, d := range a.Statements {
		if d.TableSpec == nil || !strings.EqualFold(d.ColumnAction, ast.ModifyStr) && !strings.EqualFold(d.ColumnAction, ast.ChangeStr) {
			continue
		}
		for _, c := range def.Checks {
			if !c.Enforced || slices.Contains(again, c.Name) {
				continue
			}
			switch used, err := usesColumn(c.Expr, d.Column.String()); {
			case err != nil:
				return nil, err
			case used:
				again = append(again, c.Name)
			}
		}
	}
	return again, nil
}

// ofCheck reports whether the constraint that DROP CONSTRAINT names is a CHECK. Of another kind the clause becomes
// one of that.
func ofCheck(def *engine.TableDef, name string, d *ast.DDL) (bool, error) {
	kinds := 0
	count := func(found bool) bool {
		if found {
			kinds++
		}
		return found
	}
	check := count(slices.ContainsFunc(def.Checks, func(x engine.CheckDef) bool { return syntax.SameName(x.Name, name) }))
	count(slices.ContainsFunc(def.ForeignKeys, func(x engine.ForeignKeyDef) bool { return syntax.SameName(x.Name, name) }))
	primary := count(syntax.SameName(name, rewrite.PrimaryName) && !def.Keyless())
	unique := count(slices.ContainsFunc(def.Indexes, func(x *engine.IndexDef) bool { return x.Unique && syntax.SameName(x.Name, name) }))
	switch {
	case kinds > 1:
		return false, mysql.NewSQLError(3939, "HY000", "Table has multiple constraints with the name '%s'. Please use constraint specific 'DROP' clause.", name)
	case kinds == 0:
		return false, mysql.NewSQLError(3940, "HY000", "Constraint '%s' does not exist.", name)
	case primary || unique:
		d.TableSpec.Constraints = nil
		d.IndexSpec = &ast.IndexSpec{Action: ast.DropStr, ToName: ast.NewColIdent(name)}
		if primary {
			d.IndexSpec.Type = ast.PrimaryStr
		}
	}
	return check, nil
}

// lastCheck returns the largest number in the names that constraints without one got; those in gone do not count.
func lastCheck(def *engine.TableDef, gone []string) int {
	last := 0
	for _, c := range def.Checks {
		if slices.ContainsFunc(gone, func(name string) bool { return syntax.SameName(name, c.Name) }) {
			continue
		}
		if text, ok := strings.CutPrefix(strings.ToLower(c.Name), strings.ToLower(def.Name)+"_chk_"); ok {
			if n, err := strconv.Atoi(text); err == nil {
				last = max(last, n)
			}
		}
	}
	return last
}

// enforcedChecks are the clauses ALTER {CHECK | CONSTRAINT} name [NOT] ENFORCED, which the grammar takes and forgets.
func enforcedChecks(query string) []enforcedCheck {
	var out []enforcedCheck
	for l := syntax.NewLexer(query); l.Kind != 0; {
		if !l.Accept("alter", "check") && !l.Accept("alter", "constraint") {
			l.Next()
			continue
		}
		name, _ := l.Name()
		out = append(out, enforcedCheck{name, !l.Accept("not")})
	}
	return out
}

// finishChecks ends the clauses of an ALTER TABLE, n, and then makes what takeChecks has left for its end. It returns the rows of it.
func (s *Session) finishChecks(ctx *sql.Context, n sql.Node, it sql.RowIter) (sql.RowIter, error) {
	var t *Table
	var text string
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		if x, ok := n.(*plan.AlterTableComment); ok {
			if c, ok := strings.CutPrefix(x.Comment, checksMark); ok {
				t, text = tableOf(x.Table), c
			}
		}
		return true
	})
	if t == nil {
		return it, nil
	}
	all, err := sql.RowIterToRows(ctx, it)
	if err != nil {
		return nil, err
	}
	var c checkChanges
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return nil, err
	}
	if err := s.changeChecks(ctx, t, c); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(all...), nil
}

// changeChecks adds constraints to a table, and enforces others or does so no longer. The rows are held to those that begin to be enforced.
func (s *Session) changeChecks(ctx *sql.Context, t *Table, c checkChanges) error {
	begin := c.Again
	for _, d := range c.Adds {
		stmt, err := newParser().ParseSimple("SELECT " + d.Expr)
		if err != nil {
			return err
		}
		if err := knownInCheck(t.live(ctx).def, d.Name, stmt); err != nil {
			return err
		}
		e, err := rowExpression(ctx, s.b.catalog, t, d.Expr)
		if err != nil {
			return err
		}
		check, err := plan.NewCheckDefinition(ctx, &sql.CheckConstraint{Name: d.Name, Expr: e, Enforced: d.Enforced}, sql.DefaultMySQLSchemaFormatter)
		if err != nil {
			return err
		}
		if e, ok := parsedExpression(d.Expr); ok {
			if text, ok := definitionText(e); ok {
				check.CheckExpression = text
			}
		}
		if err := t.CreateCheck(ctx, check); err != nil {
			return err
		}
		if d.Enforced {
			begin = append(begin, d.Name)
		}
	}
	err := t.alter(ctx, func(def *engine.TableDef) error {
		for _, x := range c.Enforced {
			at := slices.IndexFunc(def.Checks, func(d engine.CheckDef) bool { return syntax.SameName(d.Name, x.Name) })
			if at < 0 {
				return errNoSuchCheck(x.Name)
			}
			if x.Enforced && !def.Checks[at].Enforced {
				begin = append(begin, x.Name)
			}
			def.Checks[at].Enforced = x.Enforced
		}
		return nil
	})
	if err != nil {
		return err
	}
	def := t.live(ctx).def
	for _, d := range def.Checks {
		if !d.Enforced || !slices.ContainsFunc(begin, func(name string) bool { return syntax.SameName(name, d.Name) }) {
			continue
		}
		s.dml++ // or it ends the transaction
		rows, err := s.query(ctx, "SELECT 1 FROM "+quoted(syntax.TableName{Database: def.Database, Name: def.Name})+" WHERE NOT ("+d.Expr+") LIMIT 1")
		s.dml--
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return sql.ErrCheckConstraintViolated.New(d.Name)
		}
	}
	return nil
}

// knownInCheck returns the error of a constraint that names a column which is not there, or cannot be named.
func knownInCheck(def *engine.TableDef, name string, stmt ast.SQLNode) error {
	for _, used := range rewrite.ColumnsOf(stmt) {
		switch at := def.Column(used.String()); {
		case at < 0:
			return rewrite.UnknownInCheck(name, used)
		case def.Columns[at].AutoIncrement:
			return rewrite.CounterInCheck(name)
		}
	}
	return nil
}

// dropChecksOf takes the constraints out that name a column alone, which is dropped.
func dropChecksOf(def *engine.TableDef, column string) error {
	var failed error
	def.Checks = slices.DeleteFunc(slices.Clone(def.Checks), func(c engine.CheckDef) bool {
		stmt, err := newParser().ParseSimple("SELECT " + c.Expr)
		if err != nil {
			failed = err
			return false
		}
		columns := rewrite.ColumnsOf(stmt)
		return len(columns) > 0 && !slices.ContainsFunc(columns, func(c ast.ColIdent) bool { return !c.EqualString(column) })
	})
	return failed
}

// takenCheck returns the error of a constraint's name that another table of the database has.
func takenCheck(cat *engine.Catalog, def *engine.TableDef, name string) error {
	if def.Temporary {
		return nil
	}
	for _, t := range cat.Tables(def.Database) {
		if t.ID != def.ID && slices.ContainsFunc(t.Checks, func(c engine.CheckDef) bool { return syntax.SameName(c.Name, name) }) {
			return rewrite.DuplicateCheck(name)
		}
	}
	return nil
}
