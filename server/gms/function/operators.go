package function

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// memberDef is MEMBER OF, of a document that the value is put in, and an array.
var memberDef = &expr.FunctionDef{Name: "member of", Args: 2, Typ: types.Boolean, Eval: memberOf}

// memberOf is MEMBER OF: whether a value is an element of a JSON array, or the document
// itself if that is none.
func memberOf(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	for i := range args {
		var err error
		if args[i], err = sql.UnwrapAny(ctx, args[i]); err != nil {
			return nil, err
		}
	}
	if _, text := args[1].(string); !text {
		if _, doc := args[1].(sql.JSONWrapper); !doc {
			return nil, mysql.NewSQLError(3146, "22032", "Invalid data type for JSON data in argument 2 to function member of; a JSON string or JSON type is required.")
		}
	}
	doc, err := value.JSONOf(ctx, args[1], 2, "member of")
	if err != nil {
		return nil, err
	}
	for _, x := range jsonArray(doc) {
		if c, err := value.CompareJSON(ctx, args[0], x); err != nil || c == 0 {
			return c == 0, err
		}
	}
	return false, nil
}
