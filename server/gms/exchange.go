package gms

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// exchange is the format of a file that LOAD DATA reads or SELECT … INTO OUTFILE writes.
type exchange struct {
	charset              string // "": the database's, or as it is
	terminated, enclosed string // of fields
	escaped              string
	starting, lines      string // of lines
	optionally           bool
	columns              []string // LOAD DATA's list of columns and @variables
}

// newExchange is MySQL's default.
func newExchange() exchange { return exchange{terminated: "\t", escaped: "\\", lines: "\n"} }

// fixed reports whether fields have fixed widths.
func (x *exchange) fixed() bool { return x.terminated == "" && x.enclosed == "" }

// carried is what marks a text that carry has made.
const carried = "\x00exchange "

// carry returns the format as a text, which takes the place of one of the planner's nodes:
// they keep less.
func (x *exchange) carry() string {
	return fmt.Sprintf(carried+"%q %q %q %q %q %q %t %q", x.charset, x.terminated, x.enclosed, x.escaped, x.starting, x.lines,
		x.optionally, strings.Join(x.columns, "\x00"))
}

// carriedExchange returns the format that a text carries, false if it carries none.
func carriedExchange(text string) (x exchange, ok bool) {
	text, ok = strings.CutPrefix(text, carried)
	if !ok {
		return x, false
	}
	var columns string
	if _, err := fmt.Sscanf(text, "%q %q %q %q %q %q %t %q", &x.charset, &x.terminated, &x.enclosed, &x.escaped, &x.starting, &x.lines,
		&x.optionally, &columns); err != nil {
		return x, false
	}
	if columns != "" {
		x.columns = strings.Split(columns, "\x00")
	}
	return x, true
}

// outfileSeparator stands between the format of a SELECT … INTO OUTFILE and the file's name.
const outfileSeparator = "\x00file "

// exchangeOf returns the file and the format of a SELECT … INTO OUTFILE.
func exchangeOf(n *plan.Into) (string, exchange) {
	if text, name, ok := strings.Cut(n.Outfile, outfileSeparator); ok {
		if x, ok := carriedExchange(text); ok {
			return name, x
		}
	}
	return n.Outfile, exchange{
		terminated: n.FieldsTerminatedBy, enclosed: n.FieldsEnclosedBy, escaped: n.FieldsEscapedBy,
		starting: n.LinesStartingBy, lines: n.LinesTerminatedBy, optionally: n.FieldsEnclosedByOpt,
	}
}

// exchanges reads the file format of a LOAD DATA or a SELECT … INTO OUTFILE, and returns
// the text with blanks in its place: the grammar takes the options in one order only and
// not all of them. nil if the text has none.
func exchanges(ctx context.Context, query string) (string, *exchange, error) {
	if !value.Served(ctx) {
		return query, nil, nil
	}
	l := &syntax.Lexer{Q: query, Ansi: syntax.AnsiQuotes(ctx)}
	out := []byte(query)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	words := leading(query, 2)
	switch {
	case len(words) < 2:
		return query, nil, nil
	case phrase(words, "load", "data"):
		l.Next()
		l.Accept("load", "data")
		from := l.Start
		if l.AcceptOne("low_priority", "concurrent") != "" {
			blank(from, l.Start)
		}
		l.Accept("local")
		if !l.Accept("infile") || l.Kind != 's' {
			return query, nil, nil
		}
		l.Next()
		l.AcceptOne("replace", "ignore")
		if !l.Accept("into", "table") {
			return query, nil, nil
		}
		if l.Name(); l.Accept(".") {
			l.Name()
		}
	case syntax.ContainsFold(query, "outfile") && words[0] != "create" && words[0] != "alter":
		for l.Next(); l.Kind != 0; l.Next() {
			if l.Accept("into", "outfile") {
				break
			}
		}
		if l.Kind != 's' {
			return query, nil, nil
		}
		l.Next()
	default:
		return query, nil, nil
	}
	from := l.Start
	defaults := newExchange()
	if ctx.(*sql.Context).Session.(*Session).plainBackslashes() {
		defaults.escaped = ""
	}
	x, err := readExchange(l, defaults)
	if err != nil {
		return query, nil, err
	}
	blank(from, l.Start)
	return string(out), x, nil
}

