package gms

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

const (
	// visibleMark and invisibleMark begin what ALTER INDEX renames an index to, which
	// RenameIndex takes for what it is.
	visibleMark   = "!visible"
	invisibleMark = "!invisible"
	// counterIndex is the index that an AUTO_INCREMENT column has while the statement gives
	// the table another primary key.
	counterIndex = "!counter"
)

// wholeAlter completes the clauses of ALTER TABLE that the planner drops or refuses because
// of others in the statement.
func (s *Session) wholeAlter(ctx *sql.Context, query string, a *ast.AlterTable) error {
	if err := alterIndexes(query, a); err != nil {
		return err
	}
	s.altered = a.Table.Name.String()
	var last []*ast.DDL // the planner forgets an index of expressions when a column follows
	a.Statements = slices.DeleteFunc(a.Statements, func(d *ast.DDL) bool {
		x := d.IndexSpec
		switch {
		case x == nil:
			return false
		case strings.EqualFold(x.Action, "disable"), strings.EqualFold(x.Action, "enable"), // of MyISAM; the planner warns
			strings.EqualFold(x.Action, ast.CreateStr) && slices.ContainsFunc(x.Fields, func(f *ast.IndexField) bool { return f.Expression != nil }):
			last = append(last, d)
			return true
		}
		return false
	})
	a.Statements = append(a.Statements, last...)
	t, err := s.namedTable(ctx, syntax.TableName{Database: a.Table.DbQualifier.String(), Name: a.Table.Name.String()})
	if err != nil {
		return nil //nolint:nilerr // the planner says so
	}
	def := t.live(ctx).def
	refused := s.onlineRefusal(ctx, query, t, def, a)
	nameFunctional(def, last)
	if err := alteredExpressions(def, a); err != nil {
		return err
	}
	another := slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool {
		return d.IndexSpec != nil && strings.EqualFold(d.IndexSpec.Action, ast.CreateStr) && strings.EqualFold(d.IndexSpec.Type, ast.PrimaryStr)
	})
	place := func(d *ast.DDL) int { // drops of foreign keys go first, those of generated columns and of indexes whose names others get next
		if dropsForeignKey(d) {
			return -1
		}
		at := -1
		if strings.EqualFold(d.ColumnAction, ast.DropStr) {
			at = def.Column(d.Column.String())
		}
		if at >= 0 && def.Columns[at].Generated != "" || another && dropsPrimary(d) {
			return 0
		}
		if x := d.IndexSpec; x != nil && strings.EqualFold(x.Action, ast.RenameStr) {
			return 1
		} else if x != nil && strings.EqualFold(x.Action, ast.DropStr) && !x.ToName.IsEmpty() && slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool {
			return d.IndexSpec != nil && !strings.EqualFold(d.IndexSpec.Action, ast.DropStr) && d.IndexSpec.ToName.Equal(x.ToName)
		}) {
			return 0
		} else if x != nil && strings.EqualFold(x.Action, ast.CreateStr) && slices.ContainsFunc(x.Fields, func(f *ast.IndexField) bool {
			return f.Expression == nil && def.Column(f.Column.String()) < 0
		}) {
			return 3 // of a column that another clause makes
		}
		return 2
	}
	slices.SortStableFunc(a.Statements, func(x, y *ast.DDL) int { return place(x) - place(y) })
	if err := renamedIndexes(def, a); err != nil {
		return err
	}
	replacedIndexes(def, a)
	if !def.Temporary {
		takenNames(def, a)
	}
	if err := takeChecks(query, def, a); err != nil {
		return err
	}
	if keyless(def, a) && s.boolVariable(ctx, "sql_require_primary_key") {
		return errPrimaryKeyRequired()
	}
	if err := generatedKeys(def, a); err != nil {
		return err
	}
	keepCounter(def, a)
	newCounters(def, a)
	if err := uniqueColumns(def, a); err != nil {
		return err
	}
	if err := knownColumns(def, a); err != nil {
		return err
	}
	return refused
}

