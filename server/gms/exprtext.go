package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// exprPrinter writes expressions as MySQL's SHOW CREATE does: in lower case, each operation in parentheses, functions by
// the names of what they are (SUBSTRING is substr), CAST for CONVERT, and no blank behind a comma.
type exprPrinter struct {
	// column writes the name of a column, false if it is not known.
	column func(*ast.ColName) (string, bool)
	// query writes a subquery without its parentheses. Nil where there are none.
	query func(q ast.SelectStatement, named bool) string
	// stored reports whether a function is a stored one. Nil where there are none.
	stored func(name string) bool
	// introducer is what stands before texts: the character set that a definition was read in.
	introducer string
	// kept: nothing is written otherwise than it was, for who reads it again.
	kept bool
	// failed: there was an expression that is not known here, and what was written is of no use.
	failed bool
}

// fail notes that an expression is not known, and returns nothing.
func (p *exprPrinter) fail() string {
	p.failed = true
	return ""
}

// functionNames are MySQL's names of functions that statements may call by others.
var functionNames = map[string]string{
	"ceil": "ceiling", "substring": "substr", "mid": "substr", "lcase": "lower", "ucase": "upper", "character_length": "char_length",
	"octet_length": "length", "power": "pow", "day": "dayofmonth", "current_timestamp": "now", "localtime": "now", "localtimestamp": "now",
	"current_date": "curdate", "current_time": "curtime", "session_user": "user", "system_user": "user", "schema": "database",
	"sha1": "sha", "stddev": "std", "stddev_pop": "std", "var_pop": "variance", "json_merge": "json_merge_preserve", expr.IntervalFunction: "interval",
}

// castOf are the types that functions of one argument convert to.
var castOf = map[string]string{"date": "date", "time": "time", "timestamp": "datetime"}

// shiftedBy are the functions that add an interval to a moment, or subtract it.
var shiftedBy = map[string]string{"date_add": "+", "adddate": "+", "date_sub": "-", "subdate": "-"}

// shownExpression returns an expression of a table's definition as MySQL shows it, in which texts have a character set; as it is kept
// if it has something that is not known here.
func shownExpression(kept string) string {
	if e, ok := parsedExpression(kept); ok {
		p := exprPrinter{introducer: "_utf8mb4", column: ownColumn}
		if text := p.expr(e); !p.failed {
			return text
		}
	}
	return kept
}

// parsedExpression returns the expression of a text, with its marks, false if it is none.
func parsedExpression(text string) (ast.Expr, bool) {
	stmt, err := (&parser{base: sql.NewMysqlParser(), raw: true}).ParseSimple("SELECT " + text)
	q, ok := stmt.(*ast.Select)
	if err != nil || !ok || len(q.SelectExprs) != 1 {
		return nil, false
	}
	a, ok := q.SelectExprs[0].(*ast.AliasedExpr)
	if !ok || !a.As.IsEmpty() {
		return nil, false
	}
	return a.Expr, true
}

// escapedExpression is shownExpression for information_schema, where MySQL has it with its quotes escaped.
func escapedExpression(kept string) string {
	return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(shownExpression(kept))
}

// list writes expressions with commas between them.
func (p *exprPrinter) list(list []ast.Expr) string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = p.expr(e)
	}
	return strings.Join(out, ",")
}

