package gms_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Whatever writes a table, MATCH finds the rows that have the word, and no others: with keys of
// every kind, values that are stored otherwise than given, statements that fail and rollbacks.
func TestFulltextFindsWhatIsThere(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	for name, keys := range map[string]string{
		"primary": "PRIMARY KEY (id), UNIQUE (u)",
		"unique":  "UNIQUE (id), UNIQUE (u)",
		"other":   "PRIMARY KEY (u, c), UNIQUE (id)",
		"keyless": "KEY (id)",
	} {
		t.Run(name, func(t *testing.T) {
			c := i.conn(i.open("d"))
			table := "t_" + name
			must(t, c, "CREATE TABLE "+table+" (id INT NOT NULL, u INT NOT NULL, c CHAR(5) NOT NULL, f FLOAT, at DATETIME, "+
				"g INT AS (id + 1), x TEXT, y VARCHAR(300), FULLTEXT (x), FULLTEXT both_texts (x, y), "+keys+")")
			for seed := range uint64(2) {
				checkFulltext(t, c, table, rand.New(rand.NewPCG(seed, 0)))
			}
		})
	}
}

// The last one is too long for an index.
var fulltextWords = []string{"apple", "Berry", "cherry", "Grape", "melon", strings.Repeat("x", 85)}

// checkFulltext runs random statements and compares MATCH of two words with LIKE after each.
func checkFulltext(t *testing.T, c *sql.Conn, table string, rng *rand.Rand) {
	text := func() string {
		words := make([]string, rng.IntN(4))
		for i := range words {
			words[i] = fulltextWords[rng.IntN(len(fulltextWords))]
		}
		if len(words) == 0 && rng.IntN(2) == 0 {
			return "NULL"
		}
		return "'" + strings.Join(words, " ") + "'"
	}
	row := func() string {
		return fmt.Sprintf("(%d, %d, '%c ', 0.1, '2026-01-02 03:04:05.%d', %s, %s)",
			rng.IntN(5), rng.IntN(5), 'a'+rng.IntN(2), rng.IntN(10), text(), text())
	}
	rows := func() string {
		list := make([]string, 1+rng.IntN(3))
		for i := range list {
			list[i] = row()
		}
		return table + " (id, u, c, f, at, x, y) VALUES " + strings.Join(list, ", ")
	}
	var log []string
	for range 40 {
		var s string
		switch rng.IntN(11) {
		case 0, 1:
			s = "REPLACE INTO " + rows()
		case 2:
			s = "INSERT INTO " + rows()
		case 3:
			s = "INSERT IGNORE INTO " + rows()
		case 4, 5:
			s = "INSERT INTO " + rows() + " ON DUPLICATE KEY UPDATE x = " + text() + ", u = u + 1"
		case 6:
			s = fmt.Sprintf("UPDATE %s SET x = %s WHERE id < %d", table, text(), rng.IntN(5))
		case 7:
			s = fmt.Sprintf("UPDATE %s SET id = id + 1, y = %s ORDER BY id DESC LIMIT 2", table, text())
		case 8:
			s = fmt.Sprintf("DELETE FROM %s WHERE id > %d LIMIT 2", table, rng.IntN(5))
		case 9:
			s = []string{"BEGIN", "SAVEPOINT s", "ALTER TABLE " + table + " DROP KEY both_texts, ADD FULLTEXT KEY both_texts (x, y)"}[rng.IntN(3)]
		case 10:
			s = []string{"COMMIT", "ROLLBACK", "ROLLBACK TO s"}[rng.IntN(3)]
		}
		_, err := c.ExecContext(t.Context(), s)
		log = append(log, fmt.Sprint(s, " -- ", err))
		var e *mysql.MySQLError
		if err != nil && (!errors.As(err, &e) || e.Number != 1062 && e.Number != 1305) {
			t.Fatalf("%s: %v", s, err)
		}
		rowsOf := func(where string) string {
			return one(t, c, "SELECT COALESCE(GROUP_CONCAT(id, ' ', u, c ORDER BY id, u, c), 'none') FROM "+table+" WHERE "+where)
		}
		for range 2 {
			w := fulltextWords[rng.IntN(len(fulltextWords)-1)]
			for match, like := range map[string]string{"x": "x", "x, y": "CONCAT_WS(' ', x, y)"} {
				found, there := rowsOf("MATCH ("+match+") AGAINST ('"+w+"')"), rowsOf(like+" LIKE '%"+w+"%'")
				if found != there {
					t.Fatalf("MATCH (%s) finds %s of %q, there are %s\n%s", match, found, w, there, strings.Join(log, "\n"))
				}
			}
		}
	}
	must(t, c, "COMMIT", "DELETE FROM "+table)
}
