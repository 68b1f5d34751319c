package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/cluster"
)

// pool opens a pool to a port offset as root that ends with the test.
func pool(t *testing.T, c *cluster.Cluster, offset int, database string) *sql.DB {
	t.Helper()
	db, err := c.DB(offset, database)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// instancePort is the offset of the port of db-n itself.
func instancePort(id string) int {
	n := 0
	fmt.Sscanf(id, "db-%d", &n)
	return 310 + n
}

func run(t *testing.T, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.ExecContext(deadline(t), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// text returns the first column of all rows of a query.
func text(ctx context.Context, db *sql.DB, q string) (string, error) {
	rows, err := db.QueryContext(ctx, q)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return "", err
		}
		all = append(all, s)
	}
	return strings.Join(all, " "), rows.Err()
}

// eventually tries until it succeeds, at the latest when the deadline is over.
func eventually(t *testing.T, what string, try func(ctx context.Context) error) {
	t.Helper()
	ctx := deadline(t)
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// errorNumber returns the number of an error of the server.
func errorNumber(err error) (int, bool) {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return int(e.Number), true
	}
	return 0, false
}

// login says who a user is for the server at a port when it comes from an address,
// in words that a test can compare: CURRENT_USER(), or the number of the error.
func login(t *testing.T, c *cluster.Cluster, offset int, user, password, from string) string {
	t.Helper()
	return ask(t, c, offset, user, password, from, "SELECT CURRENT_USER()")
}

// ask returns the answer to a query as login does.
func ask(t *testing.T, c *cluster.Cluster, offset int, user, password, from, query string) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return askBy(t, c, offset, user, password, query, dialer.DialContext)
}

// askBy is ask by connections of a kind.
func askBy(t *testing.T, c *cluster.Cluster, offset int, user, password, query string, dial func(ctx context.Context, network, addr string) (net.Conn, error)) string {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DialFunc = user, password, "tcp", c.Addr(offset), dial
	connector, err := mysql.NewConnector(cfg)
	must(t, err)
	db := sql.OpenDB(connector)
	defer db.Close()
	answer, err := text(deadline(t), db, query)
	if number, ok := errorNumber(err); ok {
		return fmt.Sprint(number)
	}
	if err != nil { // a lost connection is no answer to compare
		return err.Error()
	}
	return answer
}