// expr writes an expression.
func (p *exprPrinter) expr(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return p.expr(e.Expr)
	case *ast.NullVal:
		return "NULL"
	case ast.BoolVal:
		if e {
			return "true"
		}
		return "false"
	case *ast.SQLVal:
		return p.literal(e)
	case *ast.ColName:
		if text, ok := p.column(e); ok {
			return text
		}
	case ast.ValTuple:
		return "(" + p.list(e) + ")"
	case *ast.AndExpr, *ast.OrExpr:
		word := " and "
		if _, or := e.(*ast.OrExpr); or {
			word = " or "
		}
		return "(" + strings.Join(p.conjuncts(e, word == " or "), word) + ")"
	case *ast.XorExpr:
		return "(" + p.condition(e.Left) + " xor " + p.condition(e.Right) + ")"
	case *ast.NotExpr:
		return p.negation(e.Expr)
	case *ast.IsExpr:
		if e.Operator == ast.IsNullStr || e.Operator == ast.IsNotNullStr {
			return "(" + p.operand(e.Expr) + " " + e.Operator + ")"
		}
		return "(" + p.condition(e.Expr) + " " + e.Operator + ")"
	case *ast.RangeCond:
		return "(" + p.operand(e.Left) + " " + e.Operator + " " + p.operand(e.From) + " and " + p.operand(e.To) + ")"
	case *ast.ComparisonExpr:
		return p.comparison(e)
	case *ast.BinaryExpr:
		return p.binary(e)
	case *ast.UnaryExpr:
		return p.unary(e)
	case *ast.CollateExpr:
		return "(" + p.expr(e.Expr) + " collate " + strings.ToLower(e.Collation) + ")"
	case *ast.CaseExpr:
		return p.caseOf(e)
	case *ast.ConvertExpr:
		return p.cast(e)
	case *ast.ConvertUsingExpr:
		return "convert(" + p.expr(e.Expr) + " using " + strings.ToLower(e.Type) + ")"
	case *ast.ExtractFuncExpr:
		return "extract(" + strings.ToLower(e.Unit) + " from " + p.expr(e.Expr) + ")"
	case *ast.TimestampFuncExpr:
		if e.Name == "timestampadd" && p.kept {
			return "timestampadd(" + strings.ToUpper(e.Unit) + "," + p.expr(e.Expr1) + "," + p.expr(e.Expr2) + ")"
		}
		if e.Name == "timestampadd" {
			return "(" + p.expr(e.Expr2) + " + interval " + p.expr(e.Expr1) + " " + strings.ToLower(e.Unit) + ")"
		}
		return "timestampdiff(" + strings.ToUpper(e.Unit) + "," + p.expr(e.Expr1) + "," + p.expr(e.Expr2) + ")"
	case *ast.SubstrExpr:
		args := []ast.Expr{e.Name, e.From}
		if e.StrVal != nil {
			args[0] = e.StrVal
		}
		if e.To != nil {
			args = append(args, e.To)
		}
		return "substr(" + p.list(args) + ")"
	case *ast.TrimExpr:
		return p.trim(e)
	case *ast.CharExpr:
		using := ""
		if e.Type != "" {
			using = " using " + strings.ToLower(e.Type)
		}
		return "char(" + p.arguments(e.Exprs) + using + ")"
	case *ast.GroupConcatExpr:
		return p.groupConcat(e)
	case *ast.MatchExpr:
		option := ""
		switch e.Option {
		case ast.BooleanModeStr:
			option = e.Option
		case ast.NaturalLanguageModeWithQueryExpansionStr, ast.QueryExpansionStr:
			option = ast.QueryExpansionStr
		}
		return "(match " + p.arguments(e.Columns) + " against (" + p.expr(e.Expr) + option + "))"
	case *ast.ExistsExpr:
		if q, ok := e.Subquery.Select.(*ast.Select); ok && len(q.SelectExprs) == 1 {
			if _, star := q.SelectExprs[0].(*ast.StarExpr); star {
				c := *q
				c.SelectExprs = ast.SelectExprs{&ast.AliasedExpr{Expr: ast.NewIntVal([]byte("1"))}}
				return "exists" + p.subquery(&ast.Subquery{Select: &c})
			}
		}
		return "exists" + p.subquery(e.Subquery)
	case *ast.Subquery:
		return p.subquery(e)
	case *ast.FuncExpr:
		return p.call(e)
	case *ast.IntervalExpr:
		return p.interval(e)
	case *ast.Default:
		if e.ColName != "" {
			return "default(" + syntax.QuoteName(e.ColName) + ")"
		}
	}
	return p.fail()
}

// operand writes an expression beside an operator: comparisons with subqueries have no parentheses of their own.
func (p *exprPrinter) operand(e ast.Expr) string {
	text := p.expr(e)
	e = syntax.Unparenthesized(e)
	if c, ok := e.(*ast.ComparisonExpr); ok && withSubquery(c) {
		return "(" + text + ")"
	}
	return text
}

// markedOperand reports whether what stands behind a comparison's sign is a mark of ANY and its kin or of MEMBER OF.
func markedOperand(e ast.Expr) bool {
	u, ok := e.(*ast.UnaryExpr)
	return ok && (quantifierWords[strings.TrimSpace(u.Operator)] != "" || syntax.Introduced(u, "_dec8") != nil)
}

