// Command mariadb drives the command line client of MariaDB, in its batch mode and,
// on a pseudo terminal of script(1), as a person would.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sextant/scripts/clients/check"
)

var base = []string{"--no-defaults", "--host=" + check.Host, "--port=" + check.Port, "--user=root", "--protocol=tcp"}

// cli runs the client with arguments and what it reads, and returns all it printed.
func cli(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mariadb", append(slices.Clone(base), args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("mariadb %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func says(stdin, want string, args ...string) func() error {
	return func() error {
		out, err := cli(stdin, args...)
		if err != nil {
			return err
		}
		return check.Equal("output", out, want)
	}
}

func main() {
	check.Run("a database and its tables", says(`
DROP DATABASE IF EXISTS c_mariadb; CREATE DATABASE c_mariadb; USE c_mariadb;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), n DECIMAL(8,2));
INSERT INTO t (name, n) VALUES ('a', 1.5), ('ä€', -2), (NULL, NULL), ('tab\there', 0);`, ""))
	check.Run("-e in batch mode", says("", "id\tname\tn\n1\ta\t1.50\n2\tä€\t-2.00\n3\tNULL\tNULL\n4\ttab\\there\t0.00\n",
		"--default-character-set=utf8mb4", "c_mariadb", "-e", "SELECT * FROM t"))
	check.Run("--skip-column-names --raw", says("", "tab\there\n", "c_mariadb", "-N", "--raw", "-e", "SELECT name FROM t WHERE id = 4"))
	check.Run("--table", says("", "+----+------+\n| id | n    |\n+----+------+\n|  1 | 1.50 |\n+----+------+\n",
		"--table", "c_mariadb", "-e", "SELECT id, n FROM t WHERE id = 1"))
	check.Run("--vertical", says("", "*************************** 1. row ***************************\n  id: 3\nname: NULL\n",
		"--vertical", "c_mariadb", "-e", "SELECT id, name FROM t WHERE id = 3"))
	check.Run("--xml", func() error {
		out, err := cli("", "--xml", "c_mariadb", "-e", "SELECT id FROM t WHERE id = 1")
		return errors.Join(err, check.Contains(out, `<field name="id">1</field>`))
	})
	check.Run("an error ends a batch with its number", func() error {
		out, err := cli("SELECT 1;\nSELECT * FROM nothing;\nSELECT 2;\n", "c_mariadb")
		if err == nil {
			return errors.New("no error")
		}
		return errors.Join(check.Contains(out, "ERROR 1146 (42S02) at line 2: Table 'c_mariadb.nothing' doesn't exist"),
			check.Equal("goes on", strings.Contains(out, "\n2\n"), false))
	})
	check.Run("--force goes on after an error", func() error {
		out, _ := cli("SELECT * FROM nothing;\nSELECT 2;\n", "--force", "c_mariadb")
		return check.Contains(out, "ERROR 1146", "\n2\n")
	})
	check.Run("\\s", func() error {
		out, err := cli("\\s\n", "c_mariadb")
		return errors.Join(err, check.Contains(out, "Current database:\tc_mariadb", "Current user:\t\troot@", "Server version:\t\t8.0.",
			"Protocol version:\t10", "Server characterset:\tutf8mb4", "Uptime:", "Threads: ", "Queries per second avg"))
	})
	check.Run("delimiter and a procedure", says("DELIMITER //\nCREATE PROCEDURE p(IN a INT, OUT b INT)\nBEGIN\n  SELECT a + 1 INTO b; -- a comment; with a semicolon\nEND//\nDELIMITER ;\nCALL p(41, @x);\nSELECT @x;\n",
		"@x\n42\n", "c_mariadb"))
	check.Run("every result set of one CALL", says("DELIMITER //\nCREATE PROCEDURE two()\nBEGIN\n  SELECT 1 AS a;\n  SELECT 2 AS b, 3 AS c;\nEND//\nDELIMITER ;\nCALL two();\nSELECT 4;\n",
		"a\n1\nb\tc\n2\t3\n4\n4\n", "c_mariadb"))
	check.Run("source", func() error {
		dir, err := os.MkdirTemp("", "clients")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "x.sql")
		if err := os.WriteFile(file, []byte("SELECT 5;\nSELECT 'a;b' AS x;\n"), 0o600); err != nil {
			return err
		}
		return says("source "+file+"\n", "5\n5\nx\na;b\n", "c_mariadb")()
	})
	check.Run("--show-warnings", func() error {
		out, err := cli("SET sql_mode=''; INSERT INTO t (n) VALUES ('x');\n", "--show-warnings", "c_mariadb")
		return errors.Join(err, check.Contains(out, "Warning (Code 1366)"))
	})
	check.Run("init-command and safe updates", func() error {
		out, err := cli("UPDATE t SET n = 1;\n", "--safe-updates", "--init-command=SET @a = 1", "c_mariadb")
		if err == nil {
			return errors.New("an UPDATE without WHERE was done under --safe-updates")
		}
		return check.Contains(out, "ERROR 1175")
	})
	check.Run("interactive: rehash, names completed, tables listed", func() error {
		t, err := open("--auto-rehash", "c_mariadb")
		if err != nil {
			return err
		}
		defer t.close()
		return errors.Join(t.say("rehash\n", "]> "), t.say("show tables;\n", "1 row in set"), t.say("select 40+2 as x;\n", "| 42 |"),
			t.say("insert into t (name) values ('i');\n", "Query OK, 1 row affected"), t.say("use mysql\n", "Database changed"))
	})
	check.Run("interactive: Ctrl-C ends the query, not the connection", func() error {
		t, err := open("c_mariadb")
		if err != nil {
			return err
		}
		defer t.close()
		if err := t.say("select concat('id', '=', connection_id()) as x;\n", "| id="); err != nil {
			return err
		}
		begin := time.Now()
		io.WriteString(t.in, "select sleep(25) as slept;\n")
		if err := t.running("select sleep(25)"); err != nil {
			return err
		}
		if err := t.say("\x03", "]> "); err != nil {
			return err
		}
		if d := time.Since(begin); d > 20*time.Second {
			return fmt.Errorf("the query went on for %s", d)
		}
		before := t.id()
		if err := t.say("select concat('id', '=', connection_id()) as y;\n", "| id="); err != nil {
			return err
		}
		return check.Equal("connection", t.id(), before)
	})
	check.Exit()
}

