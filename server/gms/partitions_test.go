package gms_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// partitionSchemes are clauses that have a partition for every row of TestPartitionedAsWhole.
var partitionSchemes = []string{
	"hash (id) partitions 3", "linear hash (id) partitions 5", "hash (a + id) partitions 4", "hash (a) partitions 7", "hash (mod(id, 5))",
	"key (id) partitions 3", "key (a, d) partitions 4", "linear key (d) partitions 3",
	"range (a) (partition p0 values less than (0), partition p1 values less than (3), partition p2 values less than (5), partition p3 values less than maxvalue)",
	"range (a * 2 - 1) (partition p0 values less than (0), partition p1 values less than (3), partition p2 values less than maxvalue)",
	"range (to_days(d)) (partition p0 values less than (to_days('2024-01-11')), partition p1 values less than (to_days('2024-02-01')), partition p2 values less than maxvalue)",
	"range (year(d)) (partition p0 values less than (2023), partition p1 values less than (2024), partition p2 values less than (2025), partition p3 values less than maxvalue)",
	"range columns (d) (partition p0 values less than ('2023-12-31'), partition p1 values less than ('2024-01-12'), partition p2 values less than (maxvalue))",
	"range columns (a, d) (partition p0 values less than (1, '2024-01-11'), partition p1 values less than (1, maxvalue), partition p2 values less than (4, '2024-02-01'), partition p3 values less than (maxvalue, maxvalue))",
	"list (month(d)) (partition p0 values in (1, 3, 5, 7, 9, 11, null), partition p1 values in (2, 4, 6, 8, 10, 12))",
	"list (a) (partition p0 values in (-1, -2, 3), partition p1 values in (0, 1, 2, 4), partition p2 values in (5, 6, 7, 8, null))",
	"list columns (a) (partition p0 values in (-1, -2, 3), partition p1 values in (0, 1, 2, 4), partition p2 values in (5, 6, 7, 8, null))",
}

// partitionTextSchemes are those of columns that the table's primary key lacks.
var partitionTextSchemes = []string{
	"key (s) partitions 3", "range columns (s) (partition p0 values less than ('b'), partition p1 values less than ('bb'), partition p2 values less than (maxvalue))",
	"list columns (s) (partition p0 values in ('', 'a', 'ab', null), partition p1 values in ('b', 'abc', 'zz'))",
	"range (unix_timestamp(ts)) (partition p0 values less than (unix_timestamp('2024-01-11 00:00:00')), partition p1 values less than (unix_timestamp('2024-02-01 00:00:00')), partition p2 values less than maxvalue)",
	"hash (u) partitions 4", "range (u) (partition p0 values less than (3), partition p1 values less than (18446744073709551615), partition p2 values less than maxvalue)",
	"range columns (dt, a) (partition p0 values less than ('2024-01-11 10:00:00', 3), partition p1 values less than ('2024-02-01', 0), partition p2 values less than (maxvalue, 0))",
}

