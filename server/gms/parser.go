package gms

import (
	"context"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// parser is the planner's MySQL parser with what it drops put back: lock clauses
// (see annotator), FOR SHARE, and the direction of index columns.
type parser struct {
	base    *sql.MysqlParser
	routine bool // bodies of procedures are for the interpreter, see forPlanner
	mysql   bool // expressions of definitions are what they are in MySQL, see rewriteExpressions
	raw     bool // statements are as the grammar has them, with their marks: for those who write them again
}

var _ sql.Parser = (*parser)(nil)

func newParser() *parser { return &parser{base: sql.NewMysqlParser()} }

// ParseSimple implements sql.Parser.
func (p *parser) ParseSimple(query string) (ast.Statement, error) {
	var stmt ast.Statement
	_, _, err := p.parse(context.Background(), quotedWords(plainComments(query)), func(marked string) (err error) {
		stmt, err = p.base.ParseSimple(marked)
		return err
	}, &stmt)
	if err == nil {
		withAssigned(query, stmt, p.mysql)
	}
	return stmt, err
}

// parse parses a text with f, which gets it with marks in the place of the words that the
// grammar lacks, and completes the statement. Returns the text that the statement is of
// and where the marks are.
func (p *parser) parse(ctx context.Context, query string, f func(marked string) error, stmt *ast.Statement) (string, edits, error) {
	if err := noPartitions(ctx, query); err != nil {
		return query, nil, err
	}
	query, err := explainFormats(ctx, query)
	if err != nil {
		return query, nil, err
	}
	var made edits
	if served(ctx) {
		if containsFold(query, "algorithm") || containsFold(query, "lock") {
			if words := leading(query, 2); phrase(words, "alter", "table") {
				if _, _, _, err := online(query); err != nil {
					return query, nil, err
				}
			}
		}
		if containsFold(query, "schedule") {
			sctx := ctx.(*sql.Context)
			var err error
			if query, err = sctx.Session.(*Session).eventTimes(sctx, query); err != nil {
				return query, nil, err
			}
		}
		if err := emptyAggregates(query); err != nil {
			return query, nil, err
		}
		query = createSelect(query)
	}
	var file *exchange
	sent := rewriteForShare(query)
	err = withQuotedNames(served(ctx), sent, func(q string) (err error) {
		var marked string
		query = q
		if marked, file, err = exchanges(ctx, q); err != nil {
			return err
		}
		marksOnly := marked == q
		marked, made = withMarks(marked)
		err = f(marked)
		if err == nil {
			if marksOnly {
				made.names(*stmt, sent, q, p.routine)
			}
		} else {
			c := chained(marked)
			if !served(ctx) || c == marked || f(c) != nil {
				return made.sentError(err)
			}
			if err := unchain(*stmt); err != nil {
				return err
			}
		}
		if err := shallow(marked, *stmt); err != nil {
			return err
		}
		return nil
	})
	if err == nil && p.raw {
		return query, made, nil
	}
	if err == nil && served(ctx) {
		authorizeLoad(ctx, *stmt)
		if err = setOperations(query, stmt); err == nil {
			err = p.views(ctx.(*sql.Context), stmt)
		}
	}
	if err == nil && file != nil {
		err = file.attach(*stmt)
	}
	if err == nil {
		err = p.after(ctx, query, *stmt, made)
	}
	return query, made, err
}

// Parse implements sql.Parser.
func (p *parser) Parse(ctx *sql.Context, query string, multi bool) (ast.Statement, string, string, error) {
	stmt, one, rest, err := p.ParseWithOptions(ctx, query, ';', multi, sql.LoadSqlMode(ctx).ParserOptions())
	if err == nil {
		err = p.definesView(ctx, query, stmt)
	}
	return stmt, one, rest, err
}

// ParseWithOptions implements sql.Parser.
func (p *parser) ParseWithOptions(ctx context.Context, query string, delimiter rune, multi bool,
	options ast.ParserOptions) (ast.Statement, string, string, error) {
	sent := query
	query = quotedWords(plainComments(query))
	if err := identifiers(ctx, query); err != nil {
		return nil, "", "", err
	}
	if stmt, end, err := own(ctx, query); stmt != nil || err != nil {
		rest := ""
		if multi {
			rest = sql.RemoveSpaceAndDelimiter(strings.TrimPrefix(query[end:], ";"), ';')
		}
		return stmt, query[:end], rest, err
	}
	stmt, one, rest, err := p.planners(ctx, query, delimiter, multi, options)
	if err == nil && query != sent {
		withViewText(stmt, one)
	}
	return stmt, one, rest, err
}

// withViewText gives a CREATE VIEW the text of its query where the planner may have another than the one that was parsed.
func withViewText(stmt ast.Statement, parsed string) {
	if d, ok := stmt.(*ast.DDL); ok && d.ViewSpec != nil && d.SubStatementPositionStart <= len(parsed) {
		d.SubStatementStr = parsed[d.SubStatementPositionStart:min(d.SubStatementPositionEnd, len(parsed))]
	}
}

// planners parses a statement of the planner's grammar.
func (p *parser) planners(ctx context.Context, query string, delimiter rune, multi bool,
	options ast.ParserOptions) (ast.Statement, string, string, error) {
	stmt, one, rest, err := p.grammarsOwn(ctx, query, delimiter, multi, options)
	if text := executedView(ctx, stmt); err == nil && text != "" {
		stmt, one, _, err = p.ParseWithOptions(ctx, text, ';', false, options)
		return stmt, one, rest, err
	}
	if err != nil {
		if stmt, one, rest, berr := p.blockBody(ctx, query, options); stmt != nil || berr != nil {
			return stmt, one, rest, berr
		}
	}
	return stmt, one, rest, notInPrograms(query, err)
}

// grammarsOwn parses a statement as the planner's grammar has it.
func (p *parser) grammarsOwn(ctx context.Context, query string, delimiter rune, multi bool,
	options ast.ParserOptions) (ast.Statement, string, string, error) {
	var stmt ast.Statement
	var parsed, rest string
	length := 0
	query, made, err := p.parse(ctx, sql.RemoveSpaceAndDelimiter(query, delimiter), func(marked string) (err error) {
		if !strings.Contains(marked, chainMark) { // which is not in the text that is counted
			length = len(marked)
		}
		stmt, parsed, rest, err = p.base.ParseWithOptions(ctx, marked, delimiter, multi, options)
		return err
	}, &stmt)
	if made != nil && err == nil {
		end := made.sent(length - len(rest))
		parsed, rest = sql.RemoveSpaceAndDelimiter(query[:end], delimiter), query[end:]
	}
	if d, ok := stmt.(*ast.DDL); ok {
		d.SubStatementPositionEnd = min(d.SubStatementPositionEnd, max(len(parsed), d.SubStatementPositionStart)) // without the delimiter
	}
	return stmt, parsed, rest, err
}

// ParseOneWithOptions implements sql.Parser. The index returned is of no use where
// the text was rewritten; the planner prepares statements this way, and drops it.
func (p *parser) ParseOneWithOptions(ctx context.Context, query string,
	options ast.ParserOptions) (ast.Statement, int, error) {
	sent := query
	query = quotedWords(plainComments(query))
	if err := identifiers(ctx, query); err != nil {
		return nil, 0, err
	}
	if stmt, end, err := own(ctx, query); stmt != nil || err != nil {
		return stmt, end, err
	}
	if served(ctx) && changesEvent(query) {
		return nil, 0, mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
	}
	var stmt ast.Statement
	var n int
	_, made, err := p.parse(ctx, query, func(marked string) (err error) {
		stmt, n, err = p.base.ParseOneWithOptions(ctx, marked, options)
		return err
	}, &stmt)
	if err != nil {
		if stmt, one, _, berr := p.blockBody(ctx, query, options); stmt != nil || berr != nil {
			return stmt, len(one), berr
		}
		return nil, 0, notInPrograms(query, err)
	}
	if sctx, ok := ctx.(*sql.Context); ok && served(ctx) {
		sctx.Session.(*Session).prepared.view = query
	}
	if query != sent {
		withViewText(stmt, query)
	}
	err = p.definesView(ctx, query, stmt)
	return stmt, made.sent(n), err
}

// executedView returns the text of the CREATE VIEW that an EXECUTE is of, "" if it is of another statement.
func executedView(ctx context.Context, stmt ast.Statement) string {
	if x, ok := stmt.(*ast.Execute); ok && served(ctx) {
		return ctx.(*sql.Context).Session.(*Session).prepared.views[x.Name]
	}
	return ""
}

// after completes a statement of query.
func (p *parser) after(ctx context.Context, query string, stmt ast.Statement, made edits) error {
	if e, ok := stmt.(*ast.Explain); ok && served(ctx) {
		explainFormat(e)
		return p.after(ctx, query, e.Statement, made)
	}
	if served(ctx) {
		columnKeys(stmt)
	}
	dropNoColumn(stmt)
	if sctx, ok := ctx.(*sql.Context); ok && served(ctx) && containsFold(query, "select") {
		if s, ok := sctx.Session.(*Session); ok {
			s.outerAggregates(sctx, stmt)
			if containsFold(query, "rollup") {
				if err := s.naturalStars(sctx, stmt); err != nil {
					return err
				}
			}
		}
	}
	if err := refusals(ctx, query, stmt); err != nil {
		return err
	}
	if served(ctx) && containsFold(query, "recursive") {
		if err := recursiveTables(stmt); err != nil {
			return err
		}
	}
	setNextTransaction(stmt)
	modeNumber(stmt)
	sessionDefaults(stmt)
	a := annotator{}
	unique := func(*ast.Select) bool { return false }
	sctx, _ := ctx.(*sql.Context)
	if served(ctx) {
		keepTexts(stmt)
	}
	if made != nil || strings.Contains(query, "~") {
		made.positions(stmt)
		if err := unmark(stmt); err != nil {
			return err
		}
		if sctx != nil && sctx.Session != nil && strings.Contains(query, ":=") {
			if err := declare(sctx, stmt); err != nil {
				return err
			}
		}
	}
	if sctx != nil && sctx.Session != nil {
		a.db = sctx.GetCurrentDatabase()
		if s, ok := sctx.Session.(*Session); ok {
			if s.b.mysql && s.depth == 0 && !p.routine {
				if err := s.columnsOrVariables(sctx, stmt); err != nil {
					return err
				}
			}
			if s.b.mysql {
				if containsFold(query, "select") && (containsFold(query, "natural") || containsFold(query, "using") || containsFold(query, "over") || containsFold(query, "(select")) {
					if err := s.naturalStars(sctx, stmt); err != nil {
						return err
					}
				}
				if err := s.noteVisible(sctx, query, stmt); err != nil {
					return err
				}
				if err := s.like(sctx, stmt); err != nil {
					return err
				}
				if err := s.convert(sctx, query, stmt); err != nil {
					return err
				}
				if err := s.dependents(sctx, stmt); err != nil {
					return err
				}
				if err := s.shownView(sctx, stmt); err != nil {
					return err
				}
			}
			if err := s.upsert(stmt); err != nil {
				return err
			}
			s.deleteJoins(stmt)
			if s.b.mysql && (containsFold(query, "index") || containsFold(query, "key")) {
				if err := s.hintedIndexes(stmt); err != nil {
					return err
				}
			}
			if s.b.mysql && s.depth == 0 && !p.routine { // within programs the names are variables
				if err := s.assignedBefore(sctx, stmt); err != nil {
					return err
				}
			}
			if s.b.mysql && containsFold(query, "not") && sql.LoadSqlMode(sctx).ModeEnabled("HIGH_NOT_PRECEDENCE") {
				if err := highNot(stmt); err != nil {
					return err
				}
			}
			updatedRanges(stmt)
			if s.b.mysql {
				if err := s.orderedExpressions(sctx, stmt); err != nil {
					return err
				}
			}
			s.limit(sctx, stmt)
			if s.b.mysql {
				functionalIndexes(stmt)
			}
			if err := s.noteIndexes(stmt); err != nil {
				return err
			}
			if s.b.mysql {
				if err := s.alterClauses(sctx, query, stmt); err != nil {
					return err
				}
				s.notePrecisions(sctx, stmt)
			}
			if s.b.mysql && (strings.EqualFold(a.db, "mysql") || containsFold(query, "mysql")) {
				mysqlNames(a.db, stmt)
			}
			unique = s.uniqueRow
			if f, ok := stmt.(*ast.Flush); ok && s.b.mysql {
				f.Type = "" // NO_WRITE_TO_BINLOG: there is none
			}
		}
	}
	if n, ok := stmt.(*ast.DDL); ok && sctx != nil {
		qualifyBody(n, a.db)
	}
	a.statement(stmt)
	if served(ctx) {
		markVarying(query, stmt)
	}
	if d, ok := stmt.(*ast.DDL); ok && d.ProcedureSpec != nil {
		procedureBody(d.ProcedureSpec.Body)
		if !p.routine && served(ctx) {
			if err := forPlanner(d.ProcedureSpec); err != nil {
				return located(err, query)
			}
		}
	}
	if d, ok := stmt.(*ast.DDL); ok && !p.routine && served(ctx) && sctx != nil {
		if err := checkBody(sctx, d); err != nil {
			return located(err, query)
		}
	}
	if sctx != nil && !p.routine {
		if s, ok := sctx.Session.(*Session); ok {
			s.sent(stmt)
		}
	}
	return rewriteExpressions(query, stmt, unique, served(ctx) || p.mysql)
}

// rewriteExpressions makes the expressions of a statement what they are in MySQL, where the planner has something else in mind.
func rewriteExpressions(query string, stmt ast.Statement, unique func(*ast.Select) bool, mysql bool) error {
	if d, ok := stmt.(*ast.DDL); ok && d.ViewSpec != nil {
		stmt = d.ViewSpec.ViewExpr
	}
	if mysql && (containsFold(query, "group_concat") || containsFold(query, "instr") || containsFold(query, "extract") ||
		containsFold(query, "substr") || containsFold(query, "mid") || containsFold(query, "trim") || containsFold(query, "char") || containsFold(query, "timestampadd")) {
		functionCalls(stmt)
	}
	if containsFold(query, "collate") && mysql {
		if err := collatedIntroducers(stmt); err != nil {
			return err
		}
	}
	if containsFold(query, "over") && mysql {
		if err := windowFunctions(stmt); err != nil {
			return err
		}
	}
	if mysql && containsFold(query, "select") {
		if err := uniqueNames(stmt); err != nil {
			return err
		}
		if containsFold(query, "(select") {
			if err := innerAggregates(stmt); err != nil {
				return err
			}
		}
	}
	if hasHex(query) && mysql {
		if err := hexLiterals(stmt); err != nil {
			return err
		}
	}
	if (containsFold(query, "case") || containsFold(query, "char") || containsFold(query, "dec") || containsFold(query, "time") || containsFold(query, "using")) && mysql {
		if err := typedForms(stmt); err != nil {
			return err
		}
	}
	if mysql && comparedRowsText.MatchString(query) {
		if err := rowComparisons(stmt); err != nil {
			return err
		}
	}
	if mysql && strings.ContainsAny(query, "0123456789?@'\"") {
		dateNumbers(stmt)
	}
	if strings.ContainsAny(query, ".?@") {
		decimalLiterals(stmt)
	}
	if mysql && (containsFold(query, " in") || containsFold(query, "trim")) {
		memberLists(stmt)
	}
	scalars(stmt, unique)
	if containsFold(query, "regexp") || containsFold(query, "rlike") {
		regexpOperators(stmt)
	}
	if containsFold(query, "binary") && mysql {
		if err := binaryComparisons(stmt); err != nil {
			return err
		}
	}
	if containsFold(query, "having") && mysql {
		if err := havings(stmt); err != nil {
			return err
		}
	}
	if strings.Contains(query, "->") && mysql {
		jsonArrows(stmt)
	}
	if (strings.Contains(query, "->") || containsFold(query, "json_extract")) && mysql {
		jsonLists(stmt)
	}
	if containsFold(query, "against") && mysql {
		if err := joinedMatches(stmt); err != nil {
			return err
		}
		matchModes(stmt)
	}
	if containsFold(query, "like") && mysql {
		rangeLikes(stmt)
	}
	if containsFold(query, "interval") && mysql {
		intervals(stmt)
	}
	return nil
}

// serverVersion is ServerVersion as versioned comments have it.
const serverVersion = 80039

// plainComments makes plain comments of those that MySQL does not execute: /*M! … */,
// which is another server's, and /*!99999 … */ of a later version; and plain text of
// those that it executes, whose ends the grammar would look for in strings and in
// comments within, too. Lengths stay.
func plainComments(query string) string {
	if !strings.Contains(query, "/*M!") && !strings.Contains(query, "/*!") {
		return query
	}
	out := []byte(query)
	executed := false // at is in a comment that is executed
	for at := 0; at < len(query); {
		end := 0
		switch rest := query[at:]; {
		case strings.HasPrefix(rest, "/*M!"):
			out[at+2], out[at+3] = ' ', ' '
			end = strings.Index(rest, "*/")
		case strings.HasPrefix(rest, "/*!"):
			digits, version := 0, 0
			for digits < 6 && digits+3 < len(rest) && rest[digits+3] >= '0' && rest[digits+3] <= '9' {
				version = 10*version + int(rest[digits+3]-'0')
				digits++
			}
			if digits >= 5 && version > serverVersion {
				out[at+2] = ' '
				end = strings.Index(rest, "*/")
				break
			}
			if digits < 5 {
				digits = 0
			}
			executed = true
			copy(out[at:], strings.Repeat(" ", digits+3))
			at += digits + 3
			continue
		case executed && strings.HasPrefix(rest, "*/"):
			executed = false
			copy(out[at:], "  ")
			at += 2
			continue
		}
		if end > 0 {
			at += end + 2
			continue
		}
		_, at = nextWord(query, at)
	}
	return string(out)
}

// rewriteForShare turns FOR SHARE, which the grammar lacks, into FOR UPDATE OF a
// marker that parseLock takes out again, and a lock clause behind one with an OF, of which the
// grammar has one, into more names of its list. Texts without them are returned as they are.
func rewriteForShare(query string) string {
	if !containsFold(query, "share") && !(containsFold(query, "update") && containsFold(query, "of")) {
		return query
	}
	var out strings.Builder
	done, tables, wait := 0, 0, "" // copied so far; where the list of the clause before ends, 0: there is none; how it goes on
	for l := newLexer(query); l.start < len(query); {
		if l.kind == 0 {
			l.at++
			l.next()
			continue
		}
		from, kind := l.start, ""
		if l.accept("for") {
			kind = l.acceptOne("share", "update")
		} else {
			l.next()
		}
		list := kind != "" && l.accept("of")
		names := ""
		if kind == "share" {
			names = "`" + shareMarker + "` "
			if list {
				names = "`" + shareMarker + "`, "
			}
		}
		switch {
		case list && tables > 0:
			out.WriteString(query[done:tables] + ", `" + thenMarker + wait + "`, " + names)
			done = l.start
		case names != "":
			out.WriteString(query[done:from] + "FOR UPDATE OF " + names)
			done = l.start
		}
		tables, wait = 0, ""
		if list {
			l.tableNames()
			tables = l.start
			if l.accept("skip", "locked") {
				wait = "skip locked"
			} else {
				wait = l.acceptOne("nowait")
			}
		}
	}
	if done == 0 {
		return query
	}
	return out.String() + query[done:]
}

// nextWord returns the next word of q at or after at, and where it ends. Anything
// else, a string, a comment, a sign, comes as a word of one blank; white space and
// the end of q as an empty one. (The grammar's tokenizer reads ahead behind FOR, so
// its positions cannot be used.)
func nextWord(q string, at int) (string, int) {
	c := q[at]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return "", at + 1
	case wordByte(c):
		end := at
		for end < len(q) && wordByte(q[end]) {
			end++
		}
		return q[at:end], end
	case c == '\'' || c == '"' || c == '`':
		return " ", quotedEnd(q, at)
	case strings.HasPrefix(q[at:], "/*"):
		if i := strings.Index(q[at+2:], "*/"); i >= 0 && at+2 < len(q) && q[at+2] != '!' {
			return "", at + 2 + i + 2
		}
		return "", at + 2
	case c == '#', strings.HasPrefix(q[at:], "-- "):
		if i := strings.IndexByte(q[at:], '\n'); i >= 0 {
			return "", at + i
		}
		return "", len(q)
	}
	return " ", at + 1
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// quotedEnd returns where a quoted text that begins at at ends.
func quotedEnd(q string, at int) int {
	for i := at + 1; i < len(q); i++ {
		switch {
		case q[i] == '\\' && q[at] != '`':
			i++
		case q[i] == q[at] && i+1 < len(q) && q[i+1] == q[at]:
			i++
		case q[i] == q[at]:
			return i + 1
		}
	}
	return len(q)
}

// containsFold reports whether s contains the ASCII word in any case.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0] && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

var errUnsupported = fmt.Errorf("gms: not supported")