// renamedIndexes checks that the indexes of RENAME INDEX and ALTER INDEX are ones of the table before. Names that are exchanged go
// by way of others.
func renamedIndexes(def *engine.TableDef, a *ast.AlterTable) error {
	pseudo, err := pseudoIndexes(def)
	if err != nil {
		return err
	}
	var renames []*ast.DDL
	exchanged := false
	for _, d := range a.Statements {
		x := d.IndexSpec
		if x == nil || !strings.EqualFold(x.Action, ast.RenameStr) {
			continue
		}
		from := x.FromName.String()
		if !syntax.SameName(from, rewrite.PrimaryName) && !slices.ContainsFunc(def.Indexes, func(ix *engine.IndexDef) bool { return syntax.SameName(ix.Name, from) }) &&
			!slices.ContainsFunc(pseudo, func(p pseudoIndex) bool { return syntax.SameName(p.Name, from) }) {
			return rewrite.NoSuchKey(from, def.Name)
		}
		to := x.ToName.String()
		if syntax.SameName(to, rewrite.PrimaryName) || syntax.SameName(to, "gen_clust_index") {
			return rewrite.IndexName(to)
		}
		if setVisible(&engine.IndexDef{}, to) {
			continue
		}
		renames = append(renames, d)
	}
	for _, d := range renames {
		exchanged = exchanged || slices.ContainsFunc(renames, func(o *ast.DDL) bool { return o != d && o.IndexSpec.FromName.Equal(d.IndexSpec.ToName) })
	}
	if !exchanged {
		return nil
	}
	for i, d := range renames {
		between := ast.NewColIdent(fmt.Sprintf("%s%d", takenName, i))
		last := *d
		last.IndexSpec = &ast.IndexSpec{Action: ast.RenameStr, FromName: between, ToName: d.IndexSpec.ToName}
		d.IndexSpec.ToName = between
		at := 1 + slices.Index(a.Statements, renames[len(renames)-1])
		a.Statements = slices.Insert(a.Statements, at+i, &last)
	}
	return nil
}

// replacedIndexes drops the index of a foreign key after that which the statement makes in its place, by another name if the
// new one has its own. An implicit one goes when the new one is made.
func replacedIndexes(def *engine.TableDef, a *ast.AlterTable) {
	var first, rest, last []*ast.DDL
	for i, d := range a.Statements {
		old := droppedIndex(def, d)
		if old == nil {
			rest = append(rest, d)
			continue
		}
		by := slices.IndexFunc(a.Statements, func(d *ast.DDL) bool { return replaces(def, old, d.IndexSpec) })
		switch {
		case by < 0:
			rest = append(rest, d)
		case old.Options[optImplicit] != "":
		case syntax.SameName(old.Name, a.Statements[by].IndexSpec.ToName.String()):
			between, rename := ast.NewColIdent(fmt.Sprintf("%s%d", takenName, i)), *d
			rename.IndexSpec = &ast.IndexSpec{Action: ast.RenameStr, FromName: d.IndexSpec.ToName, ToName: between}
			first = append(first, &rename)
			d.IndexSpec.ToName = between
			last = append(last, d)
		default:
			last = append(last, d)
		}
	}
	a.Statements = slices.Concat(first, rest, last)
}

// droppedIndex returns the index that a clause drops, nil if it drops none, or the primary key.
func droppedIndex(def *engine.TableDef, d *ast.DDL) *engine.IndexDef {
	x := d.IndexSpec
	if x == nil || !strings.EqualFold(x.Action, ast.DropStr) || dropsPrimary(d) {
		return nil
	}
	at := slices.IndexFunc(def.Indexes, func(ix *engine.IndexDef) bool { return syntax.SameName(ix.Name, x.ToName.String()) })
	if at < 0 {
		return nil
	}
	return def.Indexes[at]
}

