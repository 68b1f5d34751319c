package gms

import (
	"encoding/hex"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// x'4142', 0x4142 and b'1000001' are binary strings, and numbers where numbers are wanted: BIGINT UNSIGNED.
// To the planner b'…' is always a number and the others never are.

// The functions in the place of such a literal: as a string, as a number, and beside what it is
// compared with.
const (
	hexString  = "_hex_string"
	hexInteger = "_hex_integer"
	hexBeside  = "_hex_beside"
)

// hasHex reports whether a text may have such a literal.
func hasHex(query string) bool {
	return containsFold(query, "x'") || containsFold(query, "b'") || containsFold(query, "0x") || containsFold(query, "0b")
}

// numericArguments are the functions whose arguments are numbers.
var numericArguments = map[string]bool{
	"abs": true, "ceil": true, "ceiling": true, "floor": true, "round": true, "truncate": true, "sign": true, "mod": true, "pow": true, "power": true,
	"sqrt": true, "exp": true, "ln": true, "log": true, "log2": true, "log10": true, "sin": true, "cos": true, "tan": true, "cot": true, "asin": true,
	"acos": true, "atan": true, "atan2": true, "degrees": true, "radians": true, "sum": true, "avg": true, "std": true, "stddev": true,
	"stddev_pop": true, "stddev_samp": true, "variance": true, "var_pop": true, "var_samp": true, "bit_count": true, "bit_and": true, "bit_or": true,
	"bit_xor": true, invertFunction: true, "char": true, "sec_to_time": true, "from_days": true, "format": true,
	intervalFunction: true,
}

// hexLiteralOf returns the literal that e is, nil if it is none.
func hexLiteralOf(e ast.Expr) *ast.SQLVal {
	if p, ok := e.(*ast.ParenExpr); ok {
		return hexLiteralOf(p.Expr)
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

// hexLiterals marks the literals of a statement, in place. Those of definitions are the planner's.
func hexLiterals(stmt ast.Statement) error {
	if stmt = queryOf(stmt); stmt == nil {
		return nil
	}
	as := func(name string, places ...*ast.Expr) {
		for _, e := range places {
			if v := hexLiteralOf(*e); v != nil {
				*e = call(name, v)
			}
		}
	}
	beside := func(other ast.Expr, e *ast.Expr) {
		v := hexLiteralOf(*e)
		if v == nil {
			return
		}
		switch o := other.(type) {
		case *ast.SQLVal:
			if o.Type == ast.IntVal || o.Type == ast.FloatVal {
				*e = call(hexInteger, v)
			}
		case *ast.ColName, *ast.FuncExpr, *ast.BinaryExpr, *ast.UnaryExpr, *ast.ParenExpr:
			*e = call(hexBeside, other, v)
			_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
				if f, windowed := n.(*ast.FuncExpr); windowed && f.Over != nil {
					*e = v
				} else if _, sub := n.(*ast.Subquery); sub {
					*e = v
				}
				return true, nil
			}, other)
		}
	}
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			switch n.Operator {
			case ast.PlusStr, ast.MinusStr, ast.MultStr, ast.DivStr, ast.ModStr, ast.IntDivStr, ast.ShiftLeftStr, ast.ShiftRightStr:
				as(hexInteger, &n.Left, &n.Right)
			case ast.BitAndStr, ast.BitOrStr, ast.BitXorStr:
				if constantBits(n.Left) && constantBits(n.Right) {
					as(hexInteger, &n.Left, &n.Right)
				}
			}
		case *ast.UnaryExpr:
			switch {
			case n.Operator == ast.UMinusStr, n.Operator == ast.BangStr:
				as(hexInteger, &n.Expr)
			case strings.HasPrefix(n.Operator, "_"):
				if v := hexLiteralOf(n.Expr); v != nil {
					text, err := v.HexDecode()
					n.Expr = ast.NewStrVal(wholeCharacters(n.Operator, text))
					return nil, false, err
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
			} else if _, ok := mirrored[n.Operator]; ok {
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
				as(hexInteger, &n.Expr)
			}
		case *ast.AndExpr:
			as(hexInteger, &n.Left, &n.Right)
		case *ast.OrExpr:
			as(hexInteger, &n.Left, &n.Right)
		case *ast.XorExpr:
			as(hexInteger, &n.Left, &n.Right)
		case *ast.NotExpr:
			as(hexInteger, &n.Expr)
		case *ast.Select:
			for _, w := range []*ast.Where{n.Where, n.Having} {
				if w != nil {
					as(hexInteger, &w.Expr)
				}
			}
		case *ast.CaseExpr:
			for _, w := range n.Whens {
				if n.Expr == nil {
					as(hexInteger, &w.Cond)
				}
			}
		case *ast.ConvertExpr:
			switch strings.ToLower(n.Type.Type) {
			case "signed", "unsigned", "decimal", "double", "float", "real", "year":
				as(hexInteger, &n.Expr)
			}
		case *ast.SetVarExpr:
			if n.Scope != ast.SetScope_User {
				return nil, false, nil
			}
		case *ast.FuncExpr:
			name := n.Name.Lowered()
			if name == hexString || name == hexInteger || name == hexBeside {
				return nil, false, nil
			}
			for i, a := range n.Exprs {
				x, ok := a.(*ast.AliasedExpr)
				if ok && (numericArguments[name] || name == "if" && i == 0) {
					as(hexInteger, &x.Expr)
				}
			}
		case *ast.SQLVal:
			if v := hexLiteralOf(n); v != nil {
				return call(hexString, v), false, nil
			}
		}
		return nil, true, nil
	})
}

