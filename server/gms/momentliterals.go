package gms

import (
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// momentMarks are the marks in the place of DATE, TIME and TIMESTAMP before a text: to the grammar
// such a literal is the text. There are two of each, for the names of columns.
var momentMarks = map[string]string{
	"DATE": "_armscii8", "date": "_cp1250", "TIMESTAMP": "_cp852", "timestamp": "_cp866", "TIME": "_macroman", "time": "_koi8u",
}

// momentWords are the words that momentMarks stand for.
var momentWords = func() []string {
	var pairs []string
	for word, mark := range momentMarks {
		pairs = append(pairs, mark, word)
	}
	return pairs
}()

// moment marks DATE, TIME or TIMESTAMP at a position if a text follows.
func (r *marking) moment(at int) {
	if next, _ := r.follows(r.end); next != "'" || !r.marksMoments() {
		return
	}
	word := r.q[at:r.end]
	if mark, ok := momentMarks[word]; ok {
		r.put(at, r.end, mark)
	} else {
		r.put(at, r.end, momentMarks[strings.ToLower(word)])
	}
}

// marksMoments reports whether the statement is one whose literals are marked: the texts of defaults and
// programs are kept as they are.
func (r *marking) marksMoments() bool {
	return reads[r.first[0]] || r.first[0] == "insert" || r.first[0] == "replace" || r.first[0] == "create" && r.reading && !r.program
}

// plainMoments makes texts of the marked literals among the arguments of a function that
// takes nothing but literals.
func plainMoments(args ast.SelectExprs) {
	for _, a := range args {
		if x, ok := a.(*ast.AliasedExpr); ok {
			if u, ok := x.Expr.(*ast.UnaryExpr); ok {
				if e, _ := momentLiteral(u); e != nil {
					x.Expr = u.Expr
				}
			}
		}
	}
}

// momentLiteral returns the literal that a marked text is, nil for others.
func momentLiteral(u *ast.UnaryExpr) (ast.Expr, error) {
	mark := strings.TrimSpace(u.Operator)
	word := ""
	for w, m := range momentMarks {
		if m == mark {
			word = strings.ToLower(w)
		}
	}
	v, ok := u.Expr.(*ast.SQLVal)
	if word == "" || !ok {
		return nil, nil
	}
	text := string(v.Val)
	kind := &ast.ConvertType{Type: word}
	what := strings.ToUpper(word)
	if word != "date" {
		if word == "timestamp" {
			kind.Type, what = "datetime", "DATETIME"
		}
		if _, digits, ok := strings.Cut(text, "."); ok {
			kind.Length = ast.NewIntVal([]byte(strconv.Itoa(min(len(digits), 6))))
		}
	}
	if !isLiteralOf(word, text) {
		return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", what, text)
	}
	return &ast.ConvertExpr{Name: "cast", Expr: v, Type: kind}, nil
}

// isLiteralOf reports whether a text is a DATE, a TIME or a TIMESTAMP, whole and with nothing behind it.
func isLiteralOf(word, text string) bool {
	if word == "time" {
		_, _, fault := spanOf(text, false)
		return fault == 0
	}
	m, fault, ok := fieldsOf(text)
	if _, there := m.time(false); !ok || fault != 0 || !there {
		return false
	}
	return (m.count > 3) == (word == "timestamp")
}

// today is CURDATE() as a DATE; the planner's is a text.
type today struct{ builtin.CurrDate }

var _ sql.FunctionExpression = today{}

func newToday(ctx *sql.Context) sql.Expression {
	return today{builtin.NewCurrDate(ctx).(builtin.CurrDate)}
}

// Type implements sql.Expression.
func (today) Type(*sql.Context) sql.Type { return types.Date }

// Eval implements sql.Expression.
func (d today) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	now, err := builtin.NewNow(ctx)
	if err != nil {
		return nil, err
	}
	v, err := now.Eval(ctx, r)
	if at, ok := v.(time.Time); ok { // in the session's time zone
		return day(at), err
	}
	return v, err
}

// WithChildren implements sql.Expression.
func (d today) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 0)
	}
	return d, nil
}