// withSubquery reports whether a comparison is one with the rows of a subquery.
func withSubquery(c *ast.ComparisonExpr) bool {
	if u, ok := c.Right.(*ast.UnaryExpr); ok {
		return quantifierWords[strings.TrimSpace(u.Operator)] != ""
	}
	_, ok := c.Right.(*ast.Subquery)
	return ok && (c.Operator == ast.InStr || c.Operator == ast.NotInStr)
}

// printedText is a text as MySQL's SHOW CREATE has it.
func printedText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\x00", `\0`, "\x1a", `\Z`).Replace(s) + "'"
}

// literal writes a number, a text or the like.
func (p *exprPrinter) literal(v *ast.SQLVal) string {
	switch v.Type {
	case ast.StrVal:
		return p.introducer + printedText(string(v.Val))
	case ast.IntVal, ast.FloatVal:
		return string(v.Val)
	case ast.HexNum:
		return strings.ToLower(string(v.Val))
	case ast.HexVal:
		return "0x" + strings.ToLower(string(v.Val))
	case ast.BitVal:
		return "b'" + string(v.Val) + "'"
	}
	return p.fail()
}

// condition writes what is true or false: other expressions by a comparison with 0.
func (p *exprPrinter) condition(e ast.Expr) string {
	if p.kept || rewrite.Boolean(e) {
		return p.expr(e)
	}
	return "(0 <> " + p.expr(e) + ")"
}

// conjuncts writes the conditions of an AND, or of an OR, each of which is one of neither.
func (p *exprPrinter) conjuncts(e ast.Expr, or bool) []string {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return p.conjuncts(x.Expr, or)
	case *ast.AndExpr:
		if !or {
			return append(p.conjuncts(x.Left, or), p.conjuncts(x.Right, or)...)
		}
	case *ast.OrExpr:
		if or {
			return append(p.conjuncts(x.Left, or), p.conjuncts(x.Right, or)...)
		}
	case *ast.NotExpr:
		if both := opposite(x.Expr); both != nil && !p.kept {
			return p.conjuncts(both, or)
		}
	}
	return []string{p.condition(e)}
}

// opposites are the comparisons that NOT makes of others.
var opposites = map[string]string{
	ast.EqualStr: ast.NotEqualStr, ast.NotEqualStr: ast.EqualStr, ast.LessThanStr: ast.GreaterEqualStr, ast.GreaterEqualStr: ast.LessThanStr,
	ast.GreaterThanStr: ast.LessEqualStr, ast.LessEqualStr: ast.GreaterThanStr, ast.InStr: ast.NotInStr, ast.NotInStr: ast.InStr,
	ast.BetweenStr: ast.NotBetweenStr, ast.NotBetweenStr: ast.BetweenStr, ast.IsNullStr: ast.IsNotNullStr, ast.IsNotNullStr: ast.IsNullStr,
	ast.IsTrueStr: ast.IsNotTrueStr, ast.IsNotTrueStr: ast.IsTrueStr, ast.IsFalseStr: ast.IsNotFalseStr, ast.IsNotFalseStr: ast.IsFalseStr,
}

// opposite is the OR of the opposites of an AND, or the AND of those of an OR; nil for others.
func opposite(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return opposite(e.Expr)
	case *ast.AndExpr:
		return &ast.OrExpr{Left: &ast.NotExpr{Expr: e.Left}, Right: &ast.NotExpr{Expr: e.Right}}
	case *ast.OrExpr:
		return &ast.AndExpr{Left: &ast.NotExpr{Expr: e.Left}, Right: &ast.NotExpr{Expr: e.Right}}
	}
	return nil
}

// negation writes NOT of an expression.
func (p *exprPrinter) negation(e ast.Expr) string {
	if p.kept {
		return "(not(" + p.expr(e) + "))"
	}
	switch x := e.(type) {
	case *ast.ParenExpr:
		return p.negation(x.Expr)
	case *ast.NotExpr:
		return p.condition(x.Expr)
	case *ast.AndExpr, *ast.OrExpr:
		return p.expr(opposite(e))
	case *ast.ComparisonExpr:
		if not, ok := opposites[x.Operator]; ok && !markedOperand(x.Right) {
			c := *x
			c.Operator = not
			return p.comparison(&c)
		}
	case *ast.RangeCond:
		c := *x
		c.Operator = opposites[x.Operator]
		return p.expr(&c)
	case *ast.IsExpr:
		c := *x
		c.Operator = opposites[x.Operator]
		return p.expr(&c)
	}
	if !rewrite.Boolean(e) {
		return "(0 = " + p.expr(e) + ")"
	}
	return "(not(" + p.expr(e) + "))"
}

