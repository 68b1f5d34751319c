package syntax

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// The planner's grammar lacks some operators. Their words are replaced by introducers of
// character sets that no text has and that may not stand where they are put; after
// parsing, what they introduce is replaced by what was meant.
const (
	AnyMark    = "_geostd8"        // = ANY (…)
	SomeMark   = "_macce"          // = SOME (…)
	AllMark    = "_keybcs2"        // = ALL (…)
	AssignMark = " OR _hp8 '' OR " // @a := …
	RollupMark = ", _swe7 ''"      // GROUP BY … WITH ROLLUP
	MemberMark = "= _dec8"         // MEMBER OF (…)
	SoundsMark = "= _cp850 '' |"   // SOUNDS LIKE …
)

// Walk visits nodes and, where visit says so, what is within them, with the parts of queries that ast.Walk does not come to: WITH, ORDER BY
// and LIMIT of a UNION, the WINDOW clause and the bounds of frames. It returns the error of visit.
func Walk(visit ast.Visit, nodes ...ast.SQLNode) error {
	var all ast.Visit
	all = func(n ast.SQLNode) (bool, error) {
		within, err := visit(n)
		if err != nil || !within {
			return false, err
		}
		switch n := n.(type) {
		case *ast.SetOp:
			err = ast.Walk(all, n.With, n.OrderBy, n.Limit)
		case *ast.Select:
			err = ast.Walk(all, n.Window)
		case *ast.Over:
			if n != nil {
				err = ast.Walk(all, n.Frame)
			}
		}
		return true, err
	}
	return ast.Walk(all, nodes...)
}

// ReplaceNodes replaces each node under v for which f returns another, from the top
// down, and goes on within if f says so.
func ReplaceNodes(v reflect.Value, f func(ast.SQLNode) (to ast.SQLNode, within bool, err error)) error {
	switch v.Kind() {
	case reflect.Pointer:
		return ReplaceNodes(v.Elem(), f)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if n, ok := v.Interface().(ast.SQLNode); ok && v.CanSet() {
			to, within, err := f(n)
			if err != nil {
				return err
			}
			if to != nil {
				v.Set(reflect.ValueOf(to))
			}
			if !within {
				return nil
			}
		}
		return ReplaceNodes(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				if err := ReplaceNodes(v.Field(i), f); err != nil {
					return err
				}
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := ReplaceNodes(v.Index(i), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Introduced returns what a mark introduces, nil if e is none of it.
func Introduced(e ast.Expr, mark string) ast.Expr {
	u, ok := e.(*ast.UnaryExpr)
	if !ok || strings.TrimSpace(u.Operator) != mark {
		return nil
	}
	return u.Expr
}

// Call returns a call of a function of this package that no client can name.
func Call(name string, args ...ast.Expr) *ast.FuncExpr {
	f := &ast.FuncExpr{Name: ast.NewColIdent(name)}
	for _, a := range args {
		f.Exprs = append(f.Exprs, &ast.AliasedExpr{Expr: a})
	}
	return f
}

// Mirrored are the comparisons by what they are with the sides exchanged.
var Mirrored = map[string]string{
	ast.EqualStr: ast.EqualStr, ast.NullSafeEqualStr: ast.NullSafeEqualStr, ast.NotEqualStr: ast.NotEqualStr,
	ast.LessThanStr: ast.GreaterThanStr, ast.GreaterThanStr: ast.LessThanStr,
	ast.LessEqualStr: ast.GreaterEqualStr, ast.GreaterEqualStr: ast.LessEqualStr,
}

// Ast returns the name as the grammar has it.
func (t TableName) Ast() ast.TableName {
	return ast.TableName{Name: ast.NewTableIdent(t.Name), DbQualifier: ast.NewTableIdent(t.Database)}
}

// Unparenthesized returns an expression without the parentheses around it.
func Unparenthesized(e ast.Expr) ast.Expr {
	for {
		p, ok := e.(*ast.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// Dual reports whether a FROM is the one that the grammar gives a SELECT without.
func Dual(from ast.TableExprs) bool {
	name, ok := OnlyTable(from)
	return ok && name.Name.String() == "dual"
}

// OnlyTable returns the table that a FROM list names alone, false if it has others or none.
func OnlyTable(from ast.TableExprs) (name ast.TableName, ok bool) {
	if len(from) != 1 {
		return name, false
	}
	t, ok := from[0].(*ast.AliasedTableExpr)
	if !ok {
		return name, false
	}
	name, ok = t.Expr.(ast.TableName)
	return name, ok
}
