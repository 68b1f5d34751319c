package gms_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONParameters: what drivers send for texts of a document is one, also []byte, which
// is sent as MYSQL_TYPE_STRING, and bytes that are no text are stored as they are.
func TestJSONParameters(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	db := i.open("d")
	must(t, db, "CREATE TABLE t (id INT PRIMARY KEY, j JSON, b BLOB, v VARBINARY(9))")
	long := `{"a": "` + strings.Repeat("x", 100000) + `"}`
	for id, doc := range []any{`{"a": "é"}`, []byte(`{"a": "é"}`), json.RawMessage(`{"a": "é"}`), []byte(long), "[1]", nil} {
		if _, err := db.Exec("INSERT INTO t VALUES (?, ?, ?, ?)", id, doc, []byte("\xff\x00'\\"), []byte("\xfe")); err != nil {
			t.Fatalf("%d: %v", id, err)
		}
		if _, err := db.Exec("UPDATE t SET j = ?, b = ? WHERE id = ?", doc, []byte("\xff\x00'\\"), id); err != nil {
			t.Fatalf("%d: %v", id, err)
		}
		var got, b []byte
		if err := db.QueryRow("SELECT j, b FROM t WHERE id = ? AND v = ?", id, []byte("\xfe")).Scan(&got, &b); err != nil {
			t.Fatalf("%d: %v", id, err)
		}
		want := ""
		switch doc := doc.(type) {
		case string:
			want = doc
		case []byte:
			want = string(doc)
		case json.RawMessage:
			want = string(doc)
		}
		if string(got) != want || string(b) != "\xff\x00'\\" {
			t.Errorf("%d: got %.50q and %q", id, got, b)
		}
	}
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM t WHERE JSON_EXTRACT(j, '$.a') = JSON_EXTRACT(?, '$.a')", []byte(`{"a": "é"}`)).Scan(&n); err != nil || n != 3 {
		t.Errorf("got %d, %v", n, err)
	}
	if err := db.QueryRow("SELECT SUM(a) FROM JSON_TABLE(?, '$[*]' COLUMNS (a INT PATH '$')) r", []byte(`[1, 2]`)).Scan(&n); err != nil || n != 3 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := db.Exec("INSERT INTO t (id, j) VALUES (9, ?) ON DUPLICATE KEY UPDATE j = JSON_SET(j, '$.b', CAST(? AS JSON))", []byte("{}"), []byte("[2]")); err != nil {
		t.Error(err)
	}
}
