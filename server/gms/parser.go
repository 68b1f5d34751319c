package gms

import (
	"context"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// parser is the planner's MySQL parser with what it drops put back: lock clauses
// (see annotator), FOR SHARE, and the direction of index columns.
type parser struct {
	base    *sql.MysqlParser
	routine bool         // bodies of procedures are for the interpreter, see forPlanner
	mysql   bool         // expressions of definitions are what they are in MySQL, see rewriteExpressions
	stored  bool         // the text is a view's, not what a client has sent
	scope   *scope       // of the program whose statement the text is, nil: of none
	texts   programTexts // of the body, if routine
	raw     bool         // statements are as the grammar has them, with their marks: for those who write them again
}

var _ sql.Parser = (*parser)(nil)

func newParser() *parser { return &parser{base: sql.NewMysqlParser()} }

// ParseSimple implements sql.Parser.
func (p *parser) ParseSimple(query string) (ast.Statement, error) {
	var stmt ast.Statement
	_, _, err := p.parse(context.Background(), syntax.QuotedWords(syntax.PlainComments(query)), func(marked string) (err error) {
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
func (p *parser) parse(ctx context.Context, query string, f func(marked string) error, stmt *ast.Statement) (string, rewrite.Edits, error) {
	query, clause, err := partitionClause(ctx, query)
	if err != nil {
		return query, nil, err
	}
	query, err = explainFormats(ctx, query)
	if err != nil {
		return query, nil, err
	}
	var made rewrite.Edits
	if value.Served(ctx) {
		if syntax.ContainsFold(query, "algorithm") || syntax.ContainsFold(query, "lock") {
			if words := leading(query, 2); phrase(words, "alter", "table") {
				if _, _, _, err := online(query); err != nil {
					return query, nil, err
				}
			}
		}
		if syntax.ContainsFold(query, "schedule") {
			sctx := ctx.(*sql.Context)
			var err error
			if query, err = sctx.Session.(*Session).eventTimes(sctx, query); err != nil {
				return query, nil, err
			}
		}
		if err := emptyAggregates(query); err != nil {
			return query, nil, err
		}
		query = rewrite.CreateSelect(query)
	}
	var file *exchange
	sent := query
	err = syntax.WithQuotedNames(value.Served(ctx), sent, func(q string) (err error) {
		var marked string
		query = q
		if marked, file, err = exchanges(ctx, q); err != nil {
			return err
		}
		marksOnly := marked == q
		marked, made = rewrite.WithMarks(marked)
		err = f(marked)
		if err == nil {
			if marksOnly {
				_, explained := (*stmt).(*ast.Explain) // its statement's columns have no names by the grammar
				made.Names(*stmt, sent, q, p.routine || explained, value.Served(ctx) && ctx.(*sql.Context).Session.(*Session).plainBackslashes())
			}
		} else {
			c := chained(marked)
			if !value.Served(ctx) || c == marked || f(c) != nil {
				return made.SentError(err)
			}
			if err := unchain(*stmt); err != nil {
				return err
			}
		}
		if err := rewrite.Shallow(marked, *stmt); err != nil {
			return err
		}
		if p.scope != nil {
			*stmt = withoutInto(p.scope.copy(ctx.(*sql.Context), *stmt))
		}
		return nil
	})
	if err == nil {
		err = attachPartitions(*stmt, clause)
	}
	if err == nil && p.raw {
		return query, made, nil
	}
	if err == nil && value.Served(ctx) {
		authorizeLoad(ctx, *stmt)
		if syntax.ContainsFold(query, "recursive") {
			err = rewrite.RecursiveTables(*stmt)
		}
		if err == nil {
			err = rewrite.SetOperations(query, stmt)
		}
		if err == nil {
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
	query = syntax.QuotedWords(syntax.PlainComments(query))
	if err := syntax.Identifiers(ctx, query); err != nil {
		return nil, "", "", err
	}
	if err := programPartitions(ctx, query); err != nil {
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
		end := made.Sent(length - len(rest))
		parsed, rest = sql.RemoveSpaceAndDelimiter(query[:end], delimiter), query[end:]
	}
	if d, ok := stmt.(*ast.DDL); ok {
		d.SubStatementPositionEnd = min(d.SubStatementPositionEnd, max(len(parsed), d.SubStatementPositionStart)) // without the delimiter
		if p.routine {
			p.texts = textsOf(programBody(d), query[d.SubStatementPositionStart:d.SubStatementPositionEnd])
		}
	}
	return stmt, parsed, rest, err
}

// ParseOneWithOptions implements sql.Parser. The index returned is of no use where
// the text was rewritten; the planner prepares statements this way, and drops it.
func (p *parser) ParseOneWithOptions(ctx context.Context, query string,
	options ast.ParserOptions) (ast.Statement, int, error) {
	sent := query
	query = syntax.QuotedWords(syntax.PlainComments(query))
	if err := syntax.Identifiers(ctx, query); err != nil {
		return nil, 0, err
	}
	if err := programPartitions(ctx, query); err != nil {
		return nil, 0, err
	}
	if stmt, end, err := own(ctx, query); stmt != nil || err != nil {
		return stmt, end, err
	}
	if value.Served(ctx) && changesEvent(query) {
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
		return stmt, 0, notInPrograms(query, err)
	}
	if sctx, ok := ctx.(*sql.Context); ok && value.Served(ctx) {
		sctx.Session.(*Session).prepared.view = query
	}
	if query != sent {
		withViewText(stmt, query)
	}
	err = p.definesView(ctx, query, stmt)
	return stmt, made.Sent(n), err
}

// executedView returns the text of the CREATE VIEW that an EXECUTE is of, "" if it is of another statement.
func executedView(ctx context.Context, stmt ast.Statement) string {
	if x, ok := stmt.(*ast.Execute); ok && value.Served(ctx) {
		return ctx.(*sql.Context).Session.(*Session).prepared.views[x.Name]
	}
	return ""
}

// after completes a statement of query.
func (p *parser) after(ctx context.Context, query string, stmt ast.Statement, made rewrite.Edits) error {
	if e, ok := stmt.(*ast.Explain); ok && value.Served(ctx) {
		explainFormat(e)
		return p.after(ctx, query, e.Statement, made)
	}
	if value.Served(ctx) {
		rewrite.ColumnKeys(stmt)
	}
	rewrite.DropNoColumn(stmt)
	if sctx, ok := ctx.(*sql.Context); ok && value.Served(ctx) && syntax.ContainsFold(query, "select") {
		if s, ok := sctx.Session.(*Session); ok {
			s.outerAggregates(sctx, stmt)
			if syntax.ContainsFold(query, "rollup") {
				if err := s.naturalStars(sctx, stmt); err != nil {
					return err
				}
			}
		}
	}
	if sctx, ok := ctx.(*sql.Context); ok && value.Served(ctx) {
		if s, ok := sctx.Session.(*Session); ok {
			s.lenient(sctx, stmt)
		}
	}
	if err := refusals(ctx, query, stmt); err != nil {
		return err
	}
	setNextTransaction(stmt)
	rewrite.ModeNumber(stmt)
	sessionDefaults(stmt)
	a := annotator{}
	unique := func(*ast.Select) bool { return false }
	sctx, _ := ctx.(*sql.Context)
	if value.Served(ctx) {
		keepTexts(stmt)
	}
	if made != nil || strings.Contains(query, "~") {
		made.Positions(stmt)
		if err := rewrite.Unmark(stmt); err != nil {
			return err
		}
		if sctx != nil && sctx.Session != nil && strings.Contains(query, ":=") {
			if err := rewrite.Declare(sctx, stmt); err != nil {
				return err
			}
		}
	}
	if sctx != nil && sctx.Session != nil {
		a.db = sctx.GetCurrentDatabase()
		if s, ok := sctx.Session.(*Session); ok {
			runs := s.depth == 0 && !p.routine || p.scope != nil // it is not looked at only
			if s.b.mysql && runs {                               // names in a body may be its variables
				if err := s.columnsOrVariables(sctx, stmt); err != nil {
					return err
				}
			}
			if s.b.mysql {
				if syntax.ContainsFold(query, "select") && (syntax.ContainsFold(query, "natural") || syntax.ContainsFold(query, "using") || syntax.ContainsFold(query, "over") || syntax.ContainsFold(query, "(select")) {
					if err := s.naturalStars(sctx, stmt); err != nil {
						return err
					}
				}
				if err := s.noteVisible(sctx, query, stmt); err != nil {
					return err
				}
				s.declarer(sctx, stmt)
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
			if err := s.generatedTargets(stmt); err != nil {
				return err
			}
			if err := s.upsert(sctx, stmt); err != nil {
				return err
			}
			if err := s.deleteJoins(sctx, stmt); err != nil {
				return err
			}
			s.checkedDelete(sctx, stmt)
			if s.b.mysql && (syntax.ContainsFold(query, "index") || syntax.ContainsFold(query, "key")) {
				if err := s.hintedIndexes(stmt); err != nil {
					return err
				}
			}
			if s.b.mysql && runs {
				if err := s.assignedBefore(sctx, stmt); err != nil {
					return err
				}
			}
			if s.b.mysql && syntax.ContainsFold(query, "not") && sql.LoadSqlMode(sctx).ModeEnabled("HIGH_NOT_PRECEDENCE") {
				if err := rewrite.HighNot(stmt); err != nil {
					return err
				}
			}
			if s.b.mysql && (syntax.ContainsFold(query, "like") || syntax.ContainsFold(query, "prepare")) && s.plainBackslashes() {
				if err := s.plainTexts(stmt); err != nil {
					return err
				}
			}
			rewrite.UpdatedRanges(stmt)
			if s.b.mysql && sql.LoadSqlMode(sctx).Strict() {
				s.readForErrors(stmt)
			}
			if s.b.mysql {
				if err := s.orderedExpressions(sctx, stmt); err != nil {
					return err
				}
			}
			s.limit(sctx, stmt)
			if s.b.mysql {
				rewrite.FunctionalIndexes(stmt)
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
			if s.b.mysql && (strings.EqualFold(a.db, "mysql") || syntax.ContainsFold(query, "mysql")) {
				mysqlNames(a.db, stmt)
			}
			unique = s.uniqueRow
			if f, ok := stmt.(*ast.Flush); ok && s.b.mysql {
				f.Type = "" // NO_WRITE_TO_BINLOG: there is none
			}
		}
	}
	if n, ok := stmt.(*ast.DDL); ok && sctx != nil {
		rewrite.QualifyBody(n, a.db)
	}
	a.statement(stmt)
	if value.Served(ctx) {
		if syntax.ContainsFold(query, "for") {
			if err := a.lockedOnce(stmt); err != nil {
				return err
			}
		}
		planrule.MarkVarying(query, stmt)
	}
	if d, ok := stmt.(*ast.DDL); ok && d.ProcedureSpec != nil {
		if !p.routine && value.Served(ctx) {
			if err := forPlanner(d.ProcedureSpec); err != nil {
				return located(err, query)
			}
		}
	}
	if d, ok := stmt.(*ast.DDL); ok && !p.routine && value.Served(ctx) && sctx != nil {
		if err := checkBody(sctx, d); err != nil {
			return located(err, query)
		}
	}
	if sctx != nil && !p.routine && !p.stored {
		if s, ok := sctx.Session.(*Session); ok {
			s.sent(stmt)
		}
	}
	return rewriteExpressions(query, stmt, unique, value.Served(ctx) || p.mysql)
}

// rewriteExpressions makes the expressions of a statement what they are in MySQL, where the planner has something else in mind.
func rewriteExpressions(query string, stmt ast.Statement, unique func(*ast.Select) bool, mysql bool) error {
	if d, ok := stmt.(*ast.DDL); ok && d.ViewSpec != nil {
		stmt = d.ViewSpec.ViewExpr
	}
	if mysql && (syntax.ContainsFold(query, "group_concat") || syntax.ContainsFold(query, "instr") || syntax.ContainsFold(query, "extract") ||
		syntax.ContainsFold(query, "substr") || syntax.ContainsFold(query, "mid") || syntax.ContainsFold(query, "trim") || syntax.ContainsFold(query, "char") || syntax.ContainsFold(query, "timestampadd")) {
		rewrite.FunctionCalls(stmt)
	}
	if mysql && (syntax.ContainsFold(query, "date") || syntax.ContainsFold(query, "day") || syntax.ContainsFold(query, "week") || syntax.ContainsFold(query, "timestamp")) {
		rewrite.NumberDates(stmt)
	}
	if strings.Contains(query, "?") && syntax.ContainsFold(query, " by") && mysql {
		rewrite.ParametersOfOrders(stmt)
	}
	if syntax.ContainsFold(query, "collate") && mysql {
		if err := rewrite.CollatedIntroducers(stmt); err != nil {
			return err
		}
	}
	if mysql && (syntax.ContainsFold(query, "over") || syntax.ContainsFold(query, "window")) {
		if err := rewrite.WindowFunctions(stmt); err != nil {
			return err
		}
	}
	if mysql && syntax.ContainsFold(query, "select") {
		if err := rewrite.UniqueNames(stmt); err != nil {
			return err
		}
		if syntax.ContainsFold(query, "(select") {
			if err := innerAggregates(stmt); err != nil {
				return err
			}
		}
	}
	if expr.HasHex(query) && mysql {
		if err := rewrite.HexLiterals(stmt); err != nil {
			return err
		}
	}
	if (syntax.ContainsFold(query, "case") || syntax.ContainsFold(query, "char") || syntax.ContainsFold(query, "binary") || syntax.ContainsFold(query, "dec") || syntax.ContainsFold(query, "time") || syntax.ContainsFold(query, "using")) && mysql {
		if err := rewrite.TypedForms(stmt); err != nil {
			return err
		}
	}
	if mysql && rewrite.ComparedRowsText.MatchString(query) {
		if err := rewrite.RowComparisons(stmt); err != nil {
			return err
		}
	}
	if mysql && strings.ContainsAny(query, "0123456789?@'\"") {
		rewrite.DateNumbers(stmt)
	}
	if strings.ContainsAny(query, ".?@") {
		rewrite.DecimalLiterals(stmt)
	}
	if mysql && (syntax.ContainsFold(query, " in") || syntax.ContainsFold(query, "trim")) {
		rewrite.MemberLists(stmt)
	}
	scalars(stmt, unique)
	if syntax.ContainsFold(query, "regexp") || syntax.ContainsFold(query, "rlike") {
		rewrite.RegexpOperators(stmt)
	}
	if syntax.ContainsFold(query, "binary") && mysql {
		if err := rewrite.BinaryComparisons(stmt); err != nil {
			return err
		}
	}
	if syntax.ContainsFold(query, "having") && mysql {
		if err := rewrite.Havings(stmt); err != nil {
			return err
		}
	}
	if strings.Contains(query, "->") && mysql {
		rewrite.JSONArrows(stmt)
	}
	if (strings.Contains(query, "->") || syntax.ContainsFold(query, "json_extract")) && mysql {
		rewrite.JSONLists(stmt)
	}
	if syntax.ContainsFold(query, "against") && mysql {
		if err := planrule.JoinedMatches(stmt); err != nil {
			return err
		}
		rewrite.MatchModes(stmt)
	}
	if syntax.ContainsFold(query, "like") && mysql {
		rewrite.RangeLikes(stmt)
	}
	if syntax.ContainsFold(query, "interval") && mysql {
		rewrite.Intervals(stmt)
	}
	return nil
}

var errUnsupported = fmt.Errorf("gms: not supported")