// comparison writes a comparison of two values, or of one and several.
func (p *exprPrinter) comparison(e *ast.ComparisonExpr) string {
	left := p.operand(e.Left)
	if u, ok := e.Right.(*ast.UnaryExpr); ok {
		if rows := syntax.Introduced(u, "_dec8"); rows != nil {
			return "(" + left + " member of (" + p.expr(rows) + "))"
		}
		if word := quantifierWords[strings.TrimSpace(u.Operator)]; word != "" {
			return left + " " + comparisonSign(e.Operator) + " " + word + " " + p.expr(u.Expr)
		}
	}
	switch e.Operator {
	case ast.NotLikeStr:
		if p.kept {
			return "(" + left + " not like " + p.operand(e.Right) + p.escape(e.Escape) + ")"
		}
		c := *e
		c.Operator = ast.LikeStr
		return "(not(" + p.comparison(&c) + "))"
	case ast.LikeStr:
		return "(" + left + " like " + p.operand(e.Right) + p.escape(e.Escape) + ")"
	case ast.RegexpStr, ast.NotRegexpStr:
		if p.kept {
			break
		}
		if e.Operator == ast.NotRegexpStr {
			return "(not(regexp_like(" + left + "," + p.expr(e.Right) + ")))"
		}
		return "regexp_like(" + left + "," + p.expr(e.Right) + ")"
	case ast.InStr, ast.NotInStr:
		if q, ok := e.Right.(*ast.Subquery); ok {
			return left + " " + e.Operator + " " + p.subquery(q)
		}
		list, ok := e.Right.(ast.ValTuple)
		if !ok {
			return p.fail()
		}
		if _, row := e.Left.(ast.ValTuple); len(list) == 1 && !row && !p.kept { // which MySQL compares
			sign := " = "
			if e.Operator == ast.NotInStr {
				sign = " <> "
			}
			return "(" + left + sign + p.expr(list[0]) + ")"
		}
	case ast.JSONExtractOp, ast.JSONUnquoteExtractOp:
		return p.binary(&ast.BinaryExpr{Left: e.Left, Operator: e.Operator, Right: e.Right})
	}
	return "(" + left + " " + comparisonSign(e.Operator) + " " + p.operand(e.Right) + ")"
}

// escape writes the ESCAPE of a LIKE, whose text has no introducer.
func (p *exprPrinter) escape(e ast.Expr) string {
	switch e := e.(type) {
	case nil:
		return ""
	case *ast.SQLVal:
		if e.Type == ast.StrVal {
			return " escape " + printedText(string(e.Val))
		}
	}
	return " escape " + p.expr(e)
}

// comparisonSign is MySQL's sign of a comparison.
func comparisonSign(operator string) string {
	if operator == ast.NotEqualStr {
		return "<>"
	}
	return operator
}

// quantifierWords are what the marks of = ANY and its kin stand for.
var quantifierWords = map[string]string{syntax.AnyMark: "any", syntax.SomeMark: "any", syntax.AllMark: "all"}

// binary writes an operation of two values.
func (p *exprPrinter) binary(e *ast.BinaryExpr) string {
	if p.kept && (e.Operator == ast.JSONExtractOp || e.Operator == ast.JSONUnquoteExtractOp) {
		return p.expr(e.Left) + e.Operator + p.expr(e.Right)
	}
	switch e.Operator {
	case ast.JSONExtractOp:
		return "json_extract(" + p.expr(e.Left) + "," + p.expr(e.Right) + ")"
	case ast.JSONUnquoteExtractOp:
		return "json_unquote(json_extract(" + p.expr(e.Left) + "," + p.expr(e.Right) + "))"
	}
	sign := strings.TrimSpace(e.Operator)
	if strings.EqualFold(sign, "div") {
		sign = "DIV"
	}
	if i, ok := e.Left.(*ast.IntervalExpr); ok && sign == "+" {
		return "(" + p.expr(e.Right) + " + " + p.interval(i) + ")"
	}
	if i, ok := e.Right.(*ast.IntervalExpr); ok {
		return "(" + p.expr(e.Left) + " " + sign + " " + p.interval(i) + ")"
	}
	return "(" + p.operand(e.Left) + " " + sign + " " + p.operand(e.Right) + ")"
}

