// Command godriver uses go-sql-driver through database/sql.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/clients/check"
)

var ctx = context.Background()

func open(change func(*mysql.Config)) *sql.DB {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "tcp", check.Host+":"+check.Port
	c.ParseTime, c.Loc = true, time.UTC
	change(c)
	connector, err := mysql.NewConnector(c)
	if err != nil {
		panic(err)
	}
	return sql.OpenDB(connector)
}

// number returns an error unless err is MySQL's error of this number.
func number(err error, want uint16) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != want {
		return fmt.Errorf("got %v, want error %d", err, want)
	}
	return nil
}

func main() {
	check.Run("a database", func() error {
		db := open(func(c *mysql.Config) { c.MultiStatements = true })
		defer db.Close()
		_, err := db.Exec("DROP DATABASE IF EXISTS c_go; CREATE DATABASE c_go; CREATE TABLE c_go.t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, s VARCHAR(50));" +
			"CREATE TABLE c_go.v (i BIGINT, u BIGINT UNSIGNED, d DECIMAL(20,5), f DOUBLE, r FLOAT, s TEXT, b BLOB, dt DATETIME(6), da DATE, t TIME(6), j JSON)")
		return err
	})
	for name, interpolate := range map[string]bool{"prepared": false, "interpolated": true} {
		db := open(func(c *mysql.Config) { c.DBName, c.InterpolateParams = "c_go", interpolate })
		check.Run(name+": values of every type", func() error { return values(db) })
		check.Run(name+": transactions", func() error { return transactions(db) })
		check.Run(name+": errors", func() error { return failures(db) })
		db.Close()
	}
	db := open(func(c *mysql.Config) { c.DBName, c.MultiStatements = "c_go", true })
	check.Run("metadata of columns", func() error { return metadata(db) })
	check.Run("several results of a query and of a CALL", func() error { return results(db) })
	check.Run("a context ends a query", func() error { return cancelled(db) })
	check.Run("a large value, many connections", func() error { return large(db) })
	check.Run("ClientFoundRows counts what was found", func() error {
		db := open(func(c *mysql.Config) { c.DBName, c.ClientFoundRows = "c_go", true })
		defer db.Close()
		if _, err := db.Exec("REPLACE INTO t VALUES (900, 1, 'x')"); err != nil {
			return err
		}
		r, err := db.Exec("UPDATE t SET n = 1 WHERE id = 900")
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		return errors.Join(err, check.Equal("rows", n, 1))
	})
	check.Exit()
}

func values(db *sql.DB) error {
	if _, err := db.Exec("DELETE FROM v"); err != nil {
		return err
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	in := []any{int64(-1 << 63), uint64(1<<64 - 1), "123456789012345.67890", 0.1, float32(1.25), "ä'\"\\😀\x00", []byte{0, 1, 255}, at, day, "-12:34:56.000001", json.RawMessage(`{"a": [1, null]}`)}
	if _, err := db.Exec("INSERT INTO v VALUES (?,?,?,?,?,?,?,?,?,?,?)", in...); err != nil {
		return err
	}
	var (
		i       int64
		u       uint64
		d, s, t string
		f       float64
		r       float32
		b, j    []byte
		dt, da  time.Time
	)
	if err := db.QueryRow("SELECT * FROM v WHERE i = ? AND dt = ? AND d = ?", in[0], at, in[2]).Scan(&i, &u, &d, &f, &r, &s, &b, &dt, &da, &t, &j); err != nil {
		return err
	}
	return check.Equal("row", []any{i, u, d, f, r, s, b, dt, da, t, j}, in)
}

func transactions(db *sql.DB) error {
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
		if err != nil {
			return err
		}
		r, err := tx.Exec("INSERT INTO t (n, s) VALUES (?, ?)", int(level), level.String())
		if err != nil {
			return err
		}
		id, _ := r.LastInsertId()
		var n int
		if err := tx.QueryRow("SELECT n FROM t WHERE id = ? FOR UPDATE", id).Scan(&n); err != nil {
			return err
		}
		if err := tx.Rollback(); err != nil {
			return err
		}
		if err := db.QueryRow("SELECT n FROM t WHERE id = ?", id).Scan(&n); !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%s: a row that was rolled back: %v", level, err)
		}
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.Exec("INSERT INTO t (n) VALUES (1)")
	return number(err, 1792)
}

