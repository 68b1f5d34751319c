package gms_test

import (
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
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