// readExchange reads the options of a file.
func readExchange(l *syntax.Lexer, x exchange) (*exchange, error) {
	if l.Accept("character", "set") || l.Accept("charset") {
		if l.Kind != 'w' && l.Kind != 's' && l.Kind != 'i' {
			return nil, l.Syntax()
		}
		x.charset = strings.ToLower(l.Text)
		if _, err := sql.ParseCharacterSet(x.charset); err != nil {
			return nil, mysql.NewSQLError(1115, "42000", "Unknown character set: '%s'", x.charset)
		}
		l.Next()
	}
	var err error
	option := func(to *string, words ...string) bool {
		if err != nil || !l.Accept(words...) {
			return false
		}
		*to, err = l.Bytes()
		return true
	}
	if l.AcceptOne("fields", "columns") != "" {
		any := false
		for option(&x.terminated, "terminated", "by") || option(&x.enclosed, "enclosed", "by") || option(&x.escaped, "escaped", "by") ||
			option(&x.enclosed, "optionally", "enclosed", "by") && optional(&x.optionally) {
			any = true
		}
		if err == nil && !any {
			err = l.Syntax()
		}
	}
	if err == nil && l.Accept("lines") {
		any := false
		for option(&x.starting, "starting", "by") || option(&x.lines, "terminated", "by") {
			any = true
		}
		if err == nil && !any {
			err = l.Syntax()
		}
	}
	if err == nil && (len(x.enclosed) > 1 || len(x.escaped) > 1) {
		err = mysql.NewSQLError(1083, "42000", "Field separator argument is not what is expected; check the manual")
	}
	return &x, err
}

func optional(b *bool) bool {
	*b = true
	return true
}

// attach gives the statement the format of its file.
func (x *exchange) attach(stmt ast.Statement) error {
	if load, ok := stmt.(*ast.Load); ok {
		return x.attachLoad(load)
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if into, ok := n.(*ast.Into); ok && into != nil && into.Outfile != "" {
			into.Outfile = x.carry() + outfileSeparator + into.Outfile
		}
		return true, nil
	}, stmt)
}

func (x *exchange) attachLoad(load *ast.Load) error {
	for _, c := range load.Columns {
		x.columns = append(x.columns, c.String())
	}
	for _, e := range load.SetExprs {
		if err := syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if _, ok := n.(*ast.Subquery); ok {
				return false, value.ErrNotSupported("LOAD DATA … SET with a subquery")
			}
			return true, nil
		}, e); err != nil {
			return err
		}
	}
	load.Charset = x.carry()
	for _, e := range load.SetExprs { // or the planner forgets them where all of the list are variables
		if !slices.ContainsFunc(load.Columns, e.Name.Name.Equal) {
			load.Columns = append(load.Columns, e.Name.Name)
		}
	}
	return nil
}

// authorizeLoad says which privileges a LOAD DATA needs: FILE is for the server's files.
func authorizeLoad(ctx context.Context, stmt ast.Statement) {
	load, ok := stmt.(*ast.Load)
	if !ok {
		return
	}
	db := load.Table.DbQualifier.String()
	if sctx, ok := ctx.(*sql.Context); ok && db == "" {
		db = sctx.GetCurrentDatabase()
	}
	load.Auth = ast.AuthInformation{AuthType: ast.AuthType_INSERT, TargetType: ast.AuthTargetType_SingleTableIdentifier,
		TargetNames: []string{db, load.Table.Name.String()}}
	if load.IgnoreOrReplace == ast.ReplaceStr {
		load.Auth.AuthType = ast.AuthType_REPLACE
	}
}
