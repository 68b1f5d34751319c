package gms

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// The grammar's PARTITION BY is a part of MySQL's, and the planner forgets it. The clause is taken out of the text of a CREATE
// TABLE, read here, and goes with the statement as the JSON of what it says. ALTER TABLE … PARTITION is a statement of
// its own, see parsePartitionAlter.

// clauseMark begins the type of a PartitionOption that was read here.
const clauseMark = "\x00"

// partitionWords are what ALTER TABLE does with partitions.
var partitionWords = syntax.Words("add drop truncate coalesce reorganize rebuild optimize analyze check repair exchange discard import")

// partitionClause takes the PARTITION BY of a client's CREATE TABLE, or of an ALTER TABLE that has other clauses before it, out of its text; one
// without a method is REMOVE PARTITIONING. Returns 1562 for a temporary table, 1064 for what else ALTER TABLE does with partitions beside other
// clauses.
func partitionClause(ctx context.Context, query string) (string, *syntax.Partitioning, error) {
	if !syntax.ContainsFold(query, "partition") || !value.Served(ctx) {
		return query, nil, nil
	}
	l := syntax.NewLexer(query)
	l.Ansi = syntax.AnsiQuotes(ctx)
	alter := l.Accept("alter", "table")
	temporary := l.Accept("create", "temporary", "table")
	if !alter && !temporary && !l.Accept("create", "table") {
		return query, nil, nil
	}
	depth, before, beforeAt := 0, "", 0
	for ; l.Kind != 0; l.Next() {
		switch {
		case l.Is("("):
			depth++
		case l.Is(")"):
			depth--
		case depth > 0 || l.Kind != 'w':
		case l.Is("select") || l.Is("with") && !alter || l.Is("as") && !alter:
			return query, nil, nil
		case alter && l.Is("partitioning") && before == "remove":
			if l.Next(); l.Kind != 0 {
				return query, nil, l.Syntax()
			}
			return query[:beforeAt] + strings.Repeat(" ", l.Start-beforeAt) + query[l.Start:], &syntax.Partitioning{}, nil
		case alter && l.Is("partition") && partitionWords[before]:
			return query, nil, l.Syntax()
		case l.Is("partition"):
			from, wrong := l.Start, l.Syntax()
			if !l.Accept("partition", "by") {
				continue
			}
			if alter && before == "," {
				return query, nil, wrong
			}
			if temporary {
				return query, nil, mysql.NewSQLError(1562, "HY000", "Cannot create temporary table with partitions")
			}
			p, err := l.PartitionBy()
			if err == nil {
				err = checkClause(p)
			}
			if err == nil {
				err = constantValues(ctx, p)
			}
			if err == nil && alter && l.Kind != 0 {
				err = l.Syntax()
			}
			return query[:from] + strings.Repeat(" ", l.Start-from) + query[l.Start:], p, err
		}
		before, beforeAt = strings.ToLower(l.Text), l.Start
	}
	return query, nil, nil
}

// partsMark begins the comment of a clause of ALTER TABLE that gives the table the partitions that the rest says as JSON, see ModifyComment.
var partsMark = alterMark + "partitions "

// constantValues replaces the expressions of VALUES by their values: integers, or texts in quotes.
func constantValues(ctx context.Context, p *syntax.Partitioning) error {
	sctx, ok := ctx.(*sql.Context)
	if !ok {
		return nil
	}
	s, err := sessionOf(sctx)
	if err != nil {
		return err
	}
	for _, part := range p.Parts {
		for _, list := range part.Values {
			for i, text := range list {
				if list[i], err = s.constantValue(sctx, text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// constantValue returns the value of one expression of VALUES as a text.
func (s *Session) constantValue(ctx *sql.Context, text string) (string, error) {
	if _, ok := partInteger(text); ok {
		return strings.TrimPrefix(text, "+"), nil
	}
	if strings.EqualFold(text, "NULL") || text == syntax.MaxValue {
		return strings.ToUpper(text), nil
	}
	if l := syntax.NewLexer(text); l.Kind == 's' && l.At == len(text) {
		return syntax.QuoteText(l.Text), nil
	}
	stmt, err := newParser().ParseSimple("SELECT " + text)
	if err != nil {
		return "", sql.ErrSyntaxError.New(err.Error())
	}
	if err := syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n.(type) {
		case *ast.Subquery, *ast.ColName:
			return false, errPartConstant
		}
		return true, nil
	}, stmt); err != nil {
		return "", err
	}
	rows, err := s.query(ctx, "SELECT "+text)
	if err != nil {
		return "", err
	}
	switch v := rows[0][0].(type) {
	case nil:
		return "NULL", nil
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64, int, uint:
		out, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return "", err
		}
		n, ok := counterValue(out)
		if ok {
			return strconv.FormatUint(n, 10), nil
		}
		return strconv.FormatInt(signedValue(out), 10), nil
	case string:
		return syntax.QuoteText(v), nil
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.Format("'2006-01-02'"), nil
		}
		return v.Format("'2006-01-02 15:04:05'"), nil
	}
	return text, nil // it has no type that partitions have
}

func signedValue(v any) int64 {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case int64:
		return v
	}
	return 0
}

