package gms

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// children finds the foreign keys that refer to a table. The catalog keeps them
// with the child; the planner asks for them with every write to the parent.
type children struct {
	mu  sync.Mutex
	cat *engine.Catalog // whose index it is
	m   map[string][]sql.ForeignKeyConstraint
}

func tableKey(db, table string) string { return strings.ToLower(db) + "\x00" + strings.ToLower(table) }

func (c *children) of(cat *engine.Catalog, db, table string) []sql.ForeignKeyConstraint {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cat != cat {
		c.cat, c.m = cat, childIndex(cat)
	}
	return c.m[tableKey(db, table)]
}

func childIndex(cat *engine.Catalog) map[string][]sql.ForeignKeyConstraint {
	m := make(map[string][]sql.ForeignKeyConstraint)
	for _, db := range cat.Databases() {
		for _, t := range cat.Tables(db.Name) {
			for _, fk := range t.ForeignKeys {
				k := tableKey(fk.ParentDatabase, fk.ParentTable)
				m[k] = append(m[k], constraint(t, fk))
			}
		}
	}
	return m
}

// guardTruncations has TRUNCATE be 1701 where a foreign key of any other table refers to the table, and keeps a DELETE that one refers to from being
// made a TRUNCATE: the planner asks the tables of the current database, by their names.
func guardTruncations(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "processTruncate", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		var t *Table
		truncates := false
		switch n := n.(type) {
		case *plan.DeleteFrom:
			t = tableOf(n.Child)
		case *plan.Truncate:
			t, truncates = tableOf(n.Child), true
		}
		if t == nil || !t.db.b.mysql {
			return rule(ctx, n, f)
		}
		refer, err := t.referrers(ctx)
		for _, fk := range refer {
			switch {
			case !truncates:
				return n, transform.SameTree, nil
			case !syntax.SameName(fk.Database, t.db.Name()) || !syntax.SameName(fk.Table, t.Name()):
				return nil, transform.SameTree, mysql.NewSQLError(1701, "42000",
					"Cannot truncate a table referenced in a foreign key constraint (`%s`.`%s`, CONSTRAINT `%s`)", fk.Database, fk.Table, fk.Name)
			}
		}
		if truncates || err != nil {
			return n, transform.SameTree, err
		}
		return rule(ctx, n, f)
	})
}

// checkedDelete gives a DELETE of one table without WHERE one where a foreign key of another database refers to the table: the planner has a way of
// its own for those, which guardTruncations is not on.
func (s *Session) checkedDelete(ctx *sql.Context, stmt ast.Statement) {
	d, ok := stmt.(*ast.Delete)
	if !ok || !s.b.mysql || d.Where != nil || len(d.Targets) > 0 || len(d.TableExprs) != 1 {
		return
	}
	e, ok := d.TableExprs[0].(*ast.AliasedTableExpr)
	if !ok {
		return
	}
	name, ok := e.Expr.(ast.TableName)
	if !ok {
		return
	}
	t, err := s.namedTable(ctx, syntax.TableName{Database: name.DbQualifier.String(), Name: name.Name.String()})
	if err != nil {
		return // the planner says so
	}
	refer, _ := t.referrers(ctx)
	if slices.ContainsFunc(refer, func(fk sql.ForeignKeyConstraint) bool { return !syntax.SameName(fk.Database, t.db.Name()) }) {
		d.Where = ast.NewWhere(ast.WhereStr, ast.BoolVal(true))
	}
}

func constraint(t *engine.TableDef, fk engine.ForeignKeyDef) sql.ForeignKeyConstraint {
	return sql.ForeignKeyConstraint{
		Name: fk.Name, Database: t.Database, Table: t.Name, Columns: slices.Clone(fk.Columns),
		ParentDatabase: fk.ParentDatabase, ParentTable: fk.ParentTable, ParentColumns: slices.Clone(fk.ParentColumns),
		OnUpdate: sql.ForeignKeyReferentialAction(fk.OnUpdate), OnDelete: sql.ForeignKeyReferentialAction(fk.OnDelete),
		IsResolved: fk.Resolved,
	}
}