// constantBits reports whether bit operations of e and others like it are of integers: literals and NULL.
func constantBits(e ast.Expr) bool {
	_, null := e.(*ast.NullVal)
	return null || hexLiteralOf(e) != nil
}

// hexLiteral is x'…', 0x… or b'…' as a string.
type hexLiteral struct{ *expression.Literal }

// WithChildren implements sql.Expression.
func (h hexLiteral) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(h, len(children), 0)
	}
	return h, nil
}

// integer is the literal as a BIGINT UNSIGNED: its last eight bytes.
func (h hexLiteral) integer() *expression.Literal {
	b, _ := h.Value().([]byte)
	n, _ := bitsOf(nil, b)
	return expression.NewLiteral(n, types.Uint64)
}

// newHexLiteral returns what the calls are that stand in the place of literals.
func newHexLiteral(name string) sql.Function {
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		lit, ok := args[len(args)-1].(*expression.Literal)
		if !ok {
			return nil, sql.ErrInvalidArgument.New(name)
		}
		b, _ := lit.Value().([]byte)
		typ, err := types.CreateBinary(sqltypes.VarBinary, int64(max(len(b), 1)))
		if err != nil { // longer than a VARBINARY
			typ = types.LongBlob
		}
		h := hexLiteral{expression.NewLiteral(slices.Clip(append([]byte{}, b...)), typ)}
		switch name {
		case hexInteger:
			return h.integer(), nil
		case hexBeside:
			if numericType(args[0].Type(ctx)) {
				return h.integer(), nil
			}
		}
		return h, nil
	}}
}

// numericType reports whether such a literal is a number beside a type.
func numericType(t sql.Type) bool { return types.IsNumber(t) || types.IsYear(t) || types.IsBit(t) }

// wholeCharacters puts zeros before the bytes behind an introducer of a character set of two or four bytes a character.
func wholeCharacters(introducer string, text []byte) []byte {
	size := map[string]int{ast.Utf16Str: 2, ast.Utf32Str: 4}[strings.ToLower(introducer)]
	if size == 0 || len(text)%size == 0 {
		return text
	}
	return append(make([]byte, size-len(text)%size), text...)
}