// interval writes INTERVAL with its number and unit.
func (p *exprPrinter) interval(i *ast.IntervalExpr) string {
	return "interval " + p.expr(i.Expr) + " " + strings.ToLower(i.Unit)
}

// unary writes an operation of one value: of a number the sign is part of it.
func (p *exprPrinter) unary(e *ast.UnaryExpr) string {
	switch e.Operator {
	case ast.UPlusStr:
		return p.expr(e.Expr)
	case ast.UMinusStr, ast.TildaStr:
		return e.Operator + "(" + p.expr(e.Expr) + ")"
	case ast.BangStr:
		return p.negation(e.Expr)
	case ast.BinaryStr:
		if p.kept {
			return "(binary " + p.expr(e.Expr) + ")"
		}
		return "cast(" + p.expr(e.Expr) + " as char charset binary)"
	}
	v, ok := e.Expr.(*ast.SQLVal)
	introducer := strings.TrimSpace(e.Operator)
	for word, mark := range expr.MomentMarks {
		if mark == introducer && ok {
			return strings.ToUpper(word) + printedText(string(v.Val))
		}
	}
	if !ok || rewrite.Unmarked(introducer) != introducer || slices.Contains([]string{"_dec8", "_cp850", "_hp8", "_swe7"}, introducer) { // a mark
		return p.fail()
	}
	if v.Type != ast.StrVal {
		return introducer + " " + p.literal(v)
	}
	return introducer + printedText(string(v.Val))
}

func (p *exprPrinter) caseOf(e *ast.CaseExpr) string {
	text := "(case "
	if e.Expr != nil {
		text += p.expr(e.Expr) + " "
	}
	for _, w := range e.Whens {
		text += "when " + p.expr(w.Cond) + " then " + p.expr(w.Val) + " "
	}
	if e.Else != nil {
		text += "else " + p.expr(e.Else) + " "
	}
	return text + "end)"
}

// cast writes CAST, and CONVERT as one.
func (p *exprPrinter) cast(e *ast.ConvertExpr) string {
	if p.kept && strings.EqualFold(e.Type.Type, "date") {
		return "date(" + p.expr(e.Expr) + ")" // it is the same, and what indexes are looked for with
	}
	typ, size, charset := strings.ToLower(e.Type.Type), "", ""
	if e.Type.Length != nil {
		size = string(e.Type.Length.Val)
	}
	switch typ {
	case "signed", "unsigned", "date", "json", "float", "double", "real", "year", "datetime", "time":
	case "char", "nchar", "character":
		if !p.kept {
			charset = " charset utf8mb4"
		}
		if e.Type.Charset != "" {
			charset = " charset " + strings.ToLower(e.Type.Charset)
		}
		typ = "char"
	case "binary":
		if !p.kept {
			typ, charset = "char", " charset binary"
		}
	case "decimal", "dec":
		typ = "decimal"
		if size == "" {
			size = "10"
		}
		if e.Type.Scale != nil {
			size += "," + string(e.Type.Scale.Val)
		} else {
			size += ",0"
		}
	default:
		return p.fail()
	}
	if size != "" {
		size = "(" + size + ")"
	}
	return "cast(" + p.expr(e.Expr) + " as " + typ + size + charset + ")"
}

func (p *exprPrinter) trim(e *ast.TrimExpr) string {
	from, ok := e.Pattern.(*ast.SQLVal)
	blank := ok && from.Type == ast.StrVal && string(from.Val) == " "
	side := map[string]string{ast.Both: "both ", ast.Leading: "leading ", ast.Trailing: "trailing "}[e.Dir]
	switch {
	case e.Dir == ast.Both && blank:
		return "trim(" + p.expr(e.Str) + ")"
	case blank:
		return "trim(" + side + "from " + p.expr(e.Str) + ")"
	}
	return "trim(" + side + p.expr(e.Pattern) + " from " + p.expr(e.Str) + ")"
}