func failures(db *sql.DB) error {
	if _, err := db.Exec("REPLACE INTO t VALUES (500, 1, 'x')"); err != nil {
		return err
	}
	var errs []error
	for _, f := range []struct {
		query  string
		args   []any
		number uint16
	}{
		{"INSERT INTO t (id) VALUES (?)", []any{500}, 1062},
		{"SELECT * FROM nothing WHERE a = ?", []any{1}, 1146},
		{"INSERT INTO t (n) VALUES (?)", []any{int64(1) << 40}, 1264},
		{"INSERT INTO t (n) VALUES (?)", []any{""}, 1366},
		{"INSERT INTO t (n) VALUES (? DIV 0)", []any{5}, 1365},
		{"INSERT INTO t (s) VALUES (?)", []any{strings.Repeat("x", 51)}, 1406},
		{"INSERT INTO t (s, s) VALUES (1, ?)", []any{2}, 1110},
		{"UPDATE t SET n = n + ? WHERE id = 500", []any{uint64(1<<64 - 1)}, 1690},
		{"UPDATE t SET n = ? WHERE id = 500 AND n = 9223372036854775807 + 1", []any{1}, 1690},
		{"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine'", nil, 1644},
	} {
		rows, err := db.Query(f.query, f.args...)
		if err == nil {
			rows.Next()
			err = rows.Err()
			rows.Close()
		}
		if err := number(err, f.number); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.query, err))
		}
	}
	return errors.Join(errs...)
}

func metadata(db *sql.DB) error {
	rows, err := db.Query("SELECT *, i + 1, d * 2, NOW(6), CONCAT(s, 'x'), COUNT(*) OVER () FROM v")
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	var got []string
	for _, t := range types {
		p, s, ok := t.DecimalSize()
		got = append(got, t.DatabaseTypeName())
		if ok && t.Name() == "d" {
			got[len(got)-1] += fmt.Sprintf("(%d,%d)", p, s)
		}
	}
	return check.Equal("types", got, "[BIGINT UNSIGNED BIGINT DECIMAL(20,5) DOUBLE FLOAT TEXT BLOB DATETIME DATE TIME JSON BIGINT DECIMAL DATETIME TEXT BIGINT]")
}

func results(db *sql.DB) error {
	all := func(query string, args ...any) (out [][]string, err error) {
		rows, err := db.Query(query, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for {
			var set []string
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					return nil, err
				}
				set = append(set, s)
			}
			out = append(out, set)
			if !rows.NextResultSet() {
				return out, rows.Err()
			}
		}
	}
	got, err := all("SELECT 1; SELECT 2 UNION SELECT 3; SELECT 'x'")
	if err := errors.Join(err, check.Equal("statements", got, "[[1] [2 3] [x]]")); err != nil {
		return err
	}
	if _, err := db.Exec("DROP PROCEDURE IF EXISTS p"); err != nil {
		return err
	}
	if _, err := db.Exec("CREATE PROCEDURE p(a INT) BEGIN SELECT a; SELECT a + 1 UNION SELECT 9; END"); err != nil {
		return err
	}
	got, err = all("CALL p(4)")
	prepared, err2 := all("CALL p(?)", 4)
	return errors.Join(err, err2, check.Equal("CALL", got, "[[4] [5 9]]"), check.Equal("prepared CALL", prepared, "[[4] [5 9]]"))
}

func cancelled(db *sql.DB) error {
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := db.ExecContext(short, "SELECT SLEEP(30)"); err == nil {
		return errors.New("no error")
	}
	if d := time.Since(begin); d > 20*time.Second {
		return fmt.Errorf("it took %s", d)
	}
	return db.Ping()
}

func large(db *sql.DB) error {
	if _, err := db.Exec("CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)"); err != nil {
		return err
	}
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var back []byte
			_, err := db.Exec("INSERT INTO big VALUES (?, ?)", i, value)
			if err == nil {
				err = db.QueryRow("SELECT b FROM big WHERE id = ?", i).Scan(&back)
			}
			if err == nil && !bytes.Equal(back, value) {
				err = errors.New("another value came back")
			}
			errs[i] = err
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}
