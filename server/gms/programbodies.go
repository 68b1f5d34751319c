package gms

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// checkBody checks the body of a trigger or an event and gives it an empty one: the planner
// does not run it.
func checkBody(ctx *sql.Context, n *ast.DDL) error {
	switch {
	case n.TriggerSpec != nil && n.TriggerSpec.Body != nil:
		s, err := sessionOf(ctx)
		if err != nil {
			return err
		}
		return s.checkTrigger(ctx, n)
	case n.EventSpec != nil && n.EventSpec.Body != nil:
		body := n.EventSpec.Body
		n.EventSpec.Body = &ast.BeginEndBlock{}
		return checkProgram(body, programEvent, "", nil, nil)
	}
	return nil
}

// blockBody parses a CREATE TRIGGER or EVENT whose body is a statement that the grammar
// takes in a block only, nil if the text is none.
func (p *parser) blockBody(ctx context.Context, query string, options ast.ParserOptions) (stmt ast.Statement, one, rest string, err error) {
	h, ok := rewrite.NewObjectHead(query)
	if !ok || !value.Served(ctx) {
		return nil, "", "", nil
	}
	switch l := h.L; h.Kind {
	case "trigger":
		for !l.Accept("for", "each", "row") {
			if l.Kind == 0 {
				return nil, "", "", nil
			}
			l.Next()
		}
		if l.AcceptOne("follows", "precedes") != "" {
			l.Next()
		}
	case "event":
		for !l.Accept("do") {
			if l.Kind == 0 {
				return nil, "", "", nil
			}
			l.Next()
		}
	default:
		return nil, "", "", nil
	}
	const begin, end = "BEGIN ", "; END"
	from := h.L.Start
	if h.L.Is("begin") {
		return nil, "", "", nil
	}
	for at := from; at <= len(query); {
		if at == len(query) || query[at] == ';' {
			text := query[:from] + begin + query[from:at] + end
			stmt, _, _, err := p.grammarsOwn(ctx, text, ';', false, options)
			var own *mysql.SQLError
			if errors.As(err, &own) && own.Num != mysql.ERParseError {
				return nil, "", "", err // of checkBody
			}
			if err == nil {
				rewrite.Edits{{End: from + len(begin), Longer: len(begin)}, {End: len(text), Longer: len(begin) + len(end)}}.Positions(stmt)
				return stmt, query[:at], sql.RemoveSpaceAndDelimiter(strings.TrimPrefix(query[at:], ";"), ';'), nil
			}
			if at == len(query) {
				break
			}
		}
		_, at = syntax.NextWord(query, at)
	}
	return nil, "", "", nil
}

// notInPrograms returns the error of statements that a stored program must not have and that the
// planner's grammar does not know in one; other errors as they are.
func notInPrograms(query string, err error) error {
	if err == nil {
		return nil
	}
	if h, ok := rewrite.NewObjectHead(query); !ok || h.Kind == "view" {
		return err
	}
	near := nearWord.FindStringSubmatch(err.Error())
	if near == nil {
		return err
	}
	switch what := strings.ToUpper(near[1]); what {
	case "LOAD":
		return mysql.NewSQLError(1314, "0A000", "LOAD DATA is not allowed in stored procedures")
	case "LOCK", "UNLOCK", "USE":
		return mysql.NewSQLError(1314, "0A000", "%s is not allowed in stored procedures", what)
	}
	return err
}

// nearWord is the word that a syntax error is near.
var nearWord = regexp.MustCompile(`right syntax to use near '(\w+)`)
