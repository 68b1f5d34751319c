package gms

import (
	"errors"
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// zeroMoment is the error of a column that is added without a default to a table with rows,
// which get a zero that the mode refuses; nil for others.
func (t *Table) zeroMoment(ctx *sql.Context, c *sql.Column) error {
	if !value.Served(ctx) || c.Nullable || c.Default != nil || c.Generated != nil || !value.ModeEnabled(ctx, value.NoZeroDate) || !sql.LoadSqlMode(ctx).Strict() {
		return nil
	}
	kind, zero := "datetime", "0000-00-00 00:00:00"
	switch c.Type.Type() {
	case sqltypes.Datetime, sqltypes.Timestamp:
	case sqltypes.Date:
		kind, zero = "date", "0000-00-00"
	default:
		return nil
	}
	partitions, err := t.Partitions(ctx)
	if err != nil {
		return err
	}
	rows := sql.NewTableRowIter(ctx, t, partitions)
	_, err = rows.Next(ctx)
	if cerr := rows.Close(ctx); cerr != nil {
		return errors.Join(err, cerr)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return mysql.NewSQLError(1292, "22007", "Incorrect %s value: '%s' for column '%s' at row 1", kind, zero, c.Name)
}
