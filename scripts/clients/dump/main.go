// Command dump dumps a database that has every kind of object with mariadb-dump,
// restores it, and dumps it again: the two must be the same.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"sextant/scripts/clients/check"
)

//go:embed schema.sql
var schema string

// dumped is a database as MySQL's own mysqldump 8.0 writes it.
//
//go:embed mysqldump.sql
var dumped string

const database = "c_dump"

// computed is the table with generated columns. mariadb-dump writes their values, which
// MySQL refuses (3105; its own mysqldump leaves them out), so that only its definition
// is restored.
const computed = "computed"

// tables are dumped one by one first, so that one failure does not hide the others.
var tables = []string{"types", computed, "parent", "child", "collated", "odd `name", "nokey", "fractions"}

func program(name, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args = append([]string{"--no-defaults", "--default-character-set=utf8mb4", "--host=" + check.Host, "--port=" + check.Port, "--user=root", "--protocol=tcp"}, args...)
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil || strings.Contains(errs.String(), "ERROR ") {
		return "", fmt.Errorf("%s: %v\n%s", name, err, errs.String())
	}
	return out.String(), nil
}

func dump(args ...string) (string, error) {
	return program("mariadb-dump", "", append([]string{"--skip-dump-date", "--hex-blob"}, args...)...)
}

func restore(db, text string) error {
	_, err := program("mariadb", "DROP DATABASE IF EXISTS "+db+"; CREATE DATABASE "+db+"; USE "+db+"; SET foreign_key_checks = 0;\n"+text)
	return err
}

// again restores a dump into another database and compares that one's dump.
func again(first string, args func(db string) []string) error {
	if err := restore("c_dump2", first); err != nil {
		return err
	}
	second, err := dump(args("c_dump2")...)
	if err != nil {
		return err
	}
	return same(first, strings.ReplaceAll(second, "c_dump2", database))
}

// same returns an error that shows the lines that only one of two texts has.
func same(first, second string) error {
	if first == second {
		return nil
	}
	var errs []error
	only := func(what, a, b string) {
		lines := map[string]bool{}
		for _, l := range strings.Split(b, "\n") {
			lines[l] = true
		}
		for _, l := range strings.Split(a, "\n") {
			if !lines[l] {
				errs = append(errs, fmt.Errorf("%s: %s", what, l))
			}
		}
	}
	only("only first", first, second)
	only("only again", second, first)
	if len(errs) == 0 {
		errs = append(errs, errors.New("the lines are the same in another order"))
	}
	return errors.Join(errs...)
}

