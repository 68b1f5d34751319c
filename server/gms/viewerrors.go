package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/syntax"
)

// viewError has an error of something that is not there name the outermost view of the statement that lacks it, as MySQL does: 1356.
func (s *Session) viewError(ctx *sql.Context, err error) error {
	if err == nil || !lacking(err) && !ofBrokenView(err) {
		return err
	}
	for _, v := range s.views {
		if s.brokenView(ctx, v) {
			return errViewRights(v)
		}
	}
	return err
}

// brokenView reports whether something that a view names is not there.
func (s *Session) brokenView(ctx *sql.Context, v syntax.TableName) bool {
	_, err := s.bound(ctx, s.b.catalog, v.Database, "SELECT 1 FROM "+quoted(v))
	return err != nil && (lacking(err) || ofBrokenView(err))
}

// ofBrokenView reports whether an error is that of a view that lacks something.
func ofBrokenView(err error) bool { return clientError(sql.CastSQLError(err), "").Num == 1356 }

// lacking reports whether an error is that of a column, table or program that is not there.
func lacking(err error) bool {
	return slices.Contains([]int{1054, 1146, 1305, 1630}, clientError(sql.CastSQLError(err), "").Num)
}
