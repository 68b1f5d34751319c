package gms_test

import (
	"slices"
	"testing"

	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/enginetest/queries"
	"github.com/dolthub/go-mysql-server/enginetest/scriptgen/setup"
	"github.com/dolthub/go-mysql-server/sql"
)

// testRegexp runs go-mysql-server's queries with regular expressions, which it keeps
// in a test of its own.
func testRegexp(t *testing.T, h enginetest.Harness) {
	h.Setup(append(slices.Clone(setup.SimpleSetup), []setup.SetupScript{{
		"CREATE TABLE tests(pk int primary key, str text, pattern text, flags text);",
		"INSERT INTO tests VALUES (1, 'testing', 'TESTING', 'ci');",
	}})...)
	e, err := h.NewEngine(t)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := enginetest.NewContext(h)
	for _, q := range queries.RegexTests {
		t.Run(q.Query, func(t *testing.T) {
			if q.ExpectedErr == nil {
				enginetest.TestQueryWithContext(t, ctx, e, h, q.Query, q.Expected, nil, nil, nil)
				return
			}
			ctx := ctx.WithQuery(q.Query)
			_, iter, _, err := e.Query(ctx, q.Query)
			if err == nil {
				_, err = sql.RowIterToRows(ctx, iter)
			}
			if err == nil {
				t.Error("no error")
			}
		})
	}
}
