package syntax

import (
	"strings"
	"testing"
)

// TestDigestText compares digest texts with those of MySQL 8.0.
func TestDigestText(t *testing.T) {
	var n Normalizer
	for _, c := range []struct{ query, want string }{
		{"SELECT * FROM mytable WHERE cola = 10 AND colb = 20;", "SELECT * FROM `mytable` WHERE `cola` = ? AND `colb` = ?"},
		{"select  c from\n\tsbtest1 where id=5", "SELECT `c` FROM `sbtest1` WHERE `id` = ?"},
		{"SELECT c FROM t WHERE id BETWEEN 1 AND -2.5e-3", "SELECT `c` FROM `t` WHERE `id` BETWEEN ? AND ?"},
		{"SELECT SUM(k) FROM t", "SELECT SUM ( `k` ) FROM `t`"},
		{"select count(*), count from t", "SELECT COUNT ( * ) , `count` FROM `t`"},
		{"SELECT * FROM t WHERE id IN (1)", "SELECT * FROM `t` WHERE `id` IN (...)"},
		{"SELECT * FROM t WHERE id IN (1, 'b' ,0x1F)", "SELECT * FROM `t` WHERE `id` IN (...)"},
		{"SELECT * FROM t WHERE (a,b) IN ((1,2),(3,4))", "SELECT * FROM `t` WHERE ( `a` , `b` ) IN ( (...) /* , ... */ )"},
		{"INSERT INTO t VALUES (1,'x')", "INSERT INTO `t` VALUES (...)"},
		{"INSERT INTO t VALUES (1,'x'),(2,'it''s'),(3,\"\\\"\")", "INSERT INTO `t` VALUES (...) /* , ... */"},
		{"INSERT INTO d.t (a) VALUES (1),(2)", "INSERT INTO `d` . `t` ( `a` ) VALUES (?) /* , ... */"},
		{"INSERT INTO t VALUES (NULL, NULL)", "INSERT INTO `t` VALUES (...)"},
		{"SELECT 1 FROM t WHERE a IS NOT NULL AND b IS NULL", "SELECT ? FROM `t` WHERE `a` IS NOT NULL AND `b` IS NULL"},
		{"SELECT a - 1, -1, 2 - -3", "SELECT `a` - ?, ... - ?"},
		{"SELECT @@version_comment LIMIT 1", "SELECT @@`version_comment` LIMIT ?"},
		{"SET @x := 5, @@session.autocommit=0", "SET @`x` := ? , @@SESSION . `autocommit` = ?"},
		{"UPDATE `t` SET k=k+1 WHERE id=?", "UPDATE `t` SET `k` = `k` + ? WHERE `id` = ?"},
		{"SELECT /* hint */ 1 -- end\n", "SELECT ?"},
		{"SELECT 1 # end", "SELECT ?"},
		{"/*!40101 SET NAMES utf8 */", "SET NAMES `utf8`"},
		{"SELECT concat(a, 'b') FROM t", "SELECT `concat` ( `a` , ? ) FROM `t`"},
		{"SELECT sleep(1)", "SELECT `sleep` (?)"},
		{"SELECT a.select FROM a", "SELECT `a` . `select` FROM `a`"},
		{"select 1e3, .5, 0b11, x'00', N'n', 1a from 2b", "SELECT ?, ... , `1a` FROM `2b`"},
		{"SELECT 1,2,3 LIMIT 1,2", "SELECT ?, ... LIMIT ?, ..."},
		{"commit", "COMMIT"},
		{"", ""},
	} {
		if got := string(n.Normalize(c.query)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
	long := "SELECT " + strings.Repeat("a, ", 1000) + "b FROM t"
	if got := string(n.Normalize(long)); len(got) != DigestTextMax || !strings.HasSuffix(got, "...") {
		t.Errorf("a long statement's text has %d bytes: ends in %q", len(got), got[len(got)-5:])
	}
}

func FuzzDigestText(f *testing.F) {
	for _, s := range []string{"SELECT 'a", "/*", "`", "x'", "1.", ".", "@", "((((1", "1e+", "\\", "--", "0x", "- - 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		var n Normalizer
		if got := n.Normalize(q); len(got) > DigestTextMax {
			t.Errorf("%d bytes", len(got))
		}
	})
}
