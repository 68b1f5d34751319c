package gms

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// createTable returns the CREATE TABLE of a table as MySQL's SHOW CREATE TABLE has it.
func createTable(ctx *sql.Context, t *Table, n *plan.ShowCreateTable) (string, error) {
	def := t.shape.def
	var parts []string
	for _, c := range n.TargetSchema() {
		if c.HiddenSystem {
			continue
		}
		text, err := columnText(ctx, c, t.Collation(), shownExpression)
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	for _, ix := range orderedIndexes(t.shape) {
		parts = append(parts, ix.text(shownExpression))
	}
	for _, fk := range slices.SortedFunc(slices.Values(def.ForeignKeys), func(a, b engine.ForeignKeyDef) int {
		return strings.Compare(a.Name, b.Name)
	}) {
		parts = append(parts, foreignKeyText(def, fk))
	}
	for _, c := range t.shape.checks {
		text := fmt.Sprintf("CONSTRAINT %s CHECK (%s)", syntax.QuoteName(c.Name), shownExpression(c.CheckExpression))
		if !c.Enforced {
			text += " /*!80016 NOT ENFORCED */"
		}
		parts = append(parts, text)
	}
	temporary, counter := "", ""
	if def.Temporary {
		temporary = "TEMPORARY "
	}
	if def.AutoIncrement() >= 0 {
		next, err := t.PeekNextAutoIncrementValue(ctx)
		if err != nil {
			return "", err
		}
		if next > 1 {
			counter = fmt.Sprintf(" AUTO_INCREMENT=%d", next)
		}
	}
	text := fmt.Sprintf("CREATE %sTABLE %s (\n  %s\n) ENGINE=InnoDB%s DEFAULT CHARSET=%s%s", temporary, syntax.QuoteName(def.Name),
		strings.Join(parts, ",\n  "), counter, charsetText(t.Collation(), " COLLATE="), optionsText(def, true))
	if def.Comment != "" {
		text += " COMMENT=" + syntax.QuoteText(def.Comment)
	}
	if t.shape.parts != nil {
		text += "\n" + t.shape.parts.Shown()
	}
	return text, nil
}

// charsetText is the name of a collation's character set, and the collation's behind COLLATE if the set has another where none
// is named, or is utf8mb4.
func charsetText(c sql.CollationID, collate string) string {
	set := c.CharacterSet()
	if c == set.DefaultCollation() && c != sql.Collation_utf8mb4_0900_ai_ci {
		return set.Name()
	}
	return set.Name() + collate + c.Name()
}

// columnText is a column's line, with its expressions as f has them.
func columnText(ctx *sql.Context, c *sql.Column, table sql.CollationID, f func(kept string) string) (string, error) {
	text := syntax.QuoteName(c.Name) + " " + typeName(c.Type)
	if t, ok := c.Type.(sql.TypeWithCollation); ok && (types.IsTextOnly(c.Type) || types.IsEnum(c.Type) || types.IsSet(c.Type)) {
		d := expr.SourceColumn(ctx, c)
		given := table == sql.Collation_Unspecified || d != nil && d.Options[optCharset] != ""
		set, modern := t.Collation().CharacterSet(), sql.Collation_utf8mb4_0900_ai_ci
		if given || t.Collation() != table {
			text += " CHARACTER SET " + set.Name()
		}
		if given || t.Collation() != set.DefaultCollation() || t.Collation() == modern && table != modern {
			text += " COLLATE " + t.Collation().Name()
		}
	}
	if c.Generated != nil {
		kind := "STORED"
		if c.Virtual {
			kind = "VIRTUAL"
		}
		text += " GENERATED ALWAYS AS (" + f(withoutParentheses(generatedText(c.Generated))) + ") " + kind
	}
	switch {
	case !c.Nullable:
		text += " NOT NULL"
	case types.IsTimestampType(c.Type):
		text += " NULL"
	}
	if t, ok := c.Type.(sql.SpatialColumnType); ok {
		if srid, defined := t.GetSpatialTypeSRID(); defined {
			text += fmt.Sprintf(" /*!80003 SRID %d */", srid)
		}
	}
	value, err := defaultText(ctx, c)
	if err != nil {
		return "", err
	}
	if value != "" {
		if inner := withoutParentheses(value); inner != value {
			value = "(" + f(inner) + ")"
		}
		text += " DEFAULT " + value
	}
	if c.OnUpdate != nil {
		text += " ON UPDATE " + generatedText(c.OnUpdate)
	}
	if c.AutoIncrement {
		text += " AUTO_INCREMENT"
	}
	if c.Hidden {
		text += " /*!80023 INVISIBLE */"
	}
	if c.Comment != "" {
		text += " COMMENT " + syntax.QuoteText(c.Comment)
	}
	return text, nil
}

// defaultText is a column's default, "" if none is shown: that of a TEXT or the like is not
// if it is NULL, nor that of a column whose default was dropped.
func defaultText(ctx *sql.Context, c *sql.Column) (string, error) {
	if c.Generated != nil || hasNoDefault(c) {
		return "", nil
	}
	text, parsed := "", true
	if c.Default != nil {
		if text = c.Default.String(); !c.Default.Resolved() {
			text, parsed = withoutAssigned(c.Default.Expr.String()), false
		}
	}
	null := c.Default == nil || strings.EqualFold(text, "NULL")
	if null {
		if !c.Nullable || types.IsTextBlob(c.Type) {
			return "", nil
		}
		return "NULL", nil
	}
	if d := expr.SourceColumn(ctx, c); d != nil && !d.DefaultExpr && (types.IsTimespan(c.Type) || types.IsSet(c.Type) || types.IsEnum(c.Type)) {
		if value, ok := (described{Column: c, def: d}).defaultValue(ctx).(string); ok {
			return syntax.QuoteText(value), nil
		}
	}
	if value := expr.DefaultLiteral(text); value != text {
		text = syntax.QuoteText(value)
	}
	if !parsed {
		return text, nil
	}
	if t := c.Default.Type(ctx); !c.Default.IsLiteral() || types.IsTimespan(t) || types.IsText(t) || types.IsEnum(c.Type) || types.IsSet(c.Type) {
		return text, nil
	}
	v, err := c.Default.Eval(ctx, nil)
	if err != nil {
		return "", err
	}
	if types.IsTime(c.Type) {
		value, err := c.Type.SQL(ctx, nil, v)
		return syntax.QuoteText(value.ToString()), err
	}
	if types.IsYear(c.Type) {
		return fmt.Sprintf("'%04d'", v), nil
	}
	if types.IsBit(c.Type) {
		return fmt.Sprintf("b'%b'", v), nil
	}
	return "'" + expr.ShownDefault(expr.SourceColumn(ctx, c), v, fmt.Sprint(v)) + "'", nil
}

// orderedIndexes returns a table's indexes in MySQL's order: the primary key, unique
// ones without and with columns that may be NULL, those of beginnings of columns and of virtual columns behind the others of a kind, others, FULLTEXT ones; those of one kind
// as they were made.
func orderedIndexes(sh *shape) []*Index {
	rank := func(ix *Index) int {
		switch {
		case ix.def == sh.def.Primary:
			return 0
		case ix.def.Kind == engine.IndexFulltext:
			return 6
		case !ix.def.Unique:
			return 5
		}
		n := 1
		if slices.ContainsFunc(ix.columns, func(c int) bool { return sh.schema[c].Nullable }) {
			n = 3
		}
		if slices.ContainsFunc(ix.def.Columns, func(c engine.IndexColumn) bool { return c.Prefix > 0 || sh.schema[c.Column].Virtual }) {
			n++
		}
		return n
	}
	made := func(ix *Index) engine.IndexID {
		if ix.pseudo != nil {
			return ^engine.IndexID(0)
		}
		return ix.def.ID
	}
	return slices.SortedStableFunc(slices.Values(sh.indexes), func(a, b *Index) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(made(a), made(b)))
	})
}