// replaces reports whether a clause makes an index that serves a foreign key as old does.
func replaces(def *engine.TableDef, old *engine.IndexDef, x *ast.IndexSpec) bool {
	if x == nil || !strings.EqualFold(x.Action, ast.CreateStr) || x.Type != "" && !strings.EqualFold(x.Type, ast.UniqueStr) {
		return false
	}
	return slices.ContainsFunc(def.ForeignKeys, func(fk engine.ForeignKeyDef) bool {
		if len(fk.Columns) > len(old.Columns) || len(fk.Columns) > len(x.Fields) {
			return false
		}
		for i, c := range fk.Columns {
			if !syntax.SameName(def.Columns[old.Columns[i].Column].Name, c) || !syntax.SameName(x.Fields[i].Column.String(), c) {
				return false
			}
		}
		return true
	})
}

// nameFunctional gives indexes of expressions without a name theirs.
func nameFunctional(def *engine.TableDef, clauses []*ast.DDL) {
	taken := map[string]bool{}
	for _, ix := range def.Indexes {
		taken[strings.ToLower(ix.Name)] = true
	}
	for _, d := range clauses {
		if !strings.EqualFold(d.IndexSpec.Action, ast.CreateStr) || !d.IndexSpec.ToName.IsEmpty() {
			continue
		}
		name := "functional_index"
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("functional_index_%d", n)
		}
		taken[name] = true
		d.IndexSpec.ToName = ast.NewColIdent(name)
	}
}

// alteredExpressions checks the columns of the table that the expressions of indexes, generated columns and defaults name.
func alteredExpressions(def *engine.TableDef, a *ast.AlterTable) error {
	ofCounter := func(e ast.SQLNode) bool {
		return slices.ContainsFunc(rewrite.ColumnsOf(e), func(used ast.ColIdent) bool {
			at := def.Column(used.String())
			return at >= 0 && def.Columns[at].AutoIncrement
		})
	}
	for _, d := range a.Statements {
		if x := d.IndexSpec; x != nil {
			for _, f := range x.Fields {
				if f.Expression == nil {
					continue
				}
				if ofCounter(f.Expression) {
					return rewrite.CounterInIndex(x.ToName.String())
				}
			}
		}
		if x := d.DefaultSpec; x != nil && x.Value != nil && ofCounter(x.Value) {
			return rewrite.CounterInDefault(x.Column.String())
		}
		if d.TableSpec == nil || d.ColumnAction == "" || len(d.TableSpec.Columns) != 1 {
			continue
		}
		c := d.TableSpec.Columns[0]
		if g := c.Type.GeneratedExpr; g != nil && ofCounter(g) {
			return rewrite.CounterInGenerated(c.Name.String())
		}
		if c.Type.Autoincrement {
			if err := counterRead(def, d.Column.String()); err != nil {
				return err
			}
		}
		e, ok := c.Type.Default.(*ast.ParenExpr)
		switch {
		case !ok:
			continue
		case ofCounter(e):
			return rewrite.CounterInDefault(c.Name.String())
		}
		place := def.Column(d.Column.String())
		switch {
		case d.ColumnOrder != nil && d.ColumnOrder.First:
			place = 0
		case d.ColumnOrder != nil || place < 0:
			continue // others precede it
		}
		for _, used := range rewrite.ColumnsOf(e) {
			at := def.Column(used.String())
			switch {
			case at < 0 || syntax.SameName(used.String(), d.Column.String()):
			case at >= place && (def.Columns[at].DefaultExpr || def.Columns[at].Generated != ""):
				return rewrite.LaterInDefault(c.Name.String())
			}
		}
	}
	return nil
}

// counterRead returns the error of a column that becomes one of AUTO_INCREMENT while a generated column, a functional index or a default
// reads it, nil for another.
func counterRead(def *engine.TableDef, column string) error {
	for _, c := range def.Columns {
		text, kind := c.Generated, rewrite.CounterInGenerated
		switch {
		case c.Options[optSystem] != "":
			continue // the index is made anew
		case c.DefaultExpr:
			text, kind = c.Default, rewrite.CounterInDefault
		}
		if text == "" {
			continue
		}
		if used, err := usesColumn(text, column); err != nil || used {
			return cmp.Or(err, kind(c.Name))
		}
	}
	return nil
}