// attachPartitions gives the statement the clause that was taken out of its text.
func attachPartitions(stmt ast.Statement, p *syntax.Partitioning) error {
	if p == nil {
		return nil
	}
	b, err := json.Marshal(p)
	if a, ok := stmt.(*ast.AlterTable); ok {
		clause := &ast.DDL{Action: ast.AlterStr, Table: a.Table, AlterCommentSpec: &ast.AlterCommentSpec{Comment: partsMark + string(b)}}
		if p.Method == "" { // the others may be what partitions forbid
			a.Statements = slices.Insert(a.Statements, 0, clause)
		} else {
			a.Statements = append(a.Statements, clause)
		}
		return err
	}
	d, ok := stmt.(*ast.DDL)
	if ok && d.TableSpec == nil && d.OptSelect != nil { // its columns are those of the query
		d.TableSpec = &ast.TableSpec{}
	}
	if !ok || d.TableSpec == nil {
		return value.ErrNotSupported("PARTITION BY without columns")
	}
	d.TableSpec.PartitionOpt = &ast.PartitionOption{PartitionType: clauseMark + string(b)}
	return err
}

// programPartitions returns 1235 for a program whose body defines partitions: the planner's grammar reads such a body, and
// forgets them.
func programPartitions(ctx context.Context, query string) error {
	if !syntax.ContainsFold(query, "partition") || !value.Served(ctx) {
		return nil
	}
	l := syntax.NewLexer(query)
	l.Ansi = syntax.AnsiQuotes(ctx)
	if !l.Is("create") && !l.Is("alter") {
		return nil
	}
	verb, program, defines, depth := "", false, false, 0
	before := ""
	for ; l.At <= len(l.Q) && (l.Kind != 0 || l.Start < len(l.Q)); l.Next() {
		if l.Kind == 0 { // between the statements of a body
			if l.At++; !program {
				return nil
			}
			defines, depth = false, 0
			continue
		}
		switch word := strings.ToLower(l.Text); {
		case l.Is("("):
			depth++
		case l.Is(")"):
			depth--
		case l.Kind != 'w':
		case word == "procedure" || word == "function" || word == "trigger" || word == "event":
			program = program || verb == "create" || verb == "alter"
		case word == "create" || word == "alter":
			verb = word
		case word == "table" && (before == "create" || before == "alter" || before == "temporary"):
			if defines, depth = program, 0; !program {
				return nil
			}
		case word == "select":
			defines = false
		case defines && depth == 0 && (word == "partition" || word == "partitioning"):
			return value.ErrNotSupported("partitions that a program defines")
		}
		before = strings.ToLower(l.Text)
	}
	return nil
}

// clauseOf returns the PARTITION BY of the CREATE TABLE that runs, nil if it has none or is of another table.
func (s *Session) clauseOf(table string) (*syntax.Partitioning, error) {
	d, ok := s.current().(*ast.DDL)
	if !ok || d.TableSpec == nil || d.TableSpec.PartitionOpt == nil || !syntax.SameName(d.Table.Name.String(), table) {
		return nil, nil
	}
	text, ok := strings.CutPrefix(d.TableSpec.PartitionOpt.PartitionType, clauseMark)
	if !ok {
		return nil, nil
	}
	p := &syntax.Partitioning{}
	return p, json.Unmarshal([]byte(text), p)
}

