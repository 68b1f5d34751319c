package gms_test

import (
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms"
	"sextant/server/protocol"
)

// TestDecimalParameters: a DECIMAL that a driver sends with an exponent stays exact.
func TestDecimalParameters(t *testing.T) {
	for text, want := range map[string]string{
		"0.1234567890123456789e15": "123456789012345.6789", "1E3": "1000", "-1.5e-3": "-0.0015", "12.50": "12.50", "1e999": "1e999",
	} {
		if got := gms.Literal(protocol.Param{Type: gomysql.MYSQL_TYPE_NEWDECIMAL, Text: []byte(text)}); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
