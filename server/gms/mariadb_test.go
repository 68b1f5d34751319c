package gms_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// mariadbPatience bounds the start of MariaDB.
const mariadbPatience = time.Minute

// startMariaDB starts MariaDB on a socket in a directory of the test's own and returns
// the socket's data source name. It skips the test where none is installed.
func startMariaDB(t *testing.T) string {
	t.Helper()
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		server = "/usr/sbin/mariadbd"
		if _, err := os.Stat(server); err != nil {
			t.Skip("tool missing: mariadbd (Debian: apt-get install mariadb-server)")
		}
	}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		t.Skip("tool missing: mariadb-install-db (Debian: apt-get install mariadb-server)")
	}
	// Not t.TempDir: the path of a socket is short.
	dir, err := os.MkdirTemp("", "gms-mariadb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	user := "root"
	if os.Getuid() != 0 {
		user = os.Getenv("USER")
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "s")
	if out, err := exec.Command(install, "--no-defaults", "--datadir="+data, "--user="+user,
		"--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The shell kills the server when its input ends, which also happens when the
	// test process dies.
	cmd := exec.Command("sh", "-c", `"$0" "$@" & read end; kill -9 $!; wait`, server, "--no-defaults", "--datadir="+data,
		"--user="+user, "--socket="+socket, "--skip-networking", "--innodb-buffer-pool-size=32M",
		"--innodb-flush-log-at-trx-commit=0", "--skip-log-bin")
	cmd.Stdout, cmd.Stderr = log, log
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = alive.Close()
		_ = cmd.Wait() // killed
	})
	dsn := "root@unix(" + socket + ")/"
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(mariadbPatience); db.PingContext(t.Context()) != nil; <-tick.C {
		if time.Now().After(deadline) {
			out, err := os.ReadFile(log.Name())
			t.Fatalf("mariadbd does not answer: %s", errors.Join(err, errors.New(string(out))))
		}
	}
	return dsn
}

// newMariaDBLab returns a lab on a new database of MariaDB.
func newMariaDBLab(t *testing.T, dsn, database string) *sqlLab {
	admin, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	must(t, admin, "DROP DATABASE IF EXISTS "+database, "CREATE DATABASE "+database)
	pool, err := sql.Open("mysql", dsn+database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	waits := func(id uint64) bool {
		var n int
		err := admin.QueryRowContext(t.Context(), `SELECT
			(SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id=? AND trx_state='LOCK WAIT')+
			(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE id=? AND state LIKE 'Waiting for%lock')`, id, id).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	// INNODB_TRX shows what was so when it was last asked, unless that is 0.1 s ago.
	return &sqlLab{t: t, pool: pool, conns: map[string]*labConn{}, waits: waits, poll: 150 * time.Millisecond}
}

// mariadbScripts are the scripts that MariaDB can be asked.
var mariadbScripts = []string{
	"hermitage_read_committed.txt", "hermitage_repeatable_read.txt", "hermitage_serializable.txt", "lock_tables.txt", "transactions.txt", "implicit_commits.txt",
	"quantified.txt", "assignments.txt", "T9_large_commits.txt", "T18_scans_with_and_without_own_writes.txt", "T19_old_versions_stay_readable.txt", "updates_of_equal_texts.txt",
	"pad_space.txt", "merge_joins.txt", "insert_ids.txt", "joined_writes.txt", "updates_with_subqueries.txt", "outer_columns.txt", "derived_columns.txt", "prefix_joins.txt",
	"fulltext_equal_rows.txt",
}

// mariadbDifferences are the answers of MariaDB that are not ours, by script, anomaly and session,
// each with its reason.
var mariadbDifferences = map[string]string{
	"hermitage_serializable G-single-write t1: " + errorDeadlock + "; t2: 1 affected; (2,20); ok": otherVictim,
	"hermitage_serializable G-single-write t2: 1 affected; ok":                                    otherVictim,

	"lock_tables a: (50)": "MariaDB lets a session read what a trigger of its locked table uses; ours only uses it itself.",
	"transactions b: error 1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server " +
		"version for the right syntax to use near 'share nowait' at line 1": noForShare,
	"transactions a: error 1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server " +
		"version for the right syntax to use near 'of u' at line 1": noForShare,

	"transactions b: (1); error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction; (2); waits": "MariaDB has no 3572.",

	"insert_ids a: ok; ok; (10); 1 affected, insert id 5; 3 affected, insert id 10; (0,10); 1 affected, insert id 13; ok; 3 affected, insert id 7; 1 affected, insert id 22; (5,0) (7,5) (10,1) (11,2) (12,3) (13,4) (20,6) (21,7) (22,8); ok; error 1062 (23000): Duplicate entry '20' for key 'PRIMARY'; ok; 1 affected, insert id 77; ok; (4.656612877414201e-08,2.3562461159715858e-07,253,389); ok; (4.656612877414201e-08)": "MySQL shows rand_seed1 and rand_seed2 as 0.",

	"transactions a: no rows; ok; ok; no rows; ok; (0); ok; ok; no rows; ok; ok; ok; no rows; ok; no rows; ok; (0)": "MariaDB's performance_schema is off.",

	"transactions a: ok": "MariaDB commits the READ ONLY transaction and creates the table; MySQL refuses DDL there, and so does ours.",
}

const (
	noForShare  = "MariaDB has neither FOR SHARE nor OF."
	otherVictim = "Neither has written. InnoDB's victim is t1, which has fewer locks; ours keeps adjacent locks as one (T-10), " +
		"so that t2's scan counts no more than t1's lookups."
)

// inMariaDB turns an answer of ours into MariaDB's words where those differ from MySQL 8.0's.
func inMariaDB(s string) string {
	s = strings.ReplaceAll(s, "in a READ ONLY transaction.", "in a READ ONLY transaction")
	return duplicateKey.ReplaceAllString(s, "for key '$1'")
}

// duplicateKey names the table, too, since MySQL 8.0.19.
var duplicateKey = regexp.MustCompile(`for key '\w+\.(\w+)'`)

// TestScriptsOnMariaDB runs scripts on MariaDB. A difference that is not listed fails,
// and so does one that is listed and gone.
func TestScriptsOnMariaDB(t *testing.T) {
	addr := startMariaDB(t)
	left := maps.Clone(mariadbDifferences)
	var unlisted []string // a script that has failed goes on no further
	for _, file := range mariadbScripts {
		script := strings.TrimSuffix(file, ".txt")
		part := script
		l := newMariaDBLab(t, addr, "d")
		datadriven.RunTest(t, "testdata/sql/"+file, func(t *testing.T, d *datadriven.TestData) string {
			if l.t = t; d.Cmd == "anomaly" {
				part = script + " " + d.CmdArgs[0].Key
				return d.Expected
			}
			got := l.run(d)
			if got == inMariaDB(d.Expected) {
				return d.Expected
			}
			key := fmt.Sprintf("%s %s: %s", part, d.Cmd, strings.Join(strings.Split(strings.TrimSpace(got), "\n"), "; "))
			if _, ok := left[key]; !ok {
				unlisted = append(unlisted, fmt.Sprintf("%s: %q, ours is %q", d.Pos, key, d.Expected))
			}
			delete(left, key)
			return d.Expected
		})
		l.t = t
		l.idle()
	}
	for _, d := range unlisted {
		t.Errorf("not listed: %s", d)
	}
	for key, why := range left {
		t.Errorf("listed and gone: %q (%s)", key, why)
	}
}
