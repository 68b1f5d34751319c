package gms_test

import (
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// TestColumnNames: a column that is a system variable is named as it was sent.
func TestColumnNames(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT @@VERSION, @@GLOBAL.Read_Only AS x, @@session.Autocommit, (SELECT @@Port), 1 + @@Port")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, string(f.Name))
	}
	if want := []string{"@@VERSION", "x", "@@session.Autocommit", "(SELECT @@Port)", "1 + @@Port"}; !slices.Equal(names, want) {
		t.Errorf("names are %q, want %q", names, want)
	}
}

// TestColumnNamesOfPrograms: a column of a procedure's result is named as the body has it.
func TestColumnNamesOfPrograms(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "", func(c *client.Conn) error { return c.SetCapability(gomysql.CLIENT_MULTI_RESULTS) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, q := range []string{
		"CREATE DATABASE d", "USE d", "CREATE TABLE nn (a INT)",
		"CREATE PROCEDURE p() BEGIN SELECT COUNT(*), MAX( a ), a+1, a, 'x', a AS b FROM nn GROUP BY a; END", "INSERT INTO nn VALUES (1)",
	} {
		if _, err := c.Execute(q); err != nil {
			t.Fatal(q, err)
		}
	}
	r, err := c.Execute("CALL p()")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, string(f.Name))
	}
	if want := []string{"COUNT(*)", "MAX( a )", "a+1", "a", "x", "b"}; !slices.Equal(names, want) {
		t.Errorf("names are %q, want %q", names, want)
	}
}
