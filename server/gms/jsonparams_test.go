package gms_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms"
	"sextant/server/protocol"
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

// TestBlobParameterIsBinary: a BLOB is no text of a document, and a number as other texts are.
func TestBlobParameterIsBinary(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	db := i.open("d")
	must(t, db, "CREATE TABLE t (id INT PRIMARY KEY, j JSON, v VARCHAR(9))", "INSERT INTO t VALUES (1, '[]', 'é')")
	for _, kind := range []byte{mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_LONG_BLOB, mysql.MYSQL_TYPE_BLOB} {
		bound := func(text string) string { return gms.Literal(protocol.Param{Type: kind, Text: []byte(text)}) }
		_, err := db.Exec("UPDATE t SET j = " + bound("[]"))
		if err == nil || !strings.Contains(err.Error(), "3144") {
			t.Errorf("%d: got %v", kind, err)
		}
		var id int
		if err := db.QueryRow("SELECT id FROM t WHERE id = " + bound("1") + " AND v = " + bound("é")).Scan(&id); err != nil {
			t.Errorf("%d: %v", kind, err)
		}
	}
}