func (p *exprPrinter) groupConcat(e *ast.GroupConcatExpr) string {
	text := "group_concat("
	if e.Distinct != "" {
		text += "distinct "
	}
	text += p.arguments(e.Exprs)
	for i, o := range e.OrderBy {
		text += orderWord(i) + p.expr(o.Expr) + " " + strings.ToUpper(o.Direction)
	}
	separator := e.Separator.SeparatorString
	if e.Separator.DefaultSeparator {
		separator = ","
	}
	return text + " separator " + printedText(separator) + ")"
}

// arguments writes those of a function.
func (p *exprPrinter) arguments(list ast.SelectExprs) string {
	out := make([]string, len(list))
	for i, e := range list {
		a, ok := e.(*ast.AliasedExpr)
		if !ok {
			return p.fail()
		}
		out[i] = p.expr(a.Expr)
	}
	return strings.Join(out, ",")
}

// argument returns one of a function's arguments, nil if it has none there.
func argument(e *ast.FuncExpr, i int) ast.Expr {
	if i < len(e.Exprs) {
		if a, ok := e.Exprs[i].(*ast.AliasedExpr); ok {
			return a.Expr
		}
	}
	return nil
}

// call writes a call of a function, or the operation that it stands for.
func (p *exprPrinter) call(e *ast.FuncExpr) string {
	name := e.Name.Lowered()
	if !e.Qualifier.IsEmpty() {
		return syntax.QuoteName(e.Qualifier.String()) + "." + syntax.QuoteName(e.Name.String()) + "(" + p.arguments(e.Exprs) + ")"
	}
	if p.stored != nil && p.stored(name) {
		return syntax.QuoteName(e.Name.String()) + "(" + p.arguments(e.Exprs) + ")"
	}
	if other, ok := functionNames[name]; ok && (!p.kept || name == expr.IntervalFunction) {
		name = other
	}
	if of, kind, ok := rewrite.ArrayCast(e); ok && p.kept {
		return expr.ArrayFunction + "(" + p.expr(of) + ",'" + kind + "')"
	} else if ok {
		return "cast(" + p.expr(of) + " as " + shownArrayType(kind) + " array)"
	}
	if strings.HasPrefix(name, "_") {
		return p.fail() // it stands for what the grammar has not
	}
	one, two := argument(e, 0), argument(e, 1)
	switch {
	case p.kept && name != "get_format":
	case name == "mod" && len(e.Exprs) == 2 && one != nil && two != nil:
		return "(" + p.expr(one) + " % " + p.expr(two) + ")"
	case name == "isnull" && len(e.Exprs) == 1 && one != nil:
		return "(" + p.expr(one) + " is null)"
	case castOf[name] != "" && len(e.Exprs) == 1 && one != nil:
		return "cast(" + p.expr(one) + " as " + castOf[name] + ")"
	case shiftedBy[name] != "" && len(e.Exprs) == 2 && one != nil && two != nil:
		i, ok := two.(*ast.IntervalExpr)
		if !ok {
			i = &ast.IntervalExpr{Expr: two, Unit: "day"}
		}
		return "(" + p.expr(one) + " " + shiftedBy[name] + " " + p.interval(i) + ")"
	case (name == "week" || name == "yearweek") && len(e.Exprs) == 1:
		return name + "(" + p.arguments(e.Exprs) + ",0)"
	case name == "weekofyear" && len(e.Exprs) == 1:
		return "week(" + p.arguments(e.Exprs) + ",3)"
	case name == "json_value" && len(e.Exprs) == 7:
		return p.jsonValue(e)
	case name == "get_format" && len(e.Exprs) == 2:
		if kind, ok := one.(*ast.SQLVal); ok && two != nil {
			return "get_format(" + strings.ToUpper(string(kind.Val)) + ", " + p.expr(two) + ")"
		}
	}
	args := ""
	_, star := firstOf(e.Exprs).(*ast.StarExpr)
	digits, ok := one.(*ast.SQLVal)
	switch {
	case name == "count" && star:
		args = "0"
	case len(e.Exprs) == 1 && ok && digits.Type == ast.IntVal && string(digits.Val) == "0" && rewrite.PresentFunctions[name] != "":
	default:
		args = p.arguments(e.Exprs)
	}
	if e.Distinct {
		args = "distinct " + args
	}
	return name + "(" + args + ")" + p.over(e.Over)
}

