package gms_test

import (
	"strings"
	"testing"
)

// TestDefiners: who may not name another definer is told so, and triggers show theirs.
func TestDefiners(t *testing.T) {
	i := startInstance(t)
	root := i.open("")
	must(t, root, "CREATE DATABASE d", "CREATE TABLE d.t (n INT)", "CREATE USER u@'%', w@'%'", "GRANT ALL ON d.* TO u@'%'")
	c := i.conn(i.openAs("u", "d"))
	for _, q := range []string{
		"CREATE DEFINER=root@localhost VIEW v AS SELECT * FROM t", "CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1",
		"CREATE DEFINER=root@localhost TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1",
		"CREATE DEFINER=root@localhost EVENT e ON SCHEDULE EVERY 1 DAY DO SET @a = 1",
	} {
		wantError(t, c, q, 1227, "42000")
	}
	must(t, c, "CREATE DEFINER=u@'%' VIEW v AS SELECT * FROM t",
		"create trigger tr before insert on t for each row set new.n = 1")
	must(t, root, "GRANT SUPER ON *.* TO u@'%'")
	must(t, i.conn(i.openAs("u", "d")), "CREATE DEFINER=w@'%' VIEW v3 AS SELECT * FROM t")

	var trigger, mode, text, x string
	if err := root.QueryRow("SHOW CREATE TRIGGER d.tr").Scan(&trigger, &mode, &text, &x, &x, &x, &x); err != nil {
		t.Fatal(err)
	}
	if want := "CREATE DEFINER=`u`@`%` TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW set new.n = 1"; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var definer, event, table, timing string
	if err := root.QueryRow("SHOW TRIGGERS FROM d").Scan(&trigger, &event, &table, &text, &timing, &x, &mode, &definer, &x, &x, &x); err != nil {
		t.Fatal(err)
	}
	if definer != "u@%" || !strings.HasPrefix(mode, "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES") {
		t.Errorf("definer %s, mode %s", definer, mode)
	}
}
