package expr

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/fulltext"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/value"
)

// MatchFunction is MATCH … AGAINST with a mode that the planner lacks: of one in natural language mode,
// and the mode.
const MatchFunction = "\x00match"

// match is MATCH … AGAINST on the texts of the columns, for the modes that the planner lacks. Ranks are
// made as InnoDB makes them, of how often words are in the row and in how many rows they are.
type match struct {
	of      *expression.MatchAgainst // what the index has
	mode    string
	columns []sql.Expression
	against sql.Expression
	search  *search
}

// search is what a statement searches for.
type search struct {
	text    string
	list    []BoolTerm
	rows    float64
	weights map[string]float64
}

var (
	_ sql.Expression                 = (*match)(nil)
	_ sql.NonDeterministicExpression = (*match)(nil)
)

// NewMatch returns MATCH … AGAINST of the columns, the text and the mode. Returns the planner's error of a call that is none.
func NewMatch(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 2 {
		of, ok := args[0].(*expression.MatchAgainst)
		mode, isText := LiteralText(args[1])
		if ok && isText {
			return &match{of: of, mode: mode, columns: of.Columns, against: of.Expr, search: &search{}}, nil
		}
	}
	return nil, sql.ErrFunctionNotFound.New("match")
}

// naturalMatch returns a MATCH in natural language mode that does without the hash of the row, nil where the
// planner's serves. The hash is of the stored row in UTC: a statement's row may have a row id, and its
// TIMESTAMPs are in the session's time zone.
func naturalMatch(ctx *sql.Context, e *expression.MatchAgainst) sql.Expression {
	zoned := func(c *sql.Column) bool { return types.IsTimestampType(c.Type) }
	if e.ParentTable == nil || e.KeyCols.Type != fulltext.KeyType_None && !slices.ContainsFunc(e.ParentTable.Schema(ctx), zoned) {
		return nil
	}
	return &match{of: e, mode: ast.NaturalLanguageModeStr, columns: e.Columns, against: e.Expr, search: &search{}}
}

// Resolved implements sql.Expression.
func (m *match) Resolved() bool { return expression.ExpressionsResolved(m.Children()...) }

// String implements sql.Expression.
func (m *match) String() string {
	names := make([]string, len(m.columns))
	for i, c := range m.columns {
		names[i] = c.String()
	}
	return "match(" + strings.Join(names, ",") + ") against (" + m.against.String() + m.mode + ")"
}

// Type implements sql.Expression.
func (m *match) Type(*sql.Context) sql.Type { return types.Float64 }

// IsNullable implements sql.Expression.
func (m *match) IsNullable(*sql.Context) bool { return false }

// IsNonDeterministic implements sql.NonDeterministicExpression: it is not evaluated without a row.
func (m *match) IsNonDeterministic() bool { return true }

// Children implements sql.Expression.
func (m *match) Children() []sql.Expression {
	return append(append([]sql.Expression{}, m.columns...), m.against)
}

// WithChildren implements sql.Expression.
func (m *match) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n := len(m.columns)
	if len(children) != n+1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), n+1)
	}
	return &match{of: m.of, mode: m.mode, columns: children[:n], against: children[n], search: &search{}}, nil
}

// Eval implements sql.Expression.
func (m *match) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := m.against.Eval(ctx, r)
	if err != nil || v == nil {
		return 0.0, err
	}
	text, err := value.TextOf(ctx, v)
	if err != nil {
		return nil, err
	}
	if m.search.weights == nil || m.search.text != text {
		if err := m.prepare(ctx, text); err != nil {
			return nil, err
		}
	}
	d, err := m.document(ctx, m.columns, r)
	if err != nil {
		return nil, err
	}
	var failed error
	found, rank := d.match(m.search.list, func(t BoolTerm) float64 {
		w, err := m.weight(ctx, t)
		if err != nil {
			failed = err
		}
		return w
	})
	if !found {
		rank = 0
	}
	return float64(float32(rank)), failed
}

// collation is that of the columns.
func (m *match) collation(ctx *sql.Context) sql.CollationID {
	if t, ok := m.columns[0].Type(ctx).(sql.StringType); ok {
		return t.Collation()
	}
	return sql.Collation_Default
}

// folded returns words whose bytes are the same where the collation has them equal.
func (m *match) folded(ctx *sql.Context, words []string) []string {
	collation := m.collation(ctx)
	end := len(appendCode(nil, collation, "")) // what begins like a word has no end there
	levels := value.CollationOf(collation).Unicode != nil && value.CollationOf(collation).Unicode.Levels > 1
	out := make([]string, len(words))
	for i, w := range words {
		if !levels {
			code := appendCode(nil, collation, w)
			out[i] = string(code[:len(code)-end])
			continue
		}
		var code []byte
		for _, r := range w {
			code = appendCode(code, collation, string(r))
		}
		out[i] = string(code)
	}
	return out
}

