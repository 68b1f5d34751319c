package function

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// arrayCast is CAST(… AS … ARRAY) of a document, a type's text and the name of the index: the members that the index has. Of a column the
// document null is NULL: an ALTER TABLE has it where a generated column is NULL.
var arrayCast = &expr.FunctionDef{Name: expr.ArrayFunction, Args: expr.AnyArgs, Typ: types.LongBlob, Pure: true, EvalOf: func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if len(args) < 2 || args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	t, err := value.NewArrayType(text)
	if err != nil {
		return nil, err
	}
	index := ""
	if len(args) > 2 {
		if index, err = value.TextOf(ctx, args[2]); err != nil {
			return nil, err
		}
	}
	doc, err := value.JSONOf(ctx, args[0], 1, "cast_as_array")
	if err != nil {
		return nil, err
	}
	if _, column := exprs[0].(*expression.GetField); column && doc == nil {
		return nil, nil
	}
	return t.Members(ctx, doc, index)
}}