// rewrite.GeneratedKeys checks the foreign keys that a statement adds to generated columns.
func generatedKeys(def *engine.TableDef, a *ast.AlterTable) error {
	for _, d := range a.Statements {
		if d.TableSpec == nil || d.ConstraintAction != ast.AddStr {
			continue
		}
		for _, c := range d.TableSpec.Constraints {
			fk, ok := c.Details.(*ast.ForeignKeyDefinition)
			if !ok {
				continue
			}
			name := cmp.Or(c.Name, fmt.Sprintf("%s_ibfk_%d", def.Name, len(def.ForeignKeys)+1))
			if err := rewrite.CheckLength(name); err != nil {
				return err
			}
			for _, f := range fk.Source {
				if at := def.Column(f.String()); at >= 0 && def.Columns[at].Generated != "" {
					if err := rewrite.CheckGeneratedKey(name, f.String(), fk, def.Columns[at].Options[optVirtual] != ""); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// keyless reports whether a table has no primary key when its columns or indexes have been altered.
func keyless(def *engine.TableDef, a *ast.AlterTable) bool {
	key, alters := !def.Keyless(), false
	for _, d := range a.Statements {
		x := d.IndexSpec
		alters = alters || d.ColumnAction != "" || x != nil || d.ConstraintAction != ""
		switch {
		case x != nil && strings.EqualFold(x.Type, ast.PrimaryStr):
			key = strings.EqualFold(x.Action, ast.CreateStr)
		case d.TableSpec != nil && slices.ContainsFunc(d.TableSpec.Columns, func(c *ast.ColumnDefinition) bool { return c.Type.KeyOpt == rewrite.ColumnIsPrimary }):
			key = true
		}
	}
	return alters && !key
}

// uniqueColumns checks that no clause gives a column the name that another has by then. The
// clauses are done one after the other, so that names cannot be exchanged in one statement.
func uniqueColumns(def *engine.TableDef, a *ast.AlterTable) error {
	there := map[string]bool{}
	for _, c := range def.Columns {
		there[strings.ToLower(c.Name)] = true
	}
	for _, d := range a.Statements {
		var to ast.ColIdent
		switch strings.ToLower(d.ColumnAction) {
		case ast.DropStr:
			delete(there, d.Column.Lowered())
		case ast.RenameStr:
			to = d.ToColumn
		case ast.ChangeStr, ast.AddStr:
			if d.TableSpec == nil || len(d.TableSpec.Columns) != 1 {
				continue
			}
			to = d.TableSpec.Columns[0].Name
		}
		if to.IsEmpty() {
			continue
		}
		if !strings.EqualFold(d.ColumnAction, ast.AddStr) {
			delete(there, d.Column.Lowered())
		}
		if there[to.Lowered()] {
			return mysql.NewSQLError(1060, "42S21", "Duplicate column name '%s'", to.String())
		}
		there[to.Lowered()] = true
	}
	return nil
}

// knownColumns checks that the columns of DROP DEFAULT are there and that some stay.
func knownColumns(def *engine.TableDef, a *ast.AlterTable) error {
	left := 0
	for _, c := range def.Columns {
		if c.Name != engine.RowIDColumn && c.Options[optSystem] == "" {
			left++
		}
	}
	for _, d := range a.Statements {
		switch {
		case strings.EqualFold(d.ColumnAction, ast.DropStr) && def.Column(d.Column.String()) >= 0:
			left--
		case strings.EqualFold(d.ColumnAction, ast.AddStr):
			left++
		}
		if x := d.DefaultSpec; x != nil && strings.EqualFold(x.Action, ast.DropStr) && def.Column(x.Column.String()) < 0 {
			return mysql.NewSQLError(mysql.ERBadFieldError, "42S22", "Unknown column '%s' in '%s'", x.Column.String(), def.Name)
		}
	}
	if left == 0 {
		return mysql.NewSQLError(1090, "42000", "You can't delete all columns with ALTER TABLE; use DROP TABLE instead")
	}
	return nil
}

// alterIndexes gives ALTER INDEX a form that is executed: the grammar takes it and forgets it.
func alterIndexes(query string, a *ast.AlterTable) error {
	if !syntax.ContainsFold(query, "visible") {
		return nil
	}
	var changes []*ast.IndexSpec
	for l := syntax.NewLexer(query); l.Kind != 0; {
		if !l.Accept("alter", "index") {
			l.Next()
			continue
		}
		name, _ := l.Name()
		mark := visibleMark
		if l.Is("invisible") {
			mark = invisibleMark
		}
		if syntax.SameName(name, rewrite.PrimaryName) && mark == invisibleMark {
			return mysql.NewSQLError(3522, "HY000", "A primary key index cannot be invisible")
		}
		changes = append(changes, &ast.IndexSpec{
			Action: ast.RenameStr, FromName: ast.NewColIdent(name), ToName: ast.NewColIdent(fmt.Sprintf("%s%d", mark, len(changes))),
		})
	}
	var last []*ast.DDL
	a.Statements = slices.DeleteFunc(a.Statements, func(d *ast.DDL) bool {
		if len(changes) == len(last) || !saysNothing(d) {
			return false
		}
		d.IndexSpec = changes[len(last)]
		last = append(last, d)
		return true
	})
	a.Statements = append(a.Statements, last...)
	return nil
}

// saysNothing reports whether a clause has nothing to do.
func saysNothing(d *ast.DDL) bool {
	return d.Action == ast.AlterStr && d.ColumnAction == "" && d.ConstraintAction == "" && d.IndexSpec == nil && d.AutoIncSpec == nil &&
		d.DefaultSpec == nil && d.AlterCollationSpec == nil && d.AlterCommentSpec == nil && d.NotNullSpec == nil &&
		d.ColumnTypeSpec == nil && d.TableSpec == nil
}

// current is the statement that runs, in a program that of the program.
func (s *Session) current() ast.Statement {
	if s.depth > 0 {
		return s.calls.stmt
	}
	return s.locks.stmt
}

// alters reports whether the statement is an ALTER TABLE.
func (s *Session) alters() bool {
	_, ok := s.current().(*ast.AlterTable)
	return ok
}

// definesIndexes reports whether the statement is one to which invisible indexes are indexes.
func (s *Session) definesIndexes() bool {
	switch n := s.current().(type) {
	case *ast.AlterTable:
		return true
	case *ast.DDL:
		return n.IndexSpec != nil
	}
	return false
}

// setVisible makes an index visible or not, as what ALTER INDEX renames it to says; false of
// other names.
func setVisible(ix *engine.IndexDef, to string) bool {
	visible := strings.HasPrefix(to, visibleMark)
	if !visible && !strings.HasPrefix(to, invisibleMark) {
		return false
	}
	ix.Invisible = !visible
	return true
}

// dropsForeignKey reports whether a clause is DROP FOREIGN KEY.
func dropsForeignKey(d *ast.DDL) bool {
	if !strings.EqualFold(d.ConstraintAction, ast.DropStr) || d.TableSpec == nil || len(d.TableSpec.Constraints) != 1 {
		return false
	}
	_, ok := d.TableSpec.Constraints[0].Details.(*ast.ForeignKeyDefinition)
	return ok
}

func dropsPrimary(d *ast.DDL) bool {
	return d.IndexSpec != nil && strings.EqualFold(d.IndexSpec.Action, ast.DropStr) && strings.EqualFold(d.IndexSpec.Type, ast.PrimaryStr)
}

// newCounters gives a column that MODIFY or CHANGE makes one of AUTO_INCREMENT an index until the clauses are done that make
// it a key: the planner asks for one at once.
func newCounters(def *engine.TableDef, a *ast.AlterTable) {
	first := func(x *ast.IndexSpec, name ast.ColIdent) bool {
		return x != nil && strings.EqualFold(x.Action, ast.CreateStr) && len(x.Fields) > 0 && x.Fields[0].Column.Equal(name)
	}
	for i := 0; i < len(a.Statements); i++ {
		d := a.Statements[i]
		if d.TableSpec == nil || len(d.TableSpec.Columns) != 1 || !strings.EqualFold(d.ColumnAction, ast.ModifyStr) && !strings.EqualFold(d.ColumnAction, ast.ChangeStr) {
			continue
		}
		c, at := d.TableSpec.Columns[0], def.Column(d.Column.String())
		if !bool(c.Type.Autoincrement) || at < 0 || slices.ContainsFunc(append(def.Indexes, def.Primary), func(ix *engine.IndexDef) bool {
			return len(ix.Columns) > 0 && ix.Columns[0].Column == at
		}) {
			continue
		}
		clause := func(x *ast.IndexSpec) *ast.DDL {
			return &ast.DDL{Action: ast.AlterStr, Table: d.Table, Auth: d.Auth, IndexSpec: x}
		}
		if c.Type.KeyOpt == rewrite.ColumnIsPrimary {
			c.Type.KeyOpt, c.Type.NotNull = 0, true
			a.Statements = slices.Insert(a.Statements, i+1, clause(&ast.IndexSpec{
				Action: ast.CreateStr, Type: ast.PrimaryStr, Fields: []*ast.IndexField{{Column: c.Name}},
			}))
		} else if c.Type.KeyOpt == 0 && !slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool { return first(d.IndexSpec, c.Name) }) {
			continue
		}
		a.Statements = slices.Insert(a.Statements, i, clause(&ast.IndexSpec{
			Action: ast.CreateStr, ToName: ast.NewColIdent(counterIndex), Fields: []*ast.IndexField{{Column: d.Column}},
		}))
		a.Statements = append(a.Statements, clause(&ast.IndexSpec{Action: ast.DropStr, ToName: ast.NewColIdent(counterIndex)}))
		return
	}
}

// keepCounter gives the AUTO_INCREMENT column of a table an index of its own from DROP PRIMARY
// KEY on to the statement's end, if another clause makes it a key again, drops it or has it as a plain column: the planner asks for
// one after each clause.
func keepCounter(def *engine.TableDef, a *ast.AlterTable) {
	at := slices.IndexFunc(a.Statements, dropsPrimary)
	column := slices.IndexFunc(def.Columns, func(c engine.ColumnDef) bool { return c.AutoIncrement })
	if at < 0 || column < 0 {
		return
	}
	name := ast.NewColIdent(def.Columns[column].Name)
	of := func(d *ast.DDL, actions ...string) bool {
		return slices.Contains(actions, strings.ToLower(d.ColumnAction)) && d.Column.Equal(name)
	}
	dropped := slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool { return of(d, ast.DropStr) })
	if !dropped && !slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool {
		if of(d, ast.ModifyStr, ast.ChangeStr) && d.TableSpec != nil && len(d.TableSpec.Columns) == 1 {
			return !bool(d.TableSpec.Columns[0].Type.Autoincrement)
		}
		x := d.IndexSpec
		return x != nil && strings.EqualFold(x.Action, ast.CreateStr) && len(x.Fields) > 0 && x.Fields[0].Column.Equal(name)
	}) {
		return
	}
	add, drop := *a.Statements[at], *a.Statements[at]
	add.IndexSpec = &ast.IndexSpec{Action: ast.CreateStr, ToName: ast.NewColIdent(counterIndex), Fields: []*ast.IndexField{{Column: name}}}
	drop.IndexSpec = &ast.IndexSpec{Action: ast.DropStr, ToName: ast.NewColIdent(counterIndex)}
	if a.Statements = slices.Insert(a.Statements, at, &add); !dropped { // else it goes with the column
		a.Statements = append(a.Statements, &drop)
	}
}
