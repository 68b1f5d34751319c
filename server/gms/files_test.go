package gms_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// filesLab runs scripts in which $DIR is a directory. "file NAME" writes a file in it, and
// "show NAME" reads one; its text is Go's quoted text, without the quotes,
// cut into lines.
type filesLab struct {
	*sqlLab
	dir string
}

func (l *filesLab) run(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		c := *d
		c.Input = strings.ReplaceAll(d.Input, "$DIR", l.dir)
		return strings.ReplaceAll(l.sqlLab.run(&c), l.dir, "$DIR")
	}
	path := filepath.Join(l.dir, d.CmdArgs[0].Key)
	switch d.Cmd {
	case "file":
		text, err := strconv.Unquote(`"` + strings.NewReplacer("\n", "", `"`, `\"`).Replace(d.Input) + `"`)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			l.t.Fatalf("%s: %v", d.Pos, err)
		}
		return ""
	case "show":
		b, err := os.ReadFile(path)
		if err != nil {
			return strings.ReplaceAll(err.Error(), l.dir, "$DIR") + "\n"
		}
		text := strconv.Quote(string(b))
		return strings.NewReplacer(`\n`, "\\n\n", `\"`, `"`).Replace(text[1:len(text)-1]) + "\n"
	}
	l.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

// secured returns an instance whose statements may use the files of a directory.
func secured(t *testing.T, dir string) *instance {
	return startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) { o.SecureFilePriv = dir })
}

// TestFileScripts runs the scripts of testdata/files: statements that read and write files.
func TestFileScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/files", func(t *testing.T, path string) {
		dir := t.TempDir()
		i := secured(t, dir)
		l := &filesLab{newLab(i), dir}
		l.pool = i.open("d?allowAllFiles=true")
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			l.t = t
			return l.run(d)
		})
		l.t = t
		l.idle()
	})
}

// No name leads out of secure_file_priv, by no link, and none in it is written twice.
func TestFilesStayInSecureFilePriv(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "secret"), "7\n")
	write(filepath.Join(dir, "rows"), "7\n")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"file": filepath.Join(outside, "secret"), "dir": outside, "dangling": filepath.Join(outside, "new"), "back": "../" + filepath.Base(outside) + "/secret", "alias": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	alias := filepath.Join(t.TempDir(), "alias") // the option may name a link
	if err := os.Symlink(dir, alias); err != nil {
		t.Fatal(err)
	}
	i := secured(t, alias)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (a INT)")
	if got := one(t, c, "SELECT @@secure_file_priv"); got != dir+"/" {
		t.Errorf("secure_file_priv is %s", got)
	}
	for _, name := range []string{
		filepath.Join(outside, "secret"), "rows", "./rows", "../secret", dir + "/../" + filepath.Base(outside) + "/secret",
		dir + "/sub/../../" + filepath.Base(outside) + "/secret", dir + "/file", dir + "/dir/secret", dir + "/dir/new", dir + "/back",
		"/etc/passwd", dir + "x", dir + "/..", "",
	} {
		wantError(t, c, fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE t", name), 1290, "HY000")
		if got := one(t, c, fmt.Sprintf("SELECT LOAD_FILE('%s') IS NULL", name)); got != "1" {
			t.Errorf("LOAD_FILE('%s') is not NULL", name)
		}
		if !strings.HasSuffix(name, "/file") && !strings.HasSuffix(name, "/back") && name != "" {
			wantError(t, c, fmt.Sprintf("SELECT 1 INTO OUTFILE '%s'", name), 1290, "HY000")
			wantError(t, c, fmt.Sprintf("SELECT 1 INTO DUMPFILE '%s'", name), 1290, "HY000")
		}
	}
	for _, link := range []string{"file", "back", "dangling"} {
		wantError(t, c, fmt.Sprintf("SELECT 1 INTO OUTFILE '%s/%s'", dir, link), 1086, "HY000")
	}
	if _, err := os.Stat(filepath.Join(outside, "new")); err == nil {
		t.Error("a file was written outside")
	}
	must(t, c, fmt.Sprintf("LOAD DATA INFILE '%s/rows' INTO TABLE t", alias), fmt.Sprintf("LOAD DATA INFILE '%s/sub/../rows' INTO TABLE t", dir),
		fmt.Sprintf("SELECT 1 INTO OUTFILE '%s/alias/new'", dir))
	if got := one(t, c, "SELECT COUNT(*) FROM t"); got != "2" {
		t.Errorf("%s rows", got)
	}
}

// FILE is what the server's files need, and not the client's.
func TestFilesNeedPrivilege(t *testing.T) {
	dir := t.TempDir()
	rows := filepath.Join(dir, "rows")
	if err := os.WriteFile(rows, []byte("7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := secured(t, dir)
	admin := i.conn(i.open(""))
	must(t, admin, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "CREATE USER f IDENTIFIED BY 'x'", "GRANT SELECT ON d.* TO f",
		"SET GLOBAL local_infile = 0")
	pool := i.openAs("f:x", "d?allowAllFiles=true")
	c := i.conn(pool)
	load, local := "LOAD DATA INFILE '"+rows+"' INTO TABLE t", "LOAD DATA LOCAL INFILE '"+rows+"' INTO TABLE t"
	for _, q := range []string{local, "LOAD DATA LOCAL INFILE '" + rows + "' INTO TABLE nosuch"} {
		wantMessage(t, c, q, 3948, "Loading local data is disabled; this must be enabled on both the client and server sides")
	}
	must(t, admin, "GRANT INSERT ON d.* TO f")
	const denied = "Access denied for user 'f'@'%' (using password: YES)"
	wantMessage(t, c, load, 1045, denied)
	wantMessage(t, c, "SELECT 1 INTO OUTFILE '"+rows+"2'", 1045, denied)
	wantMessage(t, c, "SELECT 1 INTO DUMPFILE '"+rows+"2'", 1045, denied)
	if got := one(t, c, "SELECT LOAD_FILE('"+rows+"') IS NULL"); got != "1" {
		t.Error("LOAD_FILE without FILE is not NULL")
	}
	must(t, admin, "SET GLOBAL local_infile = 1")
	defer must(t, admin, "SET GLOBAL local_infile = 0")
	must(t, c, local)
	wantError(t, c, "LOAD DATA LOCAL INFILE '"+rows+"' REPLACE INTO TABLE t", 1142, "42000")
	must(t, admin, "GRANT FILE ON *.* TO f", "GRANT DELETE ON d.* TO f")
	must(t, c, "LOAD DATA INFILE '"+rows+"' REPLACE INTO TABLE t", "SELECT 1 INTO OUTFILE '"+rows+"2'")
	if _, err := c.ExecContext(context.Background(), load); err == nil {
		t.Error("a duplicate was taken")
	}
}