// terminal is a client on a pseudo terminal.
type terminal struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	more chan string
	all  string // what it printed so far
	seen int    // of it, looked at
}

func open(args ...string) (*terminal, error) {
	words := append(append([]string{"exec", "mariadb"}, base...), args...)
	t := &terminal{cmd: exec.Command("script", "-qefc", strings.Join(words, " "), "/dev/null"), more: make(chan string, 64)}
	t.cmd.Env = append(os.Environ(), "TERM=dumb", "MYSQL_HISTFILE=/dev/null")
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(t.more)
		b := make([]byte, 4096)
		for {
			n, err := out.Read(b)
			if err != nil {
				return
			}
			t.more <- string(b[:n])
		}
	}()
	if err := t.say("", "]> "); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// say types a text and waits until the answer has a part.
func (t *terminal) say(text, want string) error {
	io.WriteString(t.in, text)
	timeout := time.After(30 * time.Second)
	for {
		if i := strings.Index(t.all[t.seen:], want); i >= 0 {
			t.seen += i + len(want)
			return nil
		}
		select {
		case s, ok := <-t.more:
			if !ok {
				return fmt.Errorf("ended without %q after %q:\n%s", want, text, t.all[t.seen:])
			}
			t.all += s
		case <-timeout:
			return fmt.Errorf("no %q after %q:\n%s", want, text, t.all[t.seen:])
		}
	}
}

// id returns the last connection id that was shown.
func (t *terminal) id() string {
	_, s, _ := strings.Cut(t.all[strings.LastIndex(t.all, "| id="):], "=")
	id, _, _ := strings.Cut(s, " ")
	return id
}

// running returns when the server runs a query.
func (t *terminal) running(query string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if out, err := cli("SHOW FULL PROCESSLIST"); err != nil {
			return err
		} else if strings.Contains(out, query) {
			return nil
		}
	}
	return fmt.Errorf("%q is not in SHOW PROCESSLIST", query)
}

func (t *terminal) close() {
	t.in.Close()
	syscall.Kill(-t.cmd.Process.Pid, syscall.SIGKILL)
	t.cmd.Wait()
}
