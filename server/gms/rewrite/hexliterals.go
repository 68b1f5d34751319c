package rewrite

import (
	"encoding/hex"
	"math/big"
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// x'4142', 0x4142 and b'1000001' are binary strings, and numbers where numbers are wanted: BIGINT UNSIGNED.
// To the planner b'…' is always a number and the others never are.

// HexLiteralOf returns the literal that e is, or that is all of a subquery without a table, nil if it is none.
func HexLiteralOf(e ast.Expr) *ast.SQLVal {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return HexLiteralOf(x.Expr)
	case *ast.Subquery:
		s, ok := x.Select.(*ast.Select)
		if !ok || len(s.SelectExprs) != 1 || s.Where != nil || s.Having != nil || s.Limit != nil || len(s.From) > 0 {
			return nil
		}
		if of, ok := s.SelectExprs[0].(*ast.AliasedExpr); ok {
			return HexLiteralOf(of.Expr)
		}
		return nil
	}
	v, ok := e.(*ast.SQLVal)
	if !ok {
		return nil
	}
	text := string(v.Val)
	switch v.Type {
	case ast.HexVal:
		return v
	case ast.HexNum:
		if text = strings.Trim(text[min(len(text), 2):], "'"); len(text)%2 == 1 {
			text = "0" + text
		}
		return ast.NewHexVal([]byte(text))
	case ast.BitVal:
		n, ok := new(big.Int).SetString(text, 2)
		if !ok && text != "" {
			return nil
		}
		if text == "" {
			return ast.NewHexVal(nil)
		}
		b := make([]byte, (len(text)+7)/8)
		return ast.NewHexVal([]byte(hex.EncodeToString(n.FillBytes(b))))
	}
	return nil
}

// HexLiterals marks the literals of a statement, in place. Those of definitions are the planner's.
func HexLiterals(stmt ast.Statement) error {
	if stmt = queryOf(stmt); stmt == nil {
		return nil
	}
	as := func(name string, places ...*ast.Expr) {
		for _, e := range places {
			if v := HexLiteralOf(*e); v != nil {
				*e = syntax.Call(name, v)
			}
		}
	}
	beside := func(other ast.Expr, e *ast.Expr) {
		v := HexLiteralOf(*e)
		if v == nil {
			return
		}
		switch o := other.(type) {
		case *ast.SQLVal:
			switch o.Type {
			case ast.IntVal, ast.FloatVal:
				*e = syntax.Call(expr.HexInteger, v)
			case ast.ValArg:
				*e = syntax.Call(expr.HexBeside, o, v)
			}
		case *ast.ColName, *ast.FuncExpr, *ast.BinaryExpr, *ast.UnaryExpr, *ast.ParenExpr:
			*e = syntax.Call(expr.HexBeside, other, v)
			_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
				if f, windowed := n.(*ast.FuncExpr); windowed && f.Over != nil {
					*e = v
				} else if _, sub := n.(*ast.Subquery); sub {
					*e = v
				}
				return true, nil
			}, other)
		}
	}
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			switch n.Operator {
			case ast.PlusStr, ast.MinusStr, ast.MultStr, ast.DivStr, ast.ModStr, ast.IntDivStr, ast.ShiftLeftStr, ast.ShiftRightStr:
				as(expr.HexInteger, &n.Left, &n.Right)
			case ast.BitAndStr, ast.BitOrStr, ast.BitXorStr:
				if constantBits(n.Left) && constantBits(n.Right) {
					as(expr.HexInteger, &n.Left, &n.Right)
				}
			}
		case *ast.UnaryExpr:
			switch {
			case n.Operator == ast.UMinusStr, n.Operator == ast.BangStr:
				as(expr.HexInteger, &n.Expr)
			case strings.HasPrefix(n.Operator, "_"):
				if v := HexLiteralOf(n.Expr); v != nil {
					text, err := v.HexDecode()
					n.Expr = ast.NewStrVal(wholeCharacters(n.Operator, text))
					return nil, false, err
				}
				if v, ok := n.Expr.(*ast.SQLVal); ok && v.Type == ast.StrVal {
					v.Val = wholeCharacters(n.Operator, v.Val)
				}
			}
		case *ast.ComparisonExpr:
			if list, ok := n.Right.(ast.ValTuple); ok {
				for i := range list {
					beside(n.Left, &list[i])
				}
				if len(list) > 0 {
					beside(list[0], &n.Left)
				}
			} else if _, ok := syntax.Mirrored[n.Operator]; ok {
				left := n.Left
				beside(n.Right, &n.Left)
				beside(left, &n.Right)
			}
		case *ast.RangeCond:
			left := n.Left
			beside(n.From, &n.Left)
			beside(left, &n.From)
			beside(left, &n.To)
		case *ast.IsExpr:
			if n.Operator != ast.IsNullStr && n.Operator != ast.IsNotNullStr {
				as(expr.HexInteger, &n.Expr)
			}
		case *ast.AndExpr:
			as(expr.HexInteger, &n.Left, &n.Right)
		case *ast.OrExpr:
			as(expr.HexInteger, &n.Left, &n.Right)
		case *ast.XorExpr:
			as(expr.HexInteger, &n.Left, &n.Right)
		case *ast.NotExpr:
			as(expr.HexInteger, &n.Expr)
		case *ast.Select:
			for _, w := range []*ast.Where{n.Where, n.Having} {
				if w != nil {
					as(expr.HexInteger, &w.Expr)
				}
			}
		case *ast.CaseExpr:
			for _, w := range n.Whens {
				if n.Expr == nil {
					as(expr.HexInteger, &w.Cond)
				}
			}
		case *ast.ConvertExpr:
			switch strings.ToLower(n.Type.Type) {
			case "signed", "unsigned", "decimal", "double", "float", "real", "year":
				as(expr.HexInteger, &n.Expr)
			}
		case *ast.SetVarExpr:
			if n.Scope != ast.SetScope_User {
				return nil, false, nil
			}
		case *ast.FuncExpr:
			name := n.Name.Lowered()
			if name == expr.HexString || name == expr.HexInteger || name == expr.HexBeside {
				return nil, false, nil
			}
			for i, a := range n.Exprs {
				x, ok := a.(*ast.AliasedExpr)
				if ok && (expr.NumericArguments[name] || name == "if" && i == 0) {
					as(expr.HexInteger, &x.Expr)
				}
			}
		case *ast.SQLVal:
			if v := HexLiteralOf(n); v != nil {
				return syntax.Call(expr.HexString, v), false, nil
			}
		}
		return nil, true, nil
	})
}

// constantBits reports whether bit operations of e and others like it are of integers: literals and NULL.
func constantBits(e ast.Expr) bool {
	_, null := e.(*ast.NullVal)
	return null || HexLiteralOf(e) != nil
}

// wholeCharacters puts zeros before the bytes behind an introducer of a character set of two or four bytes a character.
func wholeCharacters(introducer string, text []byte) []byte {
	size := map[string]int{ast.Utf16Str: 2, ast.Utf32Str: 4}[strings.ToLower(introducer)]
	if size == 0 || len(text)%size == 0 {
		return text
	}
	return append(make([]byte, size-len(text)%size), text...)
}
