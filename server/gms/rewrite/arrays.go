package rewrite

import (
	"regexp"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// arrayEnd is the end of a CAST to an array, behind the value.
var arrayEnd = regexp.MustCompile(`(?is)\bas\s+([a-z]+(?:\s+[a-z]+)?\s*(?:\([\d\s,]*\))?(?:\s*(?:character\s+set|charset)\s+\w+)?)\s*\barray\s*\)$`)

// arrayCast makes CAST(… AS type ARRAY), which the grammar does not have, a call of ArrayFunction. The token is CAST, open is where its
// parenthesis stands.
func (r *Marking) arrayCast(at, open int) {
	closed := r.closed(open)
	m := arrayEnd.FindStringSubmatchIndex(r.Q[open:closed])
	if m == nil {
		return
	}
	if r.clauses == nil {
		r.clauses = map[int]replacement{}
	}
	kind := strings.ToLower(strings.Join(strings.Fields(r.Q[open+m[2]:open+m[3]]), " "))
	if next, end := r.follows(closed); next == ")" {
		if order, _ := r.follows(end); order == "asc" || order == "desc" { // the grammar has ASC where there is neither
			kind = order
		}
	}
	r.clauses[open+m[0]] = replacement{closed - 1, ", '" + kind + "'"}
	r.Put(at, r.end, expr.ArrayFunction)
}

// ArrayCast returns the value and the type of a CAST to an array, false of what is none.
func ArrayCast(e ast.Expr) (of ast.Expr, kind string, ok bool) {
	f, ok := e.(*ast.FuncExpr)
	if !ok || !f.Qualifier.IsEmpty() || f.Name.Lowered() != expr.ArrayFunction || len(f.Exprs) < 2 {
		return nil, "", false
	}
	arg, ok := f.Exprs[0].(*ast.AliasedExpr)
	text, ok2 := f.Exprs[1].(*ast.AliasedExpr)
	if !ok || !ok2 {
		return nil, "", false
	}
	v, ok := text.Expr.(*ast.SQLVal)
	if !ok || v.Type != ast.StrVal {
		return nil, "", false
	}
	return arg.Expr, string(v.Val), true
}

// errArrayCast is the error of a CAST to an array that is no part of an index.
func errArrayCast() error {
	return value.ErrNotSupported("Use of CAST( .. AS .. ARRAY) outside of functional index in CREATE(non-SELECT)/ALTER TABLE or in general expressions")
}

// checkArrayParts checks the parts of an index that are CASTs to arrays.
func checkArrayParts(fields []*ast.IndexField) error {
	n := 0
	for _, f := range fields {
		_, kind, ok := ArrayCast(syntax.Unparenthesized(f.Expression))
		if !ok {
			continue
		}
		if n++; n > 1 {
			return value.ErrNotSupported("more than one multi-valued key part per index")
		}
		if kind == "asc" || kind == "desc" {
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of %s and %s", "multi-valued index", "explicit index order")
		}
		t, err := value.NewArrayType(kind)
		if err != nil {
			return err
		}
		if t.Bytes() > KeyBytesMax {
			return mysql.NewSQLError(mysql.ERTooLongKey, "42000", "Specified key was too long; max key length is %d bytes", KeyBytesMax)
		}
	}
	return nil
}

// isArrayCast reports whether a call is a CAST to an array as a statement has it.
func isArrayCast(f *ast.FuncExpr) bool {
	_, _, ok := ArrayCast(f)
	return ok && len(f.Exprs) == 2
}