// A partitioned table answers every statement as one that is not, whatever its partitions are and become.
func TestPartitionedAsWhole(t *testing.T) {
	i := startInstance(t)
	for name, table := range map[string]string{
		"a primary key": "create table t (id int not null, a int not null, d date not null, s varchar(10), ts timestamp null, u bigint unsigned, dt datetime, v int, primary key (id, a, d), key (a), key (d, a), key va (v, a), key (s))",
		"no key":        "create table t (id int, a int, d date, s varchar(10), ts timestamp null, u bigint unsigned, dt datetime, v int, key (a), key (d), key (v), key (s, a), key (u), key (dt))",
	} {
		t.Run(name, func(t *testing.T) {
			schemes := partitionSchemes
			keyless := name == "no key"
			if keyless {
				schemes = slices.Concat(schemes, partitionTextSchemes)
			}
			seed := uint64(1)
			if keyless {
				seed = 2
			}
			r := &partitionSQL{rand.New(rand.NewPCG(seed, 3)), keyless}
			whole, parted := i.conn(i.open("")), i.conn(i.open(""))
			must(t, whole, "create database w"+fmt.Sprint(seed), "use w"+fmt.Sprint(seed), table)
			must(t, parted, "create database p"+fmt.Sprint(seed), "use p"+fmt.Sprint(seed), table)
			at := -1
			for n := range 2400 {
				if n%100 == 0 {
					at = (at + 1 + r.IntN(3)) % len(schemes)
					must(t, parted, "alter table t partition by "+schemes[at])
				}
				if n%100 == 60 {
					alterParts(t, r, parted, schemes[at])
				}
				q := r.statement()
				want, got := outcome(t, whole, q), outcome(t, parted, q)
				if want != got {
					t.Fatalf("%d: partition by %s\n%s\nwhole:       %s\npartitioned: %s", n, schemes[at], q, want, got)
				}
				if n%20 == 0 {
					wholes(t, parted)
				}
			}
			if got := one(t, parted, "select count(*) from t"); got == "0" {
				t.Error("no rows are left")
			}
			must(t, parted, "alter table t remove partitioning")
			if want, got := outcome(t, whole, "select * from t"), outcome(t, parted, "select * from t"); want != got {
				t.Errorf("without partitions: %s, want %s", got, want)
			}
			if _, err := i.db.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// alterParts changes the partitions in a way that keeps all rows.
func alterParts(t *testing.T, r *partitionSQL, c *sql.Conn, scheme string) {
	t.Helper()
	switch {
	case strings.Contains(scheme, "partitions"):
		must(t, c, "alter table t add partition partitions 2", "alter table t coalesce partition 1")
	case strings.HasPrefix(scheme, "list") && !strings.Contains(scheme, "p2"), !strings.Contains(scheme, "p1"):
	case r.IntN(2) == 0:
		must(t, c, "alter table t rebuild partition p0, p1")
	case strings.HasPrefix(scheme, "list (a)"):
		must(t, c, "alter table t reorganize partition p0, p1 into (partition x values in (-1, -2), partition y values in (3, 0, 1, 2, 4))")
	}
}

// wholes checks that each row is in one partition.
func wholes(t *testing.T, c *sql.Conn) {
	t.Helper()
	sum := 0
	for _, p := range rowsOfOne(t, c, "select partition_name from information_schema.partitions where table_schema = database()") {
		n := 0
		if _, err := fmt.Sscan(one(t, c, "select count(*) from t partition (`"+p+"`)"), &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if all := one(t, c, "select count(*) from t"); all != fmt.Sprint(sum) {
		t.Fatalf("%d rows in partitions, %s in the table", sum, all)
	}
}

// outcome returns what a statement answers: its rows in an order of their own, unless it says one.
func outcome(t *testing.T, c *sql.Conn, q string) string {
	t.Helper()
	if strings.HasPrefix(q, "select") || strings.HasPrefix(q, "with") {
		rows := strings.Split(rowsOf(context.Background(), c, q), ") (")
		if !strings.Contains(q, "order by") {
			for i := range rows {
				rows[i] = strings.Trim(rows[i], "()")
			}
			slices.Sort(rows)
		}
		return strings.Join(rows, "\n")
	}
	res, err := c.ExecContext(context.Background(), q)
	if err != nil {
		return errorText(err)[:min(20, len(errorText(err)))]
	}
	n, _ := res.RowsAffected()
	return fmt.Sprint(n, " affected")
}

// partitionSQL makes statements on t.
type partitionSQL struct {
	*rand.Rand
	nulls bool
}

var partitionColumns = []string{"id", "a", "d", "s", "ts", "u", "dt", "v"}

func (r *partitionSQL) value(column string) string {
	if r.IntN(12) == 0 && (r.nulls || column != "id" && column != "a" && column != "d") {
		return "null"
	}
	switch column {
	case "id":
		return fmt.Sprint(r.IntN(40))
	case "a":
		return fmt.Sprint(r.IntN(11) - 2)
	case "d":
		return fmt.Sprintf("'202%d-0%d-1%d'", 2+r.IntN(4), 1+r.IntN(3), r.IntN(3))
	case "s":
		return []string{"'a'", "'b'", "'ab'", "'abc'", "''", "'zz'", "'B'"}[r.IntN(7)]
	case "ts", "dt":
		return fmt.Sprintf("'2024-0%d-1%d 1%d:00:00'", 1+r.IntN(3), r.IntN(3), r.IntN(3))
	case "u":
		return []string{"0", "1", "2", "3", "4", "18446744073709551615", "18446744073709551614"}[r.IntN(7)]
	}
	return fmt.Sprint(r.IntN(30))
}

func (r *partitionSQL) leaf(of string) string {
	c := partitionColumns[r.IntN(len(partitionColumns))]
	x := of + c
	switch r.IntN(9) {
	case 0:
		return fmt.Sprintf("%s between %s and %s", x, r.value(c), r.value(c))
	case 1:
		return fmt.Sprintf("%s in (%s, %s, %s)", x, r.value(c), r.value(c), r.value(c))
	case 2:
		return x + " is null"
	case 3:
		return fmt.Sprintf("%s %s %s", r.value(c), []string{"<", ">", "=", "<="}[r.IntN(4)], x)
	case 4:
		return fmt.Sprintf("%s <=> %s", x, r.value(c))
	}
	return fmt.Sprintf("%s %s %s", x, []string{"=", "<", "<=", ">", ">=", "=", "<>"}[r.IntN(7)], r.value(c))
}

func (r *partitionSQL) where(of string) string {
	w := r.leaf(of)
	for range r.IntN(4) {
		w = fmt.Sprintf("(%s %s %s)", w, []string{"and", "or", "and"}[r.IntN(3)], r.leaf(of))
	}
	if r.IntN(10) == 0 {
		w = "not " + w
	}
	return w
}

func (r *partitionSQL) row() string {
	values := make([]string, len(partitionColumns))
	for i, c := range partitionColumns {
		values[i] = r.value(c)
	}
	return "(" + strings.Join(values, ", ") + ")"
}

// all is an order of all columns.
const all = "id, a, d, s, ts, u, dt, v"

func (r *partitionSQL) statement() string {
	switch r.IntN(25) {
	case 0, 1, 2:
		return "insert into t values " + r.row() + ", " + r.row()
	case 3:
		return "insert ignore into t values " + r.row() + ", " + r.row()
	case 4:
		return "replace into t values " + r.row()
	case 5:
		return "insert into t values " + r.row() + " on duplicate key update v = v + 1, d = " + r.value("d")
	case 6:
		c := partitionColumns[1+r.IntN(len(partitionColumns)-1)]
		return fmt.Sprintf("update t set %s = %s where %s", c, r.value(c), r.where(""))
	case 7:
		return fmt.Sprintf("update t set v = v + 1, s = %s where %s order by %s limit 3", r.value("s"), r.where(""), all)
	case 8:
		return fmt.Sprintf("update t x join t y on x.a = y.v set x.s = %s where %s and %s", r.value("s"), r.where("x."), r.leaf("y."))
	case 9:
		return fmt.Sprintf("delete from t where %s and %s", r.leaf(""), r.where(""))
	case 10:
		return fmt.Sprintf("delete from t where %s order by %s desc limit 2", r.where(""), strings.ReplaceAll(all, ",", " desc,"))
	case 11:
		return fmt.Sprintf("delete x from t x join t y on x.a = y.v where x.id = %s and %s", r.value("id"), r.leaf("y."))
	case 12:
		return fmt.Sprintf("select count(*), min(v), max(v), min(a), max(d), sum(u) from t where %s", r.where(""))
	case 13:
		return "select min(a), max(a), min(d), max(d), max(v), min(s), count(*) from t"
	case 14:
		return fmt.Sprintf("select a, count(*), max(d) from t where %s group by a order by a", r.where(""))
	case 15:
		return fmt.Sprintf("select %s from t where %s order by d, a, %s limit 5", all, r.where(""), all)
	case 16:
		return fmt.Sprintf("select v, a from t where %s order by v desc, a desc limit 7", r.where(""))
	case 17:
		return fmt.Sprintf("select x.id, y.id, y.s from t x join t y on x.a = y.a and x.id = y.v where %s", r.where("x."))
	case 18:
		return fmt.Sprintf("select * from t where a in (select v from t y where %s) and %s", r.where("y."), r.leaf(""))
	case 19:
		return fmt.Sprintf("select * from t where %s for update", r.where(""))
	case 20:
		return fmt.Sprintf("select x.*, (select count(*) from t y where y.a = x.v and %s) n from t x where %s", r.leaf("y."), r.where("x."))
	case 21:
		return fmt.Sprintf("insert into t select id + 100, %s from t where %s", all[4:], r.where("")+" and id < 40")
	case 22:
		return "delete from t where id >= 100"
	case 23:
		return fmt.Sprintf("select id, a, d, s from t where %s order by id, a, d, %s limit 9", r.where(""), all)
	}
	return fmt.Sprintf("select * from t where %s", r.where(""))
}