func firstOf(list ast.SelectExprs) ast.SelectExpr {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// jsonValue writes JSON_VALUE with clauses, which the marks have made arguments of.
func (p *exprPrinter) jsonValue(e *ast.FuncExpr) string {
	words := func(i int) string {
		if v, ok := argument(e, i).(*ast.SQLVal); ok && v.Type == ast.StrVal {
			return string(v.Val)
		}
		return p.fail()
	}
	text := "json_value(" + p.arguments(e.Exprs[:2])
	if typ := words(2); typ != "" {
		text += " returning " + strings.ToLower(typ)
	}
	for i, on := range []string{" on empty", " on error"} {
		switch kind := words(3 + 2*i); kind {
		case "":
		case "default":
			text += " default " + p.expr(argument(e, 4+2*i)) + on
		default:
			text += " " + kind + on
		}
	}
	return text + ")"
}

// over writes the window of a function.
func (p *exprPrinter) over(o *ast.Over) string {
	if o == nil {
		return ""
	}
	w := (*ast.WindowDef)(o)
	if !w.NameRef.IsEmpty() && len(w.PartitionBy) == 0 && len(w.OrderBy) == 0 && w.Frame == nil {
		return " OVER " + syntax.QuoteName(w.NameRef.String())
	}
	return " OVER " + p.window(w)
}

// window writes what a window is.
func (p *exprPrinter) window(w *ast.WindowDef) string {
	text := "("
	if !w.NameRef.IsEmpty() {
		text += syntax.QuoteName(w.NameRef.String()) + " "
	}
	if len(w.PartitionBy) > 0 {
		text += "PARTITION BY " + p.list(w.PartitionBy) + " "
	}
	for i, o := range w.OrderBy {
		if i == 0 {
			text += "ORDER BY "
		} else {
			text += ","
		}
		if text += p.expr(o.Expr); o.Direction == ast.DescScr {
			text += " desc"
		}
		if i == len(w.OrderBy)-1 {
			text += " "
		}
	}
	if f := w.Frame; f != nil {
		unit := "RANGE "
		if f.Unit == ast.RowsUnit {
			unit = "ROWS "
		}
		end := f.Extent.End
		if end == nil {
			end = &ast.FrameBound{Type: ast.CurrentRow}
		}
		text += unit + "BETWEEN " + p.bound(f.Extent.Start) + " AND " + p.bound(end)
	}
	return text + ") "
}

// bound writes where a frame begins or ends.
func (p *exprPrinter) bound(b *ast.FrameBound) string {
	switch b.Type {
	case ast.CurrentRow:
		return "CURRENT ROW"
	case ast.UnboundedPreceding:
		return "UNBOUNDED PRECEDING"
	case ast.UnboundedFollowing:
		return "UNBOUNDED FOLLOWING"
	}
	text := ""
	if i, ok := b.Expr.(*ast.IntervalExpr); ok {
		text = "INTERVAL " + p.expr(i.Expr) + " " + strings.ToLower(i.Unit) + " "
	} else {
		text = p.expr(b.Expr)
	}
	if b.Type == ast.ExprPreceding {
		return text + " PRECEDING"
	}
	return text + " FOLLOWING"
}

// subquery writes one in parentheses. The columns that it selects have no names, as they have nothing to do there.
func (p *exprPrinter) subquery(q *ast.Subquery) string {
	if p.query == nil || len(q.Columns) > 0 {
		return p.fail()
	}
	return "(" + p.query(q.Select, false) + ")"
}

// shownArrayType returns the type of a CAST to an array as MySQL shows it.
func shownArrayType(kind string) string {
	kind, size, sized := strings.Cut(strings.ReplaceAll(kind, " ", ""), "(")
	switch kind {
	case "dec", "decimal":
		digits, scale, _ := strings.Cut(strings.TrimSuffix(size, ")"), ",")
		return "decimal(" + cmp.Or(digits, "10") + ", " + cmp.Or(scale, "0") + ")"
	case "character", "nchar":
		kind = "char"
	default:
		kind = strings.TrimSuffix(strings.TrimSuffix(kind, "eger"), "int")
	}
	if sized {
		kind += "(" + size
	}
	return kind
}