// divide divides a table by a clause: def gets the clause as MySQL shows it, and new partitions. Those of kept, by their
// names in lower case, stay.
func divide(ctx *sql.Context, def *engine.TableDef, clause *syntax.Partitioning, kept map[string]*engine.PartDef) error {
	if clause.Expr != "" {
		e, ok := parsedExpression(clause.Expr)
		if !ok {
			return syntax.Error(clause.Expr, 0)
		}
		p := exprPrinter{column: ownColumn}
		if text := p.expr(e); !p.failed {
			clause.Expr = text
		}
	}
	for i, name := range clause.Names {
		if at := def.Column(name); at >= 0 {
			clause.Names[i] = def.Columns[at].Name
		}
	}
	codecs, err := codecsOf(ctx, def)
	if err != nil {
		return err
	}
	p, err := newPartitioning(def, codecs, clause)
	if err != nil {
		return err
	}
	if clause.Columns { // as values of the columns
		for _, part := range clause.Parts {
			for _, list := range part.Values {
				for i, text := range list {
					if at := p.columns[i]; text != "NULL" && text != syntax.MaxValue && def.Columns[at].Type == row.TypeDate && text[0] != '\'' {
						list[i] = syntax.QuoteText(text)
					}
				}
			}
		}
	}
	if clause.Method == "KEY" && len(clause.Names) == 0 {
		clause.Key = nil
		for _, at := range p.columns {
			clause.Key = append(clause.Key, def.Columns[at].Name)
		}
	}
	if clause.Method == "LIST" && !clause.Columns {
		for i, part := range clause.Parts { // NULL is shown first
			clause.Parts[i].Values = slices.Clone(part.Values)
			slices.SortStableFunc(clause.Parts[i].Values, func(a, b []string) int {
				return cmp.Compare(len(strings.Trim(b[0], "-0123456789")), len(strings.Trim(a[0], "-0123456789")))
			})
		}
	}
	if err := checkPartitioned(def, p); err != nil {
		return err
	}
	_, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	if referenced(tx.NewestCatalog(), def) {
		return errPartForeignKey
	}
	return setPartitions(def, clause, kept)
}

// codecsOf returns the codecs of a definition's columns.
func codecsOf(ctx context.Context, def *engine.TableDef) ([]*value.Codec, error) {
	sh := &shape{def: def}
	var out []*value.Codec
	for i := range def.Columns {
		if def.Columns[i].Name == engine.RowIDColumn {
			continue
		}
		t, err := sh.typeOf(ctx, &def.Columns[i])
		if err != nil {
			return nil, err
		}
		c, err := value.NewCodec(t)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// referenced reports whether a foreign key refers to a table.
func referenced(cat *engine.Catalog, def *engine.TableDef) bool {
	for _, db := range cat.Databases() {
		for _, t := range cat.Tables(db.Name) {
			if slices.ContainsFunc(t.ForeignKeys, func(fk engine.ForeignKeyDef) bool {
				return syntax.SameName(fk.ParentDatabase, def.Database) && syntax.SameName(fk.ParentTable, def.Name)
			}) {
				return true
			}
		}
	}
	return false
}

// staysPartitioned returns the error of a change of a partitioned table that its partitions do not allow: 3855 if a column that
// they depend on gets another name or goes.
func staysPartitioned(ctx context.Context, old, def *engine.TableDef) error {
	clause, err := storedPartitioning(def)
	if err != nil || clause == nil {
		return err
	}
	codecs, err := codecsOf(ctx, old)
	if err != nil {
		return err
	}
	was, err := newPartitioning(old, codecs, clause)
	if err != nil {
		return err
	}
	for _, at := range was.columns {
		c := &old.Columns[at]
		if now := def.Column(c.Name); now < 0 || def.Columns[now].ID != c.ID {
			return mysql.NewSQLError(3855, "HY000", "Column '%s' has a partitioning function dependency and cannot be dropped or renamed.", c.Name)
		}
	}
	if codecs, err = codecsOf(ctx, def); err != nil {
		return err
	}
	p, err := newPartitioning(def, codecs, clause)
	if err != nil {
		return err
	}
	return checkPartitioned(def, p)
}