// document returns the texts of columns of a row.
func (m *match) document(ctx *sql.Context, columns []sql.Expression, r sql.Row) (*document, error) {
	d := &document{}
	for _, c := range columns {
		v, err := c.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		text, err := value.TextOf(ctx, v)
		if err != nil {
			return nil, err
		}
		words := TokensOf(text)
		for _, w := range words {
			d.known = append(d.known, Indexed(w))
		}
		d.texts = append(d.texts, words...)
		d.words = append(d.words, m.folded(ctx, words)...)
	}
	return d, nil
}

// prepare reads a search.
func (m *match) prepare(ctx *sql.Context, text string) error {
	s := &search{text: text, weights: map[string]float64{}}
	var err error
	if m.mode == ast.BooleanModeStr {
		s.list, err = ParseBoolean(text)
	} else {
		for _, w := range TokensOf(text) {
			s.list = append(s.list, BoolTerm{words: []string{w}})
		}
	}
	if err != nil {
		return err
	}
	if t, ok := m.of.ParentTable.(sql.StatisticsTable); ok {
		n, _, err := t.RowCount(ctx)
		if err != nil {
			return err
		}
		s.rows = float64(n)
	}
	m.fold(ctx, s.list)
	*m.search = *s
	if m.mode == ast.BooleanModeStr || m.mode == ast.NaturalLanguageModeStr {
		return nil
	}
	return m.expand(ctx)
}

func (m *match) fold(ctx *sql.Context, list []BoolTerm) {
	for i, t := range list {
		list[i].texts, list[i].words = t.words, m.folded(ctx, t.words)
		m.fold(ctx, t.list)
	}
}

// expand adds the words of the rows that a search finds to it.
func (m *match) expand(ctx *sql.Context) error {
	table := m.of.ParentTable
	schema := table.Schema(ctx)
	columns := make([]sql.Expression, len(m.columns))
	for i, c := range m.columns {
		at := schema.IndexOfColName(c.(*expression.GetField).Name())
		columns[i] = expression.NewGetField(at, schema[at].Type, schema[at].Name, true)
	}
	parts, err := table.Partitions(ctx)
	if err != nil {
		return err
	}
	rows := sql.NewTableRowIter(ctx, table, parts)
	defer func() { _ = rows.Close(ctx) }()
	more := map[string]string{} // folded words and their texts
	for {
		r, err := rows.Next(ctx)
		if IsEOF(err) {
			break
		}
		if err != nil {
			return err
		}
		d, err := m.document(ctx, columns, r)
		if err != nil {
			return err
		}
		if found, _ := d.match(m.search.list, func(BoolTerm) float64 { return 1 }); found {
			for i, w := range d.words {
				if d.known[i] {
					more[w] = d.texts[i]
				}
			}
		}
	}
	for _, t := range m.search.list {
		delete(more, t.words[0])
	}
	for w, text := range more {
		m.search.list = append(m.search.list, BoolTerm{words: []string{w}, texts: []string{text}})
	}
	return nil
}

// weight is InnoDB's of a term, the square of its inverse document frequency.
func (m *match) weight(ctx *sql.Context, t BoolTerm) (float64, error) {
	key := strings.Join(t.words, " ")
	if w, ok := m.search.weights[key]; ok {
		return w, nil
	}
	in := 0.0
	for _, w := range t.texts { // a phrase is as rare as its rarest word
		n, err := m.rowsWith(ctx, w)
		if err != nil {
			return 0, err
		}
		if n > 0 && (in == 0 || n < in) {
			in = n
		}
	}
	idf := 0.0001 // a word of every row
	if in > 0 && in < m.search.rows {
		idf = math.Log10(m.search.rows / in)
	}
	m.search.weights[key] = idf * idf
	return idf * idf, nil
}

// rowsWith returns in how many rows a word is, by the index.
func (m *match) rowsWith(ctx *sql.Context, word string) (float64, error) {
	table := m.of.GlobalCountTable
	indexes, err := table.GetIndexes(ctx)
	if err != nil || len(indexes) == 0 {
		return 0, err
	}
	lookup := sql.IndexLookup{Index: indexes[0], Ranges: sql.MySQLRangeCollection{
		{sql.ClosedRangeColumnExpr(word, word, table.Schema(ctx)[0].Type)}}}
	data := table.IndexedAccess(ctx, lookup)
	parts, err := data.LookupPartitions(ctx, lookup)
	if err != nil {
		return 0, err
	}
	rows, err := sql.RowIterToRows(ctx, sql.NewTableRowIter(ctx, data, parts))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	n, _ := rows[0][1].(uint64)
	return float64(n), nil
}

// IsEOF reports whether an error says that there are no more rows.
func IsEOF(err error) bool { return errors.Is(err, io.EOF) }
