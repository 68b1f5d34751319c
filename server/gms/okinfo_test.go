package gms_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// OK says what MySQL's does of statements that read or write several rows.
func TestInfoOfOK(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rows"), []byte("7,7\n8,8\n9,9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	load := "LOAD DATA INFILE '" + filepath.Join(dir, "rows") + "' "
	i := secured(t, dir)
	must(t, i.open(""), "CREATE DATABASE d")
	c, err := client.Connect(i.addr, "root", "", "d", func(c *client.Conn) error {
		return c.SetCapability(mysql.CLIENT_SESSION_TRACK)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range []struct{ query, info string }{
		{"CREATE TABLE t (id INT PRIMARY KEY, n INT)", ""},
		{"INSERT INTO t VALUES (1, 1)", ""},
		{"INSERT INTO t VALUES (2, 2), (3, 3), (4, 4)", "Records: 3  Duplicates: 0  Warnings: 0"},
		{"INSERT IGNORE INTO t VALUES (4, 4), (5, 5)", "Records: 2  Duplicates: 1  Warnings: 1"},
		{"REPLACE INTO t VALUES (4, 5), (6, 6)", "Records: 2  Duplicates: 1  Warnings: 0"},
		{"INSERT INTO t VALUES (4, 4), (7, 7) ON DUPLICATE KEY UPDATE n = 9", "Records: 2  Duplicates: 1  Warnings: 0"},
		{"INSERT INTO t SELECT id + 10, n FROM t WHERE id = 1", "Records: 1  Duplicates: 0  Warnings: 0"},
		{"UPDATE t SET n = 1 WHERE id < 3", "Rows matched: 2  Changed: 1  Warnings: 0"},
		{"UPDATE IGNORE t SET n = 'x' WHERE id = 1", "Rows matched: 1  Changed: 1  Warnings: 1"},
		{"DELETE FROM t WHERE id = 1", ""},
		{"CREATE TABLE l (id INT PRIMARY KEY, n INT)", ""},
		{load + "INTO TABLE l FIELDS TERMINATED BY ','", "Records: 3  Deleted: 0  Skipped: 0  Warnings: 0"},
		{load + "IGNORE INTO TABLE l FIELDS TERMINATED BY ','", "Records: 3  Deleted: 0  Skipped: 3  Warnings: 3"},
		{"UPDATE l SET n = 0", "Rows matched: 3  Changed: 3  Warnings: 0"},
		{load + "REPLACE INTO TABLE l FIELDS TERMINATED BY ','", "Records: 3  Deleted: 3  Skipped: 0  Warnings: 0"},
		{"ALTER TABLE t ADD COLUMN m INT", "Records: 0  Duplicates: 0  Warnings: 0"},
		{"CREATE UNIQUE INDEX ix ON t (id, n)", "Records: 0  Duplicates: 0  Warnings: 0"},
		{"SET @a = 1", ""},
	} {
		r, err := c.Execute(s.query)
		if err != nil {
			t.Fatalf("%s: %v", s.query, err)
		}
		if r.StatusMessage != s.info {
			t.Errorf("%s: %q, want %q", s.query, r.StatusMessage, s.info)
		}
	}
}
