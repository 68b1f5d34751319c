package gms

import (
	"testing"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// filtered has two decimals in a text result.
func TestExplainPercent(t *testing.T) {
	v, err := percentType{types.Float64.(sql.NumberType)}.SQL(sql.NewEmptyContext(), nil, 100.0)
	if err != nil || v.ToString() != "100.00" {
		t.Fatalf("filtered is %q, %v", v.ToString(), err)
	}
}
