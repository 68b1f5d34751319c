package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// What MySQL does an ALTER TABLE by, the least first.
const (
	byInstant = iota
	byInplace
	byCopy
)

// onlineNeed is by what MySQL does an ALTER TABLE. What this server does it by does not depend on it: the clauses
// ALGORITHM and LOCK only say what is refused, so that those who try one after the other get MySQL's answers.
type onlineNeed struct {
	least  int
	reason string // why the least is byCopy, "" if MySQL does not say
	lock   string // why LOCK=NONE is not possible in place, "" if it is
}

// online returns the words of ALGORITHM and LOCK of a statement that changes a table, in upper case, DEFAULT where it has
// none, and the words of its own that stand outside of parentheses. Returns 1800 and 1801 for unknown ones.
func online(query string) (algorithm, lock string, words map[string]bool, err error) {
	algorithm, lock, words = "DEFAULT", "DEFAULT", map[string]bool{}
	depth := 0
	two, before, changed := "", "", false // whether before is the first name of CHANGE, behind which is another
	for l := syntax.NewLexer(query); l.Kind != 0 && err == nil; {
		depth += rewrite.Nesting(l)
		clause := ""
		if l.Kind == 'w' && depth == 0 && !rewrite.BeforeName[before] && !changed {
			words[strings.ToLower(l.Text)] = true
			clause = strings.ToLower(l.Text)
		}
		changed = !changed && (before == "change" && !l.Is("column") || two == "change" && before == "column")
		two, before = before, strings.ToLower(l.Text)
		l.Next()
		if clause != "algorithm" && clause != "lock" {
			continue
		}
		l.Accept("=")
		word, ok := l.Name()
		if !ok {
			continue
		}
		before = ""
		to, known := &algorithm, []string{"DEFAULT", "INSTANT", "INPLACE", "COPY"}
		if clause == "lock" {
			to, known = &lock, []string{"DEFAULT", "NONE", "SHARED", "EXCLUSIVE"}
		}
		*to = strings.ToUpper(word)
		if slices.Contains(known, *to) {
			continue
		}
		if err = mysql.NewSQLError(1800, "HY000", "Unknown ALGORITHM '%s'", word); clause == "lock" {
			err = mysql.NewSQLError(1801, "HY000", "Unknown LOCK type '%s'", word)
		}
	}
	return algorithm, lock, words, err
}

// refused returns the error of an ALGORITHM and a LOCK by which the change cannot be made.
func (n onlineNeed) refused(algorithm, lock string) error {
	fails := func(what, reason, try string) error {
		if reason == "" {
			return mysql.NewSQLError(1845, "0A000", "%s is not supported for this operation. Try %s.", what, try)
		}
		return mysql.NewSQLError(1846, "0A000", "%s is not supported. Reason: %s. Try %s.", what, reason, try)
	}
	switch {
	case algorithm == "INSTANT" && lock != "DEFAULT":
		return mysql.NewSQLError(1221, "HY000", "Incorrect usage of ALGORITHM=INSTANT and LOCK=NONE/SHARED/EXCLUSIVE")
	case algorithm == "INSTANT" && n.least == byInplace:
		return fails("ALGORITHM=INSTANT", "", "ALGORITHM=COPY/INPLACE")
	case (algorithm == "INSTANT" || algorithm == "INPLACE") && n.least == byCopy:
		return fails("ALGORITHM="+algorithm, n.reason, "ALGORITHM=COPY")
	case lock != "NONE":
		return nil
	case algorithm == "COPY", n.least == byCopy && n.reason == "":
		return fails("LOCK=NONE", "COPY algorithm requires a lock", "LOCK=SHARED")
	case n.least == byCopy:
		return fails("LOCK=NONE", n.reason, "LOCK=SHARED")
	case n.lock != "":
		return fails("LOCK=NONE", n.lock, "LOCK=SHARED")
	}
	return nil
}

// onlineRefusal returns the error of the ALGORITHM and LOCK of an ALTER TABLE, nil if MySQL makes the change by them.
func (s *Session) onlineRefusal(ctx *sql.Context, query string, t *Table, def *engine.TableDef, a *ast.AlterTable) error {
	algorithm, lock, words, err := online(query)
	if err != nil || algorithm == "DEFAULT" && lock == "DEFAULT" || len(a.PartitionSpecs) > 0 {
		return err
	}
	var n onlineNeed
	add := func(o onlineNeed) {
		if n.least < o.least {
			n.least, n.reason = o.least, o.reason
		}
		if n.lock == "" {
			n.lock = o.lock
		}
	}
	virtual, index, other := false, false, false
	fulltexts := 0
	for _, d := range a.Statements {
		o := s.clauseNeed(ctx, t, def, a, d)
		add(o)
		switch x := d.IndexSpec; {
		case x != nil:
			index = true
			if strings.EqualFold(x.Action, ast.CreateStr) && strings.EqualFold(x.Type, ast.FulltextStr) {
				fulltexts++
			}
		case virtualColumn(def, d):
			virtual = true
		case d.ColumnAction != "":
			other = true
		}
	}
	if fulltexts > 1 {
		add(onlineNeed{byCopy, "InnoDB presently supports one FULLTEXT index creation at a time", ""})
	}
	if virtual && other {
		add(onlineNeed{byCopy, "INPLACE ADD or DROP of virtual columns cannot be combined with other ALTER TABLE actions", ""})
	} else if virtual && index {
		add(onlineNeed{byInplace, "", "ADD COLUMN col...VIRTUAL, ADD INDEX(col)"})
	}
	switch {
	case words["convert"]:
		add(onlineNeed{byCopy, changedType, ""})
	case words["order"]:
		add(onlineNeed{least: byCopy})
	case words["engine"], words["force"], words["row_format"], words["key_block_size"], words["stats_persistent"]:
		add(onlineNeed{least: byInplace})
	}
	if def.Temporary {
		n = onlineNeed{least: byCopy}
	}
	return n.refused(algorithm, lock)
}

