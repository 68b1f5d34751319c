package gms

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// marks returns what a statement's table references are to lock, in the order of
// the text: name=mode[wait].
func marks(t *testing.T, db, query string) string {
	t.Helper()
	marked, _ := rewrite.WithMarks(query)
	stmt, err := ast.Parse(marked)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	annotator{db: db}.statement(stmt)
	var out []string
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		te, ok := n.(*ast.AliasedTableExpr)
		if !ok {
			return true, nil
		}
		name, ok := te.Expr.(ast.TableName)
		if !ok {
			return true, nil
		}
		ref := reference{}
		if te.AsOf != nil {
			ref, _ = parseReference(string(te.AsOf.Time.(*ast.SQLVal).Val))
		}
		mode := [...]string{"none", "read", "shared", "write", "delete", "update"}[ref.lock]
		out = append(out, name.Name.String()+"="+mode+[...]string{"", "/nowait", "/skip"}[ref.wait])
		return true, nil
	}, stmt)
	return strings.Join(out, " ")
}

// TestReferences is rule T-12: what each reference of a statement locks.
func TestReferences(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"SELECT * FROM t", "t=none"},
		{"SELECT * FROM t FOR UPDATE", "t=write"},
		{"SELECT * FROM t LOCK IN SHARE MODE", "t=shared"},
		{"SELECT * FROM t FOR SHARE", "t=shared"},
		{"SELECT * FROM t for  share nowait", "t=shared/nowait"},
		{"SELECT * FROM t JOIN u ON t.a=u.a FOR SHARE OF u SKIP LOCKED", "t=none u=shared/skip"},
		{"SELECT * FROM t JOIN u ON t.a=u.a FOR UPDATE OF t NOWAIT", "t=write/nowait u=none"},
		{"SELECT * FROM t AS x JOIN t AS y ON x.a=y.a FOR UPDATE OF y", "t=none t=write"},
		{"SELECT 'for share', `share` FROM t -- for share", "t=none"},
		{"SELECT * FROM t WHERE a=(SELECT MAX(a) FROM u) FOR UPDATE", "t=write u=none"},
		{"SELECT * FROM (SELECT * FROM t FOR UPDATE) AS d", "t=write"},
		{"SELECT a FROM t UNION SELECT a FROM u FOR UPDATE", "t=write u=write"},
		{"INSERT INTO t SELECT * FROM u", "u=read"},
		{"INSERT INTO t VALUES ((SELECT MAX(a) FROM u))", "u=read"},
		{"UPDATE t SET a=(SELECT MAX(a) FROM u)", "t=update u=read"},
		{"UPDATE t JOIN u ON t.a=u.a SET t.b=1", "t=write u=read"},
		{"UPDATE t JOIN u ON t.a=u.a SET b=1", "t=write u=write"},
		{"DELETE FROM t WHERE a IN (SELECT a FROM u)", "t=delete u=read"},
		{"DELETE t FROM t JOIN u ON t.a=u.a", "t=delete u=read"},
		{"CREATE TABLE t SELECT * FROM u", "u=read"},
		{"SELECT * FROM information_schema.tables FOR UPDATE", "tables=none"},
	} {
		if got := marks(t, "d", c.query); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
	if got := marks(t, "mysql", "SELECT * FROM user FOR UPDATE"); got != "user=none" {
		t.Errorf("a table of the planner's own: %s", got)
	}
}

// TestKeysCompareAsThePlannerDoes: an index's order is that of the type that the planner is given for its keys (T-15).
func TestKeysCompareAsThePlannerDoes(t *testing.T) {
	value.RegisterCollations()
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("aAbBäÄßsSzZ01 _\x00éêøœ漢字😀\u0301")
	word := func() string {
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	it := sql.NewCollationsIterator()
	n := 0
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if c.Sorter == nil || c.ID == sql.Collation_binary {
			continue
		}
		typ, err := types.CreateString(sqltypes.VarChar, 100, c.ID)
		if err != nil {
			continue // its character set is not implemented
		}
		n++
		rc := row.CollationByID(row.CollationID(c.ID))
		for range 200 {
			a, b := word(), word()
			want, err := expr.KeyType(typ.(types.StringType)).Compare(t.Context(), a, b)
			if err != nil {
				t.Fatal(err)
			}
			got := rc.Compare([]byte(a), []byte(b))
			if !rc.Binary {
				got = bytes.Compare(rc.AppendWeights(nil, []byte(a)), rc.AppendWeights(nil, []byte(b)))
			}
			if sign(got) != sign(want) {
				t.Fatalf("%s: %q with %q: key %d, planner %d", c.Name, a, b, got, want)
			}
		}
	}
	if n < 100 {
		t.Fatalf("only %d collations", n)
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// TestTypesSurviveTheCatalog: a column's type comes back from its stored text.
func TestTypesSurviveTheCatalog(t *testing.T) {
	ctx := sql.NewEmptyContext()
	for _, text := range []string{
		"tinyint(1)", "tinyint unsigned", "smallint", "mediumint unsigned", "int", "bigint unsigned", "float", "double",
		"decimal(30,10)", "bit(17)", "year", "date", "datetime(6)", "timestamp(3)", "time(6)",
		"char(5)", "varchar(300) CHARACTER SET latin1", "varchar(20) COLLATE utf8mb4_general_ci", "binary(3)", "varbinary(9)",
		"tinytext", "text", "longtext COLLATE utf8mb4_0900_ai_ci", "tinyblob", "blob", "longblob", "json",
		"enum('a','b,''c')", "set('x','y')", "geometry", "point", "polygon",
	} {
		typ, err := parseType(ctx, text, "")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if ct, ok := typ.(sql.TypeWithCollation); ok && ct.Collation() == sql.Collation_Unspecified {
			if typ, err = ct.WithNewCollation(sql.Collation_Default); err != nil { // as CREATE TABLE does
				t.Fatal(err)
			}
		}
		def, err := columnDef(ctx, &sql.Column{Name: "c", Type: typ})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		back, err := new(shape).typeOf(ctx, &def)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !typ.Equals(back) {
			t.Errorf("%s came back as %s", fmt.Sprint(typ), back)
		}
	}
}

// TestSchemasHaveNoRoom: what is appended to a table's schema, as the planner does for a join, is not in the schema that other
// statements have.
func TestSchemasHaveNoRoom(t *testing.T) {
	ctx := sql.NewEmptyContext()
	def := &engine.TableDef{Name: "t", Primary: &engine.IndexDef{Columns: []engine.IndexColumn{{Column: 5}}}}
	for _, name := range []string{"a", "b", "c", "d", "e", engine.RowIDColumn} { // a slice grows to 5 with room for more
		c, err := columnDef(ctx, &sql.Column{Name: name, Type: types.Int32})
		if err != nil {
			t.Fatal(err)
		}
		def.Columns = append(def.Columns, c)
	}
	sh, err := newShape(ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []sql.Table{&Table{shape: sh}, &Table{shape: sh.joined(1)}, &fixedTable{schema: sh.schema}} {
		x := append(table.Schema(ctx), &sql.Column{Name: "x"})
		y := append(table.Schema(ctx), &sql.Column{Name: "y"})
		if n := len(x) - 1; x[n].Name != "x" || y[n].Name != "y" {
			t.Errorf("%T: %s and %s are appended", table, x[n].Name, y[n].Name)
		}
	}
}
