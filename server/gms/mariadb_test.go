package gms_test

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
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
	must(t, admin, "CREATE DATABASE "+database)
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
