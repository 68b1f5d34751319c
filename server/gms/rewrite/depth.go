package rewrite

import (
	"reflect"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// Whatever walks a statement's tree does it by recursion, and a stack that is used up ends
// the process. A statement is refused before that; chains of AND and OR, which programs
// make, may be longer than others, which the planner looks at more often.
const (
	depthMax   = 50_000
	depthOther = 16 // of anything but AND and OR
	// DepthLeast is the length of a text below which its tree is not that deep.
	DepthLeast = depthMax / depthOther
)

// Shallow returns the error of a statement whose tree is too deep.
func Shallow(query string, stmt ast.Statement) error {
	if len(query) > DepthLeast && tooDeep(reflect.ValueOf(&stmt), depthMax) {
		return errTooDeep()
	}
	return nil
}

func errTooDeep() error {
	return mysql.NewSQLError(1436, "HY000", "Thread stack overrun: the statement is nested too deeply")
}

func tooDeep(v reflect.Value, left int) bool {
	if left < 0 {
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		return tooDeep(v.Elem(), left)
	case reflect.Interface:
		switch v.Interface().(type) {
		case *ast.SQLVal:
			return false
		case *ast.AndExpr, *ast.OrExpr:
			left--
		default:
			left -= depthOther
		}
		return tooDeep(v.Elem(), left)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && tooDeep(v.Field(i), left) {
				return true
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		for i := range v.Len() {
			if tooDeep(v.Index(i), left) {
				return true
			}
		}
	}
	return false
}

// sizeMax bounds the expressions of views that are merged: those of views over views grow
// with each.
const sizeMax = 10_000

// Large reports whether an expression is too large to be merged into another.
func Large(e ast.Expr) bool {
	n := 0
	return Contains(e, func(ast.SQLNode) bool { n++; return n > sizeMax })
}
