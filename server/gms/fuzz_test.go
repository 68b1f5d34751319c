package gms

import (
	"bytes"
	"io"
	"testing"

	"sextant/internal/spent"
	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// texts are statements that the passes over raw text look into.
var texts = []string{
	"SELECT /*!50003 1, */ 'a''b\\'', `x``y`, \"q\" -- rest\n FROM t FOR SHARE OF t NOWAIT", "SELECT 1 /* open", "EXPLAIN FORMAT=JSON SELECT 1",
	"LOAD DATA LOCAL INFILE 'f' INTO TABLE t FIELDS TERMINATED BY '\\t' ENCLOSED BY '\"' LINES STARTING BY 'x' (a, @b) SET c = @b",
	"SELECT 1 INTO OUTFILE 'f' FIELDS ESCAPED BY '' FROM t", "CREATE TABLE t (a INT, INDEX i (a DESC)) SELECT 1", "ALTER TABLE t ADD COLUMN a INT FIRST, ALGORITHM=INPLACE",
	"CREATE DEFINER=`a`@'%' TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; END", "CREATE USER 'a'@'%' IDENTIFIED BY 'p' REQUIRE SSL",
	"SELECT * FROM t WHERE (a,b) > (1,2) AND c MEMBER OF ('[1]') OR a = ANY (SELECT 1) GROUP BY a WITH ROLLUP", "SET @a := 1, NAMES utf8mb4 COLLATE x",
	"SELECT @a := 1, ~b'1', x'0', 1.e5, .5, 0x, N'x', {d '2020-01-01'}", "DELETE FROM t PARTITION (p0)", "INSERT INTO t VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a",
	"SELECT MATCH (a) AGAINST ('+a -b* \"c d\" @3' IN BOOLEAN MODE) OVER w FROM t WINDOW w AS (ORDER BY a)", "(SELECT 1) UNION (SELECT 2) INTERSECT SELECT 3 LIMIT 1", "'", "`", "/*!", "((((", "\xff\x00",
}

// FuzzTexts: no statement makes a pass over its text panic, or take memory that is no
// small multiple of its size.
func FuzzTexts(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	p := newParser()
	f.Fuzz(func(t *testing.T, q string) {
		if len(q) > 4<<10 {
			return // the grammar's own cost
		}
		for l, n := syntax.NewLexer(q), 0; l.Kind != 0; n++ {
			l.Next()
			if n > len(q) {
				t.Fatalf("more than %d tokens in %d bytes", n, len(q))
			}
		}
		spent.Within(t, 1<<20+4096*len(q), func() {
			_, _ = p.ParseSimple(q) // any error will do
			withoutSecrets(q)
			rewrite.CreateSelect(q)
			explainedText(q)
			_, _ = expr.ParseBoolean(q)
			_, _ = function.ParseJSONPath(q)
			_, _ = value.ExactText(q)
		})
	})
}

// FuzzLoadedLines: whatever a file of LOAD DATA holds and whatever its separators, reading
// it ends, and no field is longer than the file.
func FuzzLoadedLines(f *testing.F) {
	f.Add([]byte("1\ta\n2\t\\N\n"), "\t", "\n", "", "\\", "")
	f.Add([]byte("\"a,\"\"b\",c\r\n\"d"), ",", "\r\n", "\"", "", "")
	f.Add([]byte("xx1,2yxx3,4y"), ",", "y", "", "\\", "xx")
	f.Add([]byte("aaaa"), "a", "a", "a", "a", "a")
	f.Add([]byte("fixedrow"), "", "", "", "", "")
	f.Fuzz(func(t *testing.T, file []byte, fields, lines, enclosed, escaped, starting string) {
		x := &exchange{}
		x.terminated, x.lines, x.enclosed, x.escaped, x.starting = fields, lines, enclosed, escaped, starting
		const limit = 1 << 16
		l := newLineReader(bytes.NewReader(file), x, limit)
		for n := 0; l.begin() == nil; n++ {
			if n > len(file)+1 {
				t.Fatalf("more than %d lines in %d bytes", n, len(file))
			}
			for k := range 2 {
				if k > 0 && l.ended {
					break
				}
				text, _, err := l.field(3)
				if err == io.EOF && k > 0 && x.fixed() {
					break
				}
				if err != nil {
					return
				}
				if len(text) > len(file) {
					t.Fatalf("a field of %d bytes in %d", len(text), len(file))
				}
			}
			if _, err := l.end(); err != nil {
				return
			}
		}
	})
}
