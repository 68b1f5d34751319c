package gms

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/syntax"
)

// step is a line of EXPLAIN FORMAT=TREE with those below it.
type step struct {
	text       string
	node       sql.Node // nil: the step above it is the node's
	cost, rows float64  // rows < 0: not known
	below      []*step
}

// tree returns the text of EXPLAIN FORMAT=TREE. Its words are MySQL's where MySQL has the
// operation; with measures it is EXPLAIN ANALYZE's.
func (e *explaining) tree(n sql.Node, measured measures) string {
	var out strings.Builder
	e.step(n).write(&out, 0, measured)
	return out.String()
}

func (s *step) write(out *strings.Builder, depth int, measured measures) {
	fmt.Fprintf(out, "%s-> %s", strings.Repeat("    ", depth), s.text)
	if s.rows >= 0 {
		fmt.Fprintf(out, "  (cost=%s rows=%s)", significant(s.cost), significant(s.rows))
	}
	if measured != nil && s.node != nil {
		out.WriteString(measured[s.node].String())
	}
	out.WriteByte('\n')
	for _, b := range s.below {
		b.write(out, depth+1, measured)
	}
}

// over returns a step above another whose rows and cost are the same.
func over(text string, n sql.Node, below ...*step) *step {
	return &step{text: text, node: n, cost: below[0].cost, rows: below[0].rows, below: below}
}

// unknown returns a step of unknown rows.
func unknown(text string, n sql.Node, below ...*step) *step {
	return &step{text: text, node: n, rows: -1, below: below}
}

// step returns the steps of a node and of the subqueries in its expressions.
func (e *explaining) step(n sql.Node) *step {
	s := e.operation(n)
	if x, ok := n.(sql.Expressioner); ok {
		where := "condition"
		if _, ok := n.(*plan.Project); ok {
			where = "projection"
		}
		for _, expr := range x.Expressions() {
			transform.InspectExpr(e.ctx, expr, func(_ *sql.Context, x sql.Expression) bool {
				if sub, ok := x.(*plan.Subquery); ok && e.subs[sub] != nil {
					how := "run only once"
					if !sub.Correlated().Empty() {
						how = "dependent"
					}
					s.below = append(s.below, unknown(fmt.Sprintf("Select #%d (subquery in %s; %s)", e.subs[sub].id, where, how), nil, e.step(sub.Query)))
				}
				return false
			})
		}
	}
	return s
}

func (e *explaining) operation(n sql.Node) *step {
	switch n := n.(type) {
	case *plan.Filter:
		return e.filtered(n, n.Child, n.Expression)
	case *plan.Having:
		return e.filtered(n, n.Child, n.Cond)
	case *plan.Sort:
		return over("Sort: "+orderText(n.SortConditions), n, e.step(n.Child))
	case *plan.TopN:
		sort := over(fmt.Sprintf("Sort: %s, limit input to %s row(s) per chunk", orderText(n.SortConditions), n.Limit), n, e.step(n.Child))
		return over(fmt.Sprintf("Limit: %s row(s)", n.Limit), nil, sort)
	case *plan.Limit:
		if keepsFew(n.Child) {
			return e.step(n.Child)
		}
		if o, ok := n.Child.(*plan.Offset); ok {
			return over(fmt.Sprintf("Limit/Offset: %s/%s row(s)", n.Limit, o.Offset), n, e.step(o.Child))
		}
		return over(fmt.Sprintf("Limit: %s row(s)", n.Limit), n, e.step(n.Child))
	case *plan.GroupBy:
		if len(n.GroupByExprs) == 0 {
			return unknown("Aggregate: "+expressionsText(n.SelectDeps), n, e.step(n.Child))
		}
		if groupsTogether(e.ctx, n) {
			return unknown("Group aggregate: "+expressionsText(n.SelectDeps), n, e.step(n.Child))
		}
		return unknown("Table scan on <temporary>", n, unknown("Aggregate using temporary table", nil, e.step(n.Child)))
	case *plan.Distinct:
		return unknown("Table scan on <temporary>", n, unknown("Temporary table with deduplication", nil, e.step(n.Child)))
	case *plan.Window:
		return unknown("Window aggregate with buffering: "+expressionsText(n.SelectExprs), n, e.step(n.Child))
	case *rowsFirst:
		return e.step(n.Node)
	case *plan.Concat:
		if isUnion(n) {
			left, right := e.step(n.Left()), e.step(n.Right().(*plan.Filter).Child)
			below := append(left.merged(n), right)
			return &step{text: mergedText, node: n, cost: left.cost + right.cost, rows: left.rows + right.rows, below: below}
		}
	case *plan.SetOp:
		left, right := e.step(n.Left()), e.step(n.Right())
		if !n.Distinct && n.SetOpType == plan.UnionType {
			return unknown("Append", n, left, right)
		}
		word := setOpWords[n.SetOpType]
		text := strings.ToUpper(word[:1]) + word[1:] + " materialize"
		if n.Distinct {
			text += " with deduplication"
		}
		return unknown("Table scan on <"+word+" temporary>", n, unknown(text, nil, left, right))
	case *plan.JoinNode:
		return e.join(n)
	case *plan.HashLookup:
		return over("Hash", n, e.step(n.Child))
	case *plan.SubqueryAlias:
		return unknown("Table scan on "+n.Name(), n, over("Materialize", nil, e.step(n.Child)))
	case *plan.RecursiveCte:
		return unknown("Materialize recursive CTE "+n.Name(), n, e.step(n.Left()), unknown("Repeat until convergence", nil, e.step(n.Right())))
	case *plan.RecursiveTable:
		return unknown("Scan new records on "+n.Name(), n)
	case *plan.ResolvedTable, *plan.IndexedTableAccess:
		return e.leaf(n)
	case *plan.EmptyTable:
		return unknown("Zero rows (Impossible WHERE)", n)
	case *plan.TableCountLookup:
		return unknown("Count rows in "+n.Name(), n)
	case *plan.Values:
		return unknown("Rows fetched before execution", n)
	case *plan.InsertInto:
		return unknown("Insert into "+nameOf(n.Destination), n, e.step(n.Source))
	case *plan.Update:
		return unknown("Update "+nameOf(n.Child)+" (immediate)", n, e.step(n.Child))
	case *plan.DeleteFrom:
		return unknown("Delete from "+nameOf(n.Child)+" (immediate)", n, e.step(n.Child))
	}
	switch below := n.Children(); len(below) {
	case 0:
		return unknown(fmt.Sprintf("Rows of %T", n), n)
	case 1:
		return e.step(below[0]) // of no cost, as a projection
	default:
		s := unknown(strings.TrimPrefix(fmt.Sprintf("%T", n), "*plan."), n)
		for _, b := range below {
			s.below = append(s.below, e.step(b))
		}
		return s
	}
}

