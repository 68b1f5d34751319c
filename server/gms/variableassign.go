package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// NoteVariable notes the collation of the text that the statement assigns to a user's variable.
func (s *Session) NoteVariable(name string, c sql.CollationID) {
	if s.collations == nil {
		s.collations = map[string]sql.CollationID{}
	}
	s.collations[strings.ToLower(name)] = c
}

// variableDecimal is the type of a user's variable that is an exact number: what is calculated with it has the most digits.
var variableDecimal = types.MustCreateDecimalType(types.DecimalTypeMaxPrecision, types.DecimalTypeMaxScale)

// variableType returns the type of a user's variable: a text has the collation of what is assigned, the connection's where that is
// not known.
func (s *Session) variableType(ctx *sql.Context, name string, typ sql.Type) sql.Type {
	if s.b.mysql && types.IsDecimal(typ) {
		return variableDecimal
	}
	if !s.b.mysql || !types.IsTextOnly(typ) {
		return typ
	}
	c := s.collations[strings.ToLower(name)]
	if c == sql.Collation_Unspecified {
		if t, ok := typ.(sql.StringType); ok && t.Collation() != sql.Collation_Default && t.Collation() != sql.Collation_Unspecified {
			return typ
		}
		c = ctx.GetCollation()
	}
	return types.CreateLongText(c)
}
