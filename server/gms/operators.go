package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// memberFunction is the function that x MEMBER OF (j) is to the planner.
const memberFunction = "\x00member of"

// memberOf is MEMBER OF: whether a value is an element of a JSON array, or the document
// itself if that is none.
func memberOf(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	docs := [2]any{}
	for i, v := range args {
		v, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return nil, err
		}
		if w, ok := v.(sql.JSONWrapper); ok {
			v, err = w.ToInterface(ctx)
		} else if text, ok := v.(string); ok && i == 1 {
			var doc any
			if doc, _, err = types.JSON.Convert(ctx, text); err == nil {
				v, err = doc.(sql.JSONWrapper).ToInterface(ctx)
			} else {
				err = invalidArgument(text, 2, "member of")
			}
		} else if i == 1 {
			err = mysql.NewSQLError(3146, "22032", "Invalid data type for JSON data in argument 2 to function member of; a JSON string or JSON type is required.")
		}
		if err != nil {
			return nil, err
		}
		docs[i] = v
	}
	array, ok := docs[1].([]any)
	if !ok {
		array = []any{docs[1]}
	}
	for _, x := range array {
		if c, err := types.CompareJSON(ctx, types.JSONDocument{Val: docs[0]}, types.JSONDocument{Val: x}); err != nil || c == 0 {
			return c == 0, err
		}
	}
	return false, nil
}

// invertFunction is the function that ~x is to the planner, which has the operator for nothing.
const invertFunction = "\x00~"

// invert is ~x: the bits that a 64-bit number does not have.
func invert(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	if n, ok := args[0].(uint64); ok {
		return ^n, nil
	}
	n, _, err := types.Int64.Convert(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return ^uint64(n.(int64)), nil
}