// mergedText is the step of a union of indexes.
const mergedText = "Deduplicate rows sorted by row ID"

// merged returns the scans of a union of indexes that is the first of n, or of the one scan.
func (s *step) merged(n *plan.Concat) []*step {
	if c, ok := n.Left().(*plan.Concat); ok && isUnion(c) {
		return s.below
	}
	return []*step{s}
}

// keepsFew reports whether a plan ends with a sort that keeps the rows of a LIMIT only.
func keepsFew(n sql.Node) bool {
	for {
		switch x := n.(type) {
		case *plan.TopN:
			return true
		case *plan.Project:
			n = x.Child
		default:
			return false
		}
	}
}

// significant is a number as EXPLAIN has it: three digits that count, and those before
// the point.
func significant(f float64) string {
	if f >= 1000 && f < 1e6 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

func (e *explaining) filtered(n, child sql.Node, where sql.Expression) *step {
	s := over("Filter: "+where.String(), n, e.step(child))
	a := e.of[child]
	if a == nil {
		a = &access{}
	}
	if s.rows >= 0 {
		s.rows = max(min(s.rows, 1), s.rows*e.share(a, where))
	}
	return s
}

func (e *explaining) join(n *plan.JoinNode) *step {
	left, right := e.step(n.Left()), e.step(n.Right())
	kind := "inner join"
	switch {
	case n.Op.IsSemi():
		kind = "semijoin"
	case n.Op.IsAnti():
		kind = "antijoin"
	case n.Op.IsLeftOuter():
		kind = "left join"
	case n.Op.IsFullOuter():
		kind = "full join"
	}
	at := ""
	if _, constant := n.Filter.(*expression.Literal); n.Filter != nil && !constant {
		if at = n.Filter.String(); !strings.HasPrefix(at, "(") {
			at = "(" + at + ")"
		}
		at = " " + at
	}
	s := unknown("", n, left, right)
	once := true // the right side is read once
	switch {
	case n.Op.IsHash() && n.Op.IsPartial():
		s.text = "Hash " + kind + at
	case n.Op.IsHash():
		s.text = strings.ToUpper(kind[:1]) + strings.Replace(kind[1:], " ", " hash ", 1) + at
	case n.Op.IsMerge():
		s.text = "Merge " + kind + at
	case n.Op.IsRange():
		s.text = "Range heap " + kind + at
	default:
		s.text, once = "Nested loop "+kind+at, false
	}
	if left.rows < 0 || right.rows < 0 {
		return s
	}
	s.cost, s.rows = left.cost+right.cost, left.rows*right.rows
	if !once {
		s.cost = left.cost + left.rows*right.cost
	}
	if n.Filter != nil {
		s.rows *= e.share(&access{}, n.Filter)
	}
	switch {
	case n.Op.IsPartial():
		s.rows = min(s.rows, left.rows)
	case n.Op.IsLeftOuter():
		s.rows = max(s.rows, left.rows)
	}
	return s
}

// leaf is how a table is read.
func (e *explaining) leaf(n sql.Node) *step {
	a := e.of[n]
	if a == nil {
		return unknown("Rows fetched before execution", n)
	}
	name := a.table
	if a.key != "" {
		name += " using " + a.key
	}
	covering := func(text string) string {
		if a.covering {
			return "Covering " + strings.ToLower(text[:1]) + text[1:]
		}
		return text
	}
	s := unknown("Table scan on "+name, n)
	switch a.typ {
	case "const", "eq_ref":
		s.text = "Single-row index lookup on " + name + " (" + e.keyText(n, a) + ")"
	case "ref":
		s.text = covering("Index lookup on ") + name + " (" + e.keyText(n, a) + ")"
	case "range":
		if a.loose {
			s.text = "Covering index skip scan for grouping on " + name
			break
		}
		s.text = covering("Index range scan on ") + name + " over " + e.keyText(n, a)
	case "index":
		s.text = covering("Index scan on ") + name
	case "fulltext":
		s.text = "Full-text index search on " + name
	}
	if a.rows >= 0 {
		read, eval := e.cost(a, 1)
		s.cost, s.rows = read+eval, a.rows
	}
	return s
}

// keyText says which part of an index is read.
func (e *explaining) keyText(n sql.Node, a *access) string {
	ix, ok := n.(*plan.IndexedTableAccess)
	if !ok {
		return ""
	}
	var parts []string
	if !ix.IsStatic() {
		for i, x := range ix.Expressions() {
			if i < len(a.parts) {
				parts = append(parts, a.parts[i]+"="+x.String())
			}
		}
		return strings.Join(parts, ", ")
	}
	l, _, err := ix.GetLookup(e.ctx, nil)
	ranges, ok := l.Ranges.(sql.MySQLRangeCollection)
	if err != nil || !ok {
		return ""
	}
	for i, r := range ranges {
		if i == rangesMax {
			parts = append(parts, fmt.Sprintf("(%d more)", len(ranges)-i))
			break
		}
		if a.typ == "range" {
			parts = append(parts, "("+rangeText(r, a.parts, " = ", " AND ")+")")
		} else {
			parts = append(parts, rangeText(r, a.parts, "=", ", "))
		}
	}
	return strings.Join(parts, " OR ")
}

// rangesMax bounds the ranges that EXPLAIN tells.
const rangesMax = 3

func rangeText(r sql.MySQLRange, columns []string, equals, and string) string {
	var parts []string
	for i, name := range columns {
		if i >= len(r) {
			break
		}
		c := r[i]
		lower, upper := valueText(c.LowerBound), valueText(c.UpperBound)
		switch {
		case isPoint(c):
			parts = append(parts, name+equals+lower)
			continue
		case c.LowerBound == (sql.BelowNull{}) && c.UpperBound == (sql.AboveNull{}):
			parts = append(parts, name+" IS NULL")
			continue
		}
		text := name
		if _, below := c.LowerBound.(sql.Below); below && c.HasLowerBound() {
			text = lower + " <= " + text
		} else if c.HasLowerBound() {
			text = lower + " < " + text
		}
		if _, above := c.UpperBound.(sql.Above); above && c.HasUpperBound() {
			text += " <= " + upper
		} else if c.HasUpperBound() {
			text += " < " + upper
		}
		if text != name {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, and)
}

// valueText is a bound as a literal.
func valueText(c sql.MySQLRangeCut) string {
	var key any
	switch c := c.(type) {
	case sql.Below:
		key = c.Key
	case sql.Above:
		key = c.Key
	}
	switch v := key.(type) {
	case nil:
		return "NULL"
	case string:
		return syntax.QuoteText(v)
	case []byte:
		return syntax.QuoteText(string(v))
	default:
		return fmt.Sprint(v)
	}
}

func orderText(by sql.SortConditions) string {
	var parts []string
	for _, f := range by {
		text := planrule.Unaliased(f.Expr).String()
		if f.Order == sql.Descending {
			text += " DESC"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// expressionsText are those of a list that are no plain columns.
func expressionsText(list []sql.Expression) string {
	var parts []string
	for _, x := range list {
		if _, ok := x.(*expression.GetField); !ok {
			parts = append(parts, x.String())
		}
	}
	return strings.Join(parts, ", ")
}