func main() {
	check.Run("every kind of object is created", func() error {
		_, err := program("mariadb", schema, "--force")
		return err
	})
	for _, t := range tables {
		check.Run("table "+t, func() error {
			args := func(db string) []string { return []string{db, t} }
			if t == computed {
				args = func(db string) []string { return []string{"--no-data", db, t} }
			}
			first, err := dump(args(database)...)
			if err != nil {
				return err
			}
			return again(first, args)
		})
	}
	all := func(db string) []string {
		return []string{"--routines", "--events", "--triggers", "--ignore-table-data=" + db + "." + computed, db}
	}
	var whole string
	check.Run("the dump has every kind of object", func() (err error) {
		if whole, err = dump(all(database)...); err != nil {
			return err
		}
		return check.Contains(whole, "COMMENT='every type'", "`y` DESC", "(`body`(10))", "FULLTEXT KEY `words`", "CONSTRAINT `child_code` FOREIGN KEY",
			"CHECK ((`x` > 0))", "CONSTRAINT `limited` CHECK", "NOT ENFORCED", "VIRTUAL", "STORED", "VIEW `a_first`", "TRIGGER", "PROCEDURE", "COMMENT 'adds one'",
			"EVENT `later`", "AUTO_INCREMENT", "utf8mb4_bin", "0x000102FEFF275C0D0A1A", "COMMENT 'a column''s comment'")
	})
	check.Run("routines and triggers have their DEFINER", func() error {
		return check.Contains(whole, "CREATE DEFINER=`root`@`localhost` PROCEDURE `add_parent`", "CREATE DEFINER=`root`@`localhost` FUNCTION `label`", "DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `parent_ai`")
	})
	check.Run("the whole database", func() error { return again(whole, all) })
	check.Run("no table of a FULLTEXT index is shown", func() error {
		if strings.Contains(whole, "_FTS_") {
			return errors.New("the dump has tables with _FTS_ in their names")
		}
		return nil
	})
	check.Run("what was restored is alive", func() error {
		out, err := program("mariadb", `CALL add_parent('new', @n); SELECT @n; UPDATE parent SET x = NULL WHERE code = 'new'; SELECT x, later FROM parent WHERE code = 'new';
SELECT * FROM log; INSERT INTO computed (a, b) VALUES (10, 20); SELECT v, st FROM computed WHERE st = '10-20'; SELECT id FROM parent WHERE MATCH(body) AGAINST ('words');
DELETE FROM parent WHERE id = 1; SELECT COUNT(*) FROM child; SELECT HEX(vb), j->'$.k[3]' FROM types WHERE id = 7; SELECT label(code, id) FROM parent WHERE id = 2;`, "--skip-column-names", "c_dump2")
		if err != nil {
			return err
		}
		return check.Equal("rows", out, "3\n1\t2026-02-02 00:00:00\n3\tinserted; one\n30\t10-20\n1\n2\n000102FEFF275C0D0A1A\t\"ä\\\\\"q\"\ntwo: 2\n")
	})
	check.Run("--single-transaction --databases", func() error {
		text, err := dump("--single-transaction", "--ignore-table-data="+database+"."+computed, "--databases", database)
		if err != nil {
			return err
		}
		_, err = program("mariadb", text)
		return err
	})
	check.Run("variants: --no-data, --no-create-info, --complete-insert, --skip-extended-insert, --where, --xml", func() error {
		var errs []error
		for _, args := range [][]string{{"--no-data", database}, {"--no-create-info", "--complete-insert", "--skip-triggers", database}, {"--skip-extended-insert", database, "parent"},
			{"--where=id=1", database, "parent"}, {"--xml", database, "child"}, {"--compact", "--skip-lock-tables", database, "child"}} {
			_, err := dump(args...)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	check.Run("a dump of MySQL's mysqldump 8.0", func() error {
		if _, err := program("mariadb", dumped); err != nil {
			return err
		}
		out, err := program("mariadb", `SELECT order_id, line, sku, total, label FROM items; SELECT id, HEX(picture), HEX(code), bits + 0, uuid, changed, details->'$.a', ratio FROM orders;
SELECT customer, sum FROM a_busy; CALL place('x', @m); CALL place('', @n); SELECT @m, @n, with_tax(100); SELECT event_comment, starts FROM information_schema.events WHERE event_schema = 'c_mysqldump';`, "--skip-column-names", "c_mysqldump")
		if err != nil {
			return err
		}
		err = check.Equal("rows", out, "1\t1\tA-1\t19.98\tA-1 x 2\n1\t2\tB'2\t0.50\tB'2 x 1\n2\t1\tA-1\t29.97\tA-1 x 3\n"+
			"1\t61006227225C0A0D1A\t61620000\t0\t0123456789abcdef\t2024-03-01 00:00:00.125\t[1, \"x\\\\\"y\"]\t0.00000000015\n2\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\t-0.25\n"+
			"Ünal\t20.48\n😀\t29.97\n10\t0\t119.00\nonce a night\t2035-01-01 03:00:00\n")
		_, refused := program("mariadb", "UPDATE items SET quantity = 0", "c_mysqldump")
		if refused == nil {
			err = errors.Join(err, errors.New("a CHECK constraint does not hold"))
		}
		return err
	})
	check.Exit()
}