// text is the index's line, with its expressions as f has them.
func (ix *Index) text(f func(kept string) string) string {
	var columns []string
	for _, ic := range ix.def.Columns {
		c := ix.shape.schema[ic.Column]
		text := syntax.QuoteName(c.Name)
		switch {
		case c.HiddenSystem && c.Generated != nil:
			text = "(" + f(withoutParentheses(generatedText(c.Generated))) + ")"
		case ic.Prefix > 0:
			text += fmt.Sprintf("(%d)", ic.Prefix)
		}
		if ic.Desc {
			text += " DESC"
		}
		columns = append(columns, text)
	}
	list := " (" + strings.Join(columns, ",") + ")"
	kind := ""
	switch {
	case ix.def == ix.shape.def.Primary:
		kind = "PRIMARY "
	case ix.def.Kind == engine.IndexFulltext:
		kind = "FULLTEXT "
	case ix.def.Kind == engine.IndexSpatial:
		kind = "SPATIAL "
	case ix.def.Kind == engine.IndexVector:
		kind = "VECTOR "
	case ix.def.Unique:
		kind = "UNIQUE "
	}
	text := kind + "KEY"
	if ix.def != ix.shape.def.Primary {
		text += " " + syntax.QuoteName(ix.def.Name)
	}
	text += list
	if method := ix.def.Options[optUsing]; method != "" {
		text += " USING " + method
	}
	if size := ix.def.Options[optBlockSize]; size != "" && size != ix.shape.def.Options[optOption+optBlockSize] {
		text += " KEY_BLOCK_SIZE=" + size
	}
	if ix.def.Comment != "" {
		text += " COMMENT " + syntax.QuoteText(ix.def.Comment)
	}
	if ix.def.Invisible {
		text += " /*!80000 INVISIBLE */"
	}
	return text
}

// generatedText is the expression of a hidden column. What was read from the catalog has
// its parentheses already.
func generatedText(d *sql.ColumnDefaultValue) string {
	if _, ok := d.Expr.(*sql.UnresolvedColumnDefault); ok {
		return readableText(d.Expr.String())
	}
	return readableText(d.String())
}

// foreignKeyText is a foreign key's line.
func foreignKeyText(t *engine.TableDef, fk engine.ForeignKeyDef) string {
	names := func(list []string) string {
		quoted := make([]string, len(list))
		for i, name := range list {
			quoted[i] = syntax.QuoteName(name)
		}
		return " (" + strings.Join(quoted, ",") + ")"
	}
	parent := syntax.QuoteName(fk.ParentTable)
	if !syntax.SameName(fk.ParentDatabase, t.Database) {
		parent = syntax.QuoteName(fk.ParentDatabase) + "." + parent
	}
	text := "CONSTRAINT " + syntax.QuoteName(fk.Name) + " FOREIGN KEY" + names(fk.Columns) + " REFERENCES " + parent + names(fk.ParentColumns)
	for _, a := range []struct{ on, action string }{{"DELETE", fk.OnDelete}, {"UPDATE", fk.OnUpdate}} {
		if a.action != "" && a.action != string(sql.ForeignKeyReferentialAction_DefaultAction) && a.action != string(sql.ForeignKeyReferentialAction_NoAction) {
			text += " ON " + a.on + " " + a.action
		}
	}
	return text
}