// changedType is MySQL's reason against a change of a column's type.
const changedType = "Cannot change column type INPLACE"

// virtualColumn reports whether a clause adds or drops a generated column that is not stored.
func virtualColumn(def *engine.TableDef, d *ast.DDL) bool {
	if strings.EqualFold(d.ColumnAction, ast.DropStr) {
		at := def.Column(d.Column.String())
		return at >= 0 && def.Columns[at].Virtual
	}
	if !strings.EqualFold(d.ColumnAction, ast.AddStr) || d.TableSpec == nil || len(d.TableSpec.Columns) == 0 {
		return false
	}
	c := d.TableSpec.Columns[0].Type
	return c.GeneratedExpr != nil && !bool(c.Stored)
}

// clauseNeed returns what a clause of an ALTER TABLE needs.
func (s *Session) clauseNeed(ctx *sql.Context, t *Table, def *engine.TableDef, a *ast.AlterTable, d *ast.DDL) onlineNeed {
	if x := d.IndexSpec; x != nil {
		switch {
		case strings.EqualFold(x.Action, ast.CreateStr) && strings.EqualFold(x.Type, ast.FulltextStr):
			return onlineNeed{byInplace, "", "Fulltext index creation requires a lock"}
		case strings.EqualFold(x.Action, ast.CreateStr) && strings.EqualFold(x.Type, ast.SpatialStr):
			return onlineNeed{byInplace, "", "Do not support online operation on table with GIS index"}
		case strings.EqualFold(x.Action, ast.CreateStr) && slices.ContainsFunc(x.Fields, func(f *ast.IndexField) bool { return f.Expression != nil }):
			return onlineNeed{byInplace, "", "ADD COLUMN col...VIRTUAL, ADD INDEX(col)"}
		case dropsPrimary(d) && !slices.ContainsFunc(a.Statements, addsPrimary):
			return onlineNeed{byCopy, "Dropping a primary key is not allowed without also adding a new primary key", ""}
		}
		return onlineNeed{least: byInplace}
	}
	if d.TableSpec != nil && d.ConstraintAction == ast.AddStr {
		for _, c := range d.TableSpec.Constraints {
			switch x := c.Details.(type) {
			case *ast.CheckConstraintDefinition:
				if x.Enforced {
					return onlineNeed{least: byCopy}
				}
			case *ast.ForeignKeyDefinition:
				if s.boolVariable(ctx, "foreign_key_checks") {
					return onlineNeed{byCopy, "Adding foreign keys needs foreign_key_checks=OFF", ""}
				}
				return onlineNeed{least: byInplace}
			}
		}
	}
	if d.AlterCommentSpec != nil || d.AutoIncSpec != nil || d.AlterCollationSpec != nil || d.ConstraintAction == ast.DropStr {
		return onlineNeed{least: byInplace}
	}
	at := def.Column(d.Column.String())
	if strings.EqualFold(d.ColumnAction, ast.DropStr) && at >= 0 {
		holds := func(ix *engine.IndexDef) bool {
			return slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool { return c.Column == at })
		}
		switch {
		case !def.Keyless() && holds(def.Primary):
			return onlineNeed{byCopy, "Dropping a primary key is not allowed without also adding a new primary key", ""}
		case slices.ContainsFunc(def.Indexes, holds), hasFulltext(def):
			return onlineNeed{least: byInplace}
		}
	}
	if d.TableSpec == nil || len(d.TableSpec.Columns) != 1 {
		return onlineNeed{}
	}
	c := d.TableSpec.Columns[0]
	switch strings.ToLower(d.ColumnAction) {
	case ast.AddStr:
		switch {
		case c.Type.GeneratedExpr != nil && bool(c.Type.Stored):
			return onlineNeed{least: byCopy}
		case bool(c.Type.Autoincrement):
			return onlineNeed{byInplace, "", "Adding an auto-increment column requires a lock"}
		case c.Type.KeyOpt != 0, hasFulltext(def):
			return onlineNeed{least: byInplace}
		}
	case ast.ModifyStr, ast.ChangeStr:
		if d.Column.IsEmpty() {
			at = def.Column(c.Name.String())
		}
		if at >= 0 {
			return s.columnNeed(ctx, t, def, at, c, d.ColumnOrder)
		}
	}
	return onlineNeed{}
}

