package value

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// JSONOf returns the document that the n-th argument of a function is.
func JSONOf(ctx *sql.Context, v any, n int, function string) (any, error) {
	if err := readable(v, types.LongText); err != nil {
		return nil, err
	}
	if text, ok := v.(string); ok {
		if doc, ok := ExactText(text); ok {
			return RawJSON(ctx, doc)
		}
	}
	w, err := JSONDocument(ctx, v, n, function)
	if err != nil {
		return nil, err
	}
	return RawJSON(ctx, w)
}

// JSONDocument returns the document that the n-th argument of a function is.
func JSONDocument(ctx *sql.Context, v any, n int, function string) (sql.JSONWrapper, error) {
	c, _, err := types.JSON.Convert(ctx, v)
	if text, ok := v.(string); ok && err == nil {
		err = TooNested(text)
	} else if ok {
		return nil, InvalidArgument(text, n, function)
	}
	if err != nil {
		return nil, err
	}
	w, ok := c.(sql.JSONWrapper)
	if !ok {
		return nil, ErrValue(types.JSON, v)
	}
	return w, nil
}
