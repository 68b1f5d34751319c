package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/go-sql-driver/mysql" // driver "mysql"
)

// mariadb is one MariaDB server that this program started.
type mariadb struct {
	dir  string
	port int
	cmd  *exec.Cmd
	db   *sql.DB
	// alone is how many commits were answered before there was a replica.
	alone int
}

const startPatience = 60 * time.Second

// startMariaDB starts a server with its own data directory on a free port of
// loopback. The commit settings are those of a durable server.
func startMariaDB(ctx context.Context, dir string, id int, extra ...string) (*mariadb, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	install := exec.Command("mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
		"--user=root", "--datadir="+data)
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{
		"--no-defaults", "--user=root", "--datadir=" + data, "--socket=" + filepath.Join(dir, "sock"), "--pid-file=" + filepath.Join(dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--server-id=" + strconv.Itoa(id), "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--max-connections=200",
	}, extra...)
	m := &mariadb{dir: dir, port: port, cmd: exec.Command("mariadbd", args...)}
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	if m.db, err = sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", port)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for m.db.PingContext(ctx) != nil {
		if ctx.Err() != nil {
			m.stop()
			return nil, fmt.Errorf("MariaDB does not start; see %s", log.Name())
		}
		time.Sleep(50 * time.Millisecond)
	}
	// sysbench connects as root@127.0.0.1.
	if _, err := m.db.Exec("CREATE USER IF NOT EXISTS root@'127.0.0.1'"); err == nil {
		_, err = m.db.Exec("GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION")
		if err != nil {
			m.stop()
			return nil, err
		}
	}
	return m, nil
}

// startSemiSync starts a primary and one replica that acknowledges a commit only
// when its relay log is synced: the peer of a commit that is durable on several machines.
func startSemiSync(ctx context.Context, dir string) (primary, replica *mariadb, err error) {
	primary, err = startMariaDB(ctx, filepath.Join(dir, "primary"), 2, "--log-bin=bin", "--sync-binlog=1",
		"--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-master-wait-point=AFTER_SYNC", "--rpl-semi-sync-master-timeout=60000")
	if err != nil {
		return nil, nil, err
	}
	replica, err = startMariaDB(ctx, filepath.Join(dir, "replica"), 3, "--sync-relay-log=1", "--rpl-semi-sync-slave-enabled=ON", "--read-only=ON")
	if err != nil {
		primary.stop()
		return nil, nil, err
	}
	for _, q := range []struct {
		db   *sql.DB
		text string
	}{
		{primary.db, "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl'"},
		{primary.db, "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'"},
		{replica.db, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_USE_GTID=slave_pos", primary.port)},
		{replica.db, "START SLAVE"},
	} {
		if _, err := q.db.ExecContext(ctx, q.text); err != nil {
			primary.stop()
			replica.stop()
			return nil, nil, fmt.Errorf("%s: %w", q.text, err)
		}
	}
	if err := primary.awaitSemiSync(ctx); err != nil {
		return primary, replica, err
	}
	primary.alone, err = primary.unreplicated()
	return primary, replica, err
}

// awaitSemiSync returns when the replica has registered.
func (m *mariadb) awaitSemiSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		var name, clients string
		err := m.db.QueryRowContext(ctx, "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'").Scan(&name, &clients)
		if err == nil && clients == "1" {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the semi-sync replica does not connect (%s clients, %v)", clients, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// unreplicated returns how many commits were answered without the replica's
// acknowledgement since there is one.
func (m *mariadb) unreplicated() (n int, err error) {
	var name string
	err = m.db.QueryRow("SHOW STATUS LIKE 'Rpl_semi_sync_master_no_tx'").Scan(&name, &n)
	return n - m.alone, err
}

func (m *mariadb) stop() {
	if m == nil {
		return
	}
	if m.db != nil {
		m.db.Close()
	}
	m.cmd.Process.Kill() // its data is thrown away
	m.cmd.Wait()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