func foreignKeyDef(fk sql.ForeignKeyConstraint) engine.ForeignKeyDef {
	return engine.ForeignKeyDef{
		Name: fk.Name, Columns: slices.Clone(fk.Columns), ParentDatabase: fk.ParentDatabase,
		ParentTable: fk.ParentTable, ParentColumns: slices.Clone(fk.ParentColumns),
		OnUpdate: string(fk.OnUpdate), OnDelete: string(fk.OnDelete), Resolved: fk.IsResolved,
	}
}

// GetDeclaredForeignKeys implements sql.ForeignKeyTable.
func (t *Table) GetDeclaredForeignKeys(ctx *sql.Context) ([]sql.ForeignKeyConstraint, error) {
	def := t.live(ctx).def
	if len(def.ForeignKeys) == 0 {
		return nil, nil
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]sql.ForeignKeyConstraint, len(def.ForeignKeys))
	for i, fk := range def.ForeignKeys {
		s.lookKeyed(fk.ParentDatabase, fk.ParentTable)
		out[i] = constraint(def, fk)
	}
	slices.SortFunc(out, func(a, b sql.ForeignKeyConstraint) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// GetReferencedForeignKeys implements sql.ForeignKeyTable.
func (t *Table) GetReferencedForeignKeys(ctx *sql.Context) ([]sql.ForeignKeyConstraint, error) {
	cat, s, err := catalogOf(ctx)
	if err != nil {
		return nil, err
	}
	if s.tx != nil && s.tx.tx != nil && !s.b.readOnly.Load() { // a write is held to the keys of now, whatever its snapshot has
		cat = s.tx.tx.NewestCatalog()
	}
	def := t.live(ctx).def
	if def.Temporary {
		return nil, nil
	}
	found := t.db.b.children.of(cat, def.Database, def.Name)
	out := make([]sql.ForeignKeyConstraint, len(found))
	for i, fk := range found {
		s.lookKeyed(fk.Database, fk.Table)
		fk.Columns, fk.ParentColumns = slices.Clone(fk.Columns), slices.Clone(fk.ParentColumns)
		out[i] = fk
	}
	return out, nil
}

// lookKeyed says that a foreign key has the statement look for a table: no temporary one is meant.
func (s *Session) lookKeyed(database, name string) {
	if s.temporary(database, name) == nil {
		return
	}
	if s.keyed == nil {
		s.keyed = map[string]bool{}
	}
	s.keyed[tableKey(database, name)] = true
}

// lookKeyedBy is lookKeyed of the foreign keys that a CREATE TABLE defines.
func (s *Session) lookKeyedBy(stmt ast.Statement) {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.TableSpec == nil {
		return
	}
	for _, c := range d.TableSpec.Constraints {
		if fk, ok := c.Details.(*ast.ForeignKeyDefinition); ok {
			s.lookKeyed(cmp.Or(fk.ReferencedTable.DbQualifier.String(), s.GetCurrentDatabase()), fk.ReferencedTable.Name.String())
		}
	}
}

// AddForeignKey implements sql.ForeignKeyTable.
func (t *Table) AddForeignKey(ctx *sql.Context, fk sql.ForeignKeyConstraint) error {
	if fk.OnUpdate == sql.ForeignKeyReferentialAction_SetDefault || fk.OnDelete == sql.ForeignKeyReferentialAction_SetDefault {
		return sql.ErrForeignKeySetDefault.New()
	}
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	if parent := tx.NewestCatalog().Table(fk.ParentDatabase, fk.ParentTable); parent != nil {
		if parent.Partition != "" {
			return errPartForeignKey
		}
		if err := s.newChild(ctx, tx, parent, t.live(ctx).def); err != nil {
			return t.ddlError(ctx, s, err)
		}
	}
	for _, other := range tx.NewestCatalog().Tables(t.db.Name()) {
		for _, d := range other.ForeignKeys {
			if syntax.SameName(d.Name, fk.Name) {
				return sql.ErrForeignKeyDuplicateName.New(fk.Name)
			}
		}
	}
	return t.alter(ctx, func(def *engine.TableDef) error {
		def.ForeignKeys = append(def.ForeignKeys, foreignKeyDef(fk))
		return checksOfActions(def)
	})
}

// newChild gives the parent of a new foreign key another version, as the key is part of what it is: statements that were planned
// without it, and wait for rows or for the table, are planned again.
func (s *Session) newChild(ctx *sql.Context, tx *engine.Tx, parent, child *engine.TableDef) error {
	if parent.ID == child.ID || parent.Temporary {
		return nil
	}
	if _, err := tx.AlterTable(ctx, parent.Clone()); err != nil {
		return err
	}
	s.defined(parent.ID)
	return nil
}

// checksOfActions returns error 3823 if a CHECK constraint uses a column that a foreign key's action
// changes.
func checksOfActions(def *engine.TableDef) error {
	for _, fk := range def.ForeignKeys {
		if fk.OnDelete != string(sql.ForeignKeyReferentialAction_SetNull) && fk.OnUpdate != string(sql.ForeignKeyReferentialAction_SetNull) &&
			fk.OnUpdate != string(sql.ForeignKeyReferentialAction_Cascade) {
			continue
		}
		for _, c := range def.Checks {
			for _, column := range fk.Columns {
				switch used, err := usesColumn(c.Expr, column); {
				case err != nil:
					return err
				case used:
					return mysql.NewSQLError(3823, "HY000",
						"Column '%s' cannot be used in a check constraint '%s': needed in a foreign key constraint '%s' referential action.", column, c.Name, fk.Name)
				}
			}
		}
	}
	return nil
}

// DropForeignKey implements sql.ForeignKeyTable.
func (t *Table) DropForeignKey(ctx *sql.Context, name, _, _ string) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		n := len(def.ForeignKeys)
		def.ForeignKeys = slices.DeleteFunc(def.ForeignKeys, func(d engine.ForeignKeyDef) bool { return syntax.SameName(d.Name, name) })
		if len(def.ForeignKeys) == n {
			return sql.ErrForeignKeyNotFound.New(name, def.Name)
		}
		return nil
	})
}