// hasFulltext reports whether a table has a FULLTEXT index.
func hasFulltext(def *engine.TableDef) bool {
	list, err := pseudoIndexes(def)
	return err == nil && slices.ContainsFunc(list, func(p pseudoIndex) bool { return p.Kind == engine.IndexFulltext })
}

// addsPrimary reports whether a clause adds a primary key.
func addsPrimary(d *ast.DDL) bool {
	if x := d.IndexSpec; x != nil && strings.EqualFold(x.Action, ast.CreateStr) && strings.EqualFold(x.Type, ast.PrimaryStr) {
		return true
	}
	return d.TableSpec != nil && slices.ContainsFunc(d.TableSpec.Columns, func(c *ast.ColumnDefinition) bool { return c.Type.KeyOpt == rewrite.ColumnIsPrimary })
}

// columnNeed returns what a new definition of a column needs.
func (s *Session) columnNeed(ctx *sql.Context, t *Table, def *engine.TableDef, at int, c *ast.ColumnDefinition, order *ast.ColumnOrder) onlineNeed {
	old := def.Columns[at]
	schema := t.Schema(ctx)
	i := schema.IndexOfColName(old.Name)
	typ := c.Type
	to, err := types.ColumnTypeToType(&typ)
	if err != nil || i < 0 {
		return onlineNeed{} // the planner says so
	}
	need := onlineNeed{least: changeOfType(schema[i].Type, to, &c.Type, t.Collation())}
	if need.least == byCopy || old.AutoIncrement != bool(c.Type.Autoincrement) {
		return onlineNeed{byCopy, changedType, ""}
	}
	if (old.Generated != "") != (c.Type.GeneratedExpr != nil) || c.Type.GeneratedExpr != nil && old.Virtual == bool(c.Type.Stored) {
		return onlineNeed{least: byCopy}
	}
	notNull := bool(c.Type.NotNull) || schema[i].PrimaryKey
	moved := order != nil && (order.First && at > 0 || !order.First && def.Column(order.AfterColumn.String()) != at-1)
	switch {
	case notNull && schema[i].Nullable && !strictTables(ctx):
		return onlineNeed{byCopy, "cannot silently convert NULL values, as required in this SQL_MODE", ""}
	case notNull == schema[i].Nullable || moved:
		need.least = byInplace
	}
	return need
}

// strictTables reports whether the sql_mode is strict.
func strictTables(ctx *sql.Context) bool {
	mode := sql.LoadSqlMode(ctx)
	return mode.ModeEnabled("STRICT_TRANS_TABLES") || mode.ModeEnabled("STRICT_ALL_TABLES")
}

// changeOfType returns by what a column's type becomes another. collation is the table's.
func changeOfType(from, to sql.Type, c *ast.ColumnType, collation sql.CollationID) int {
	if was, ok := from.(sql.TypeWithCollation); ok {
		if c.Charset != "" || c.Collate != "" || c.BinaryCollate {
			collation = was.Collation()
			if now, ok := to.(sql.TypeWithCollation); ok && (c.Charset != "" || c.Collate != "") {
				collation = now.Collation()
			}
		}
		if was.Collation() != collation && was.Collation() != sql.Collation_binary {
			return byCopy
		}
	}
	switch was := from.(type) {
	case sql.EnumType:
		if now, ok := to.(sql.EnumType); ok {
			return byAppended(was.Values(), now.Values(), 256)
		}
		return byCopy
	case sql.SetType:
		if now, ok := to.(sql.SetType); ok {
			return byAppended(was.Values(), now.Values(), 8)
		}
		return byCopy
	case sql.StringType:
		now, ok := to.(sql.StringType)
		if !ok || now.Type() != was.Type() {
			return byCopy
		}
		a, b := was.MaxCharacterLength(), now.MaxCharacterLength()
		bytes := was.Collation().CharacterSet().MaxLength()
		switch {
		case a == b:
			return byInstant
		case !strings.HasPrefix(strings.ToLower(was.String()), "var") || b < a || a*bytes < 256 && b*bytes >= 256:
			return byCopy
		}
		return byInplace
	}
	if from.Equals(to) {
		return byInstant
	}
	return byCopy
}

// byAppended returns by what an ENUM or SET gets other members. A number of members beyond a multiple of most takes more bytes.
func byAppended(was, now []string, most int) int {
	if len(now) < len(was) || !slices.Equal(was, now[:len(was)]) || len(was) > 0 && (len(was)-1)/most != (len(now)-1)/most {
		return byCopy
	}
	return byInstant
}