// UpdateForeignKey implements sql.ForeignKeyTable. The planner calls it on the
// child, but after a rename by the parent of another table too.
func (t *Table) UpdateForeignKey(ctx *sql.Context, name string, fk sql.ForeignKeyConstraint) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		for i := range def.ForeignKeys {
			if syntax.SameName(def.ForeignKeys[i].Name, name) {
				def.ForeignKeys[i] = foreignKeyDef(fk)
				return nil
			}
		}
		def.ForeignKeys = append(def.ForeignKeys, foreignKeyDef(fk))
		return nil
	})
}

// CreateIndexForForeignKey implements sql.ForeignKeyTable. The index of a constraint without a name has the one behind FOREIGN
// KEY, if there is one.
func (t *Table) CreateIndexForForeignKey(ctx *sql.Context, ix sql.IndexDef) error {
	if s, ok := ctx.Session.(*Session); ok {
		table, clauses := rewrite.Altered(s.current())
		for _, fk := range (rewrite.DefinitionOf{Table: table, Clauses: clauses}).ForeignKeys() {
			if !fk.Named && fk.Def.Index != "" && slices.EqualFunc(fk.Def.Source, ix.Columns, func(c ast.ColIdent, of sql.IndexColumn) bool {
				return c.EqualString(of.Name)
			}) {
				ix.Name = fk.Def.Index
			}
		}
	}
	return t.createIndex(ctx, ix, map[string]string{optImplicit: "1"})
}

// optImplicit is the option of an index that a foreign key made for itself. It goes when
// an index is made that serves the key too.
const optImplicit = "implicit"

// implicitIndex returns the index that goes when ix is made, which begins with its columns, in their order; nil if none does.
func implicitIndex(ctx *sql.Context, def *engine.TableDef, ix sql.IndexDef) *engine.IndexDef {
	if ix.IsFullText() || ix.IsSpatial() || ix.IsVector() {
		return nil
	}
	made, err := indexDef(ctx, def, ix)
	if err != nil {
		return nil
	}
	for _, old := range def.Indexes {
		n := len(old.Columns)
		if old.Options[optImplicit] != "" && n <= len(made.Columns) && slices.Equal(old.Columns, made.Columns[:n]) &&
			!slices.ContainsFunc(ix.Columns[:n], func(c sql.IndexColumn) bool { return c.Length != 0 }) {
			return old
		}
	}
	return nil
}

var violation = regexp.MustCompile("^cannot (add or update a child row|delete or update a parent row) - " +
	"Foreign key violation on fk: `(.*)`, table: `(.*)`, referenced table: `(.*)`, key: `.*`$")

// violated turns the planner's error of a foreign key into MySQL's, which has the
// key's definition; other errors are returned as they are.
func (s *Session) violated(err error) error {
	if err == io.EOF || !s.b.mysql || s.tx == nil || s.tx.tx == nil {
		return err
	}
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	cat, last := s.tx.tx.NewestCatalog(), s.tx.tx.LastUsed()
	for _, db := range cat.Databases() {
		for _, t := range cat.Tables(db.Name) {
			for _, fk := range t.ForeignKeys {
				if !syntax.SameName(fk.Name, m[2]) || !syntax.SameName(t.Name, m[3]) || !syntax.SameName(fk.ParentTable, m[4]) {
					continue
				}
				parent := cat.Table(fk.ParentDatabase, fk.ParentTable)
				if last == t.ID || parent != nil && last == parent.ID { // others have that name in other databases
					return fkError(m[1], t, fk)
				}
				if err.Error() == m[0] {
					err = fkError(m[1], t, fk)
				}
			}
		}
	}
	return err
}

// createForeignKey adds a foreign key to a table whose rows are looked at: nobody writes it between that and the definition.
func (b *builder) createForeignKey(ctx *sql.Context, s *Session, n *plan.CreateForeignKey, r sql.Row) (sql.RowIter, error) {
	_, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	of := []syntax.TableName{{Database: n.FkDef.Database, Name: n.FkDef.Table}, {Database: n.FkDef.ParentDatabase, Name: n.FkDef.ParentTable}}
	slices.SortFunc(of, func(a, b syntax.TableName) int { // two keys between the same tables do not wait for each other
		return cmp.Or(strings.Compare(strings.ToLower(a.Database), strings.ToLower(b.Database)), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
	for _, t := range of {
		if err := tx.LockDefinition(ctx, t.Database, t.Name); err != nil {
			return nil, s.fail(ctx, err)
		}
	}
	defer s.temps.hide(n.FkDef.ParentDatabase, n.FkDef.ParentTable)()
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		if m := violation.FindStringSubmatch(err.Error()); m != nil && s.b.mysql {
			fk := foreignKeyDef(*n.FkDef)
			if def := tx.NewestCatalog().Table(n.FkDef.Database, n.FkDef.Table); fk.Name == "" && def != nil {
				last := 0
				for _, of := range def.ForeignKeys {
					number, _ := strconv.Atoi(strings.TrimPrefix(of.Name, def.Name+"_ibfk_"))
					last = max(last, number)
				}
				fk.Name = fmt.Sprintf("%s_ibfk_%d", def.Name, last+1)
			}
			err = fkError(m[1], &engine.TableDef{Database: n.FkDef.Database, Name: m[3]}, fk)
		}
	}
	return it, err
}

func fkError(what string, t *engine.TableDef, fk engine.ForeignKeyDef) error {
	parent := "`" + fk.ParentTable + "`"
	if !syntax.SameName(fk.ParentDatabase, t.Database) {
		parent = "`" + fk.ParentDatabase + "`." + parent
	}
	text := fmt.Sprintf("a foreign key constraint fails (`%s`.`%s`, CONSTRAINT `%s` FOREIGN KEY (`%s`) REFERENCES %s (`%s`)",
		t.Database, t.Name, fk.Name, strings.Join(fk.Columns, "`, `"), parent, strings.Join(fk.ParentColumns, "`, `"))
	for _, a := range []struct{ on, action string }{{"DELETE", fk.OnDelete}, {"UPDATE", fk.OnUpdate}} {
		switch a.action {
		case "CASCADE", "SET NULL", "NO ACTION":
			text += " ON " + a.on + " " + a.action
		}
	}
	number := mysql.ErNoReferencedRow2
	if strings.HasPrefix(what, "delete") {
		number = mysql.ERRowIsReferenced2
	}
	return mysql.NewSQLError(number, "23000", "Cannot %s: %s)", what, text)
}
