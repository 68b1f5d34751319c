package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// lockMode is how one table reference of a statement is to be read.
type lockMode uint8

const (
	lockNone   lockMode = iota
	lockRead            // read within DML: shared at REPEATABLE READ and above, a snapshot below
	lockShared          // LOCK IN SHARE MODE, FOR SHARE
	lockWrite           // FOR UPDATE, and tables that DML writes
	lockDelete          // lockWrite on the table of a DELETE, so that it is not a TRUNCATE (T-7)
	lockUpdate          // lockWrite on the only table of an UPDATE, whose scans are semi-consistent (T-11)
)

// waitMode is what a locking read does about a row that someone else has locked.
type waitMode uint8

const (
	waitNormal waitMode = iota
	waitNot             // NOWAIT
	waitSkip            // SKIP LOCKED
)

// reference is what the parser tells the table object about one reference.
type reference struct {
	lock lockMode
	wait waitMode
	// joined is not 0 if a statement that joins it writes it: its number, see shape.joined.
	joined int
	// parts are the names of partitions to which it is limited, each behind a NUL; "": to none.
	parts string
	// hints are the names of its index hints, each behind hintsMark, see rewrite.SplitHint; "": it has none.
	hints string
}

// hintsMark begins each name of index hints in a reference.
const hintsMark = "\x01"

// sentinel begins the AS OF text that carries a reference through the planner,
// which drops the lock clause itself. No point in time can be written like it.
const sentinel = "\x00lock:"

// waitWords are the ends of lock clauses.
var waitWords = map[string]waitMode{"": waitNormal, "nowait": waitNot, "skip locked": waitSkip}

func (r reference) String() string {
	return sentinel + string([]byte{'0' + byte(r.lock), '0' + byte(r.wait), '0' + byte(r.joined)}) + r.parts + r.hints
}

// parseReference returns the reference in an AS OF text, false if it is a real AS OF.
func parseReference(asOf any) (reference, bool) {
	s, ok := asOf.(string)
	if !ok || !strings.HasPrefix(s, sentinel) || len(s) < len(sentinel)+3 {
		return reference{}, false
	}
	parts := s[len(sentinel)+3:]
	hints := ""
	if at := strings.Index(parts, hintsMark); at >= 0 {
		parts, hints = parts[:at], parts[at:]
	}
	return reference{
		lock: lockMode(s[len(sentinel)] - '0'),
		wait: waitMode(s[len(sentinel)+1] - '0'), joined: int(s[len(sentinel)+2] - '0'), parts: parts, hints: hints,
	}, true
}

// annotator marks the table references of one statement.
type annotator struct {
	db string // the session's database, "" if unknown
}

// statement marks what stmt locks, in place (T-12): tables that DML writes,
// tables that DML reads, and the FROM of a SELECT with a lock clause, down to the
// statements in a trigger's body. Marking twice changes nothing.
func (a annotator) statement(stmt ast.Statement) {
	a.limited(stmt)
	switch s := stmt.(type) {
	case ast.SelectStatement:
		a.selects(s)
	case *ast.Insert:
		a.reads(s)
	case *ast.Update:
		a.reads(s)
		a.updated(s)
	case *ast.Delete:
		a.reads(s)
		a.deleted(s)
	case *ast.DDL:
		if s.TriggerSpec != nil {
			a.statement(s.TriggerSpec.Body)
		}
		if s.OptSelect != nil {
			a.reads(s.OptSelect.Select)
		}
	case *ast.BeginEndBlock:
		a.statements(s.Statements)
	case *ast.IfStatement:
		for _, c := range s.Conditions {
			a.statements(c.Statements)
		}
		a.statements(s.Else)
	case *ast.CaseStatement:
		for _, c := range s.Cases {
			a.statements(c.Statements)
		}
		a.statements(s.Else)
	case *ast.Loop:
		a.statements(s.Statements)
	case *ast.Repeat:
		a.statements(s.Statements)
	case *ast.While:
		a.statements(s.Statements)
	}
}

// limited marks the references that are limited to partitions or have index hints.
func (a annotator) limited(stmt ast.Statement) {
	switch stmt.(type) {
	case ast.SelectStatement, *ast.Insert, *ast.Update, *ast.Delete, *ast.DDL, *ast.Set, *ast.Call, *ast.Explain:
	default:
		return
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Delete:
			if t, ok := onlyTable(n.TableExprs); ok && len(n.Partitions) > 0 {
				t.Partitions = n.Partitions
			}
		case *ast.AliasedTableExpr:
			if name, ok := n.Expr.(ast.TableName); ok && (len(n.Partitions) > 0 || n.Hints != nil) && n.AsOf == nil {
				a.mark(n, name, reference{})
			}
		}
		return true, nil
	}, stmt)
}

// onlyTable returns the table of a FROM list of one.
func onlyTable(list ast.TableExprs) (*ast.AliasedTableExpr, bool) {
	if len(list) != 1 {
		return nil, false
	}
	t, ok := list[0].(*ast.AliasedTableExpr)
	return t, ok
}

func (a annotator) statements(list ast.Statements) {
	for _, s := range list {
		a.statement(s)
	}
}

// selects marks the FROM lists of every SELECT in s that has a lock clause.
func (a annotator) selects(s ast.SQLNode) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Select:
			if n.Lock != nil && n.Lock.Type != "" {
				for _, l := range parseLock(n.Lock) {
					a.from(n.From, l)
				}
			}
		case *ast.SetOp:
			if n.Lock != nil && n.Lock.Type != "" {
				for _, l := range parseLock(n.Lock) {
					a.setOp(n, l)
				}
			}
		}
		return true, nil
	}, s)
}

func (a annotator) setOp(s ast.SelectStatement, l lockedTables) {
	switch s := s.(type) {
	case *ast.Select:
		a.from(s.From, l)
	case *ast.ParenSelect:
		a.setOp(s.Select, l)
	case *ast.SetOp:
		a.setOp(s.Left, l)
		a.setOp(s.Right, l)
	}
}

// lockedTables is what a lock clause asks for of the tables of its OF list, of all without one.
type lockedTables struct {
	reference
	of ast.TableNames
}

// parseLock returns the lock clauses of a SELECT, taking the markers out of them. The clauses of
// a list, each of which has an OF, come as one, see rewrite.Marking; the type of that lock becomes
// the modes of its tables, by which another call reads it again.
func parseLock(l *ast.Lock) []lockedTables {
	if modes, ok := strings.CutPrefix(l.Type, sentinel); ok {
		out := make([]lockedTables, len(l.Tables))
		for i, t := range l.Tables {
			out[i] = lockedTables{reference{lock: lockMode(modes[2*i] - '0'), wait: waitMode(modes[2*i+1] - '0')}, ast.TableNames{t}}
		}
		return out
	}
	if l.Type == ast.ShareModeStr {
		return []lockedTables{{reference: reference{lock: lockShared}}}
	}
	out := []lockedTables{{reference: reference{lock: lockWrite}}}
	last := &out[0]
	if strings.Contains(l.Type, rewrite.ShareMark) && !strings.Contains(l.Type, rewrite.ThenMark) {
		last.lock = lockShared
	}
	for _, t := range l.Tables {
		name := t.Name.String()
		if wait, ok := strings.CutPrefix(name, rewrite.ThenMark); ok {
			last.wait = waitWords[wait]
			out = append(out, lockedTables{reference: reference{lock: lockWrite}})
			last = &out[len(out)-1]
		} else if name == rewrite.ShareMark {
			last.lock = lockShared
		} else {
			last.of = append(last.of, t)
		}
	}
	for words, wait := range waitWords {
		if words != "" && strings.HasSuffix(l.Type, " "+words) {
			last.wait = wait
		}
	}
	modes := ""
	l.Tables = nil
	for _, c := range out {
		l.Tables = append(l.Tables, c.of...)
		modes += strings.Repeat(string([]byte{'0' + byte(c.lock), '0' + byte(c.wait)}), len(c.of))
	}
	if len(out) > 1 {
		l.Type = sentinel + modes
	}
	return out
}

// lockedOnce returns 3569 for a table that the OF of a SELECT's lock clauses names twice.
func (a annotator) lockedOnce(stmt ast.Statement) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok || s.Lock == nil || s.Lock.Type == "" {
			return true, nil
		}
		var seen ast.TableNames
		for _, l := range parseLock(s.Lock) {
			for _, t := range l.of {
				name := fullName(t, a.db)
				if slices.ContainsFunc(seen, func(o ast.TableName) bool {
					other := fullName(o, a.db)
					return syntax.SameName(other.Database, name.Database) && syntax.SameName(other.Name, name.Name)
				}) {
					text := syntax.QuoteName(t.Name.String())
					if db := t.DbQualifier.String(); db != "" {
						text = syntax.QuoteName(db) + "." + text
					}
					return false, mysql.NewSQLError(3569, "HY000", "Table %s appears in multiple locking clauses.", text)
				}
				seen = append(seen, t)
			}
		}
		return true, nil
	}, stmt)
}

// from marks the tables of a FROM list: all, or those that a lock clause names.
func (a annotator) from(list ast.TableExprs, l lockedTables) {
	for _, te := range list {
		a.tables(te, func(t *ast.AliasedTableExpr, name ast.TableName) {
			if len(l.of) == 0 || named(t, name, l.of) {
				a.mark(t, name, l.reference)
			}
		})
	}
}

// named reports whether one of the names means the reference.
func named(t *ast.AliasedTableExpr, name ast.TableName, of ast.TableNames) bool {
	for _, n := range of {
		if !t.As.IsEmpty() {
			if strings.EqualFold(n.Name.String(), t.As.String()) {
				return true
			}
			continue
		}
		if strings.EqualFold(n.Name.String(), name.Name.String()) {
			return true
		}
	}
	return false
}

// tables calls f for each base table of a table expression, subqueries left out.
func (a annotator) tables(te ast.TableExpr, f func(*ast.AliasedTableExpr, ast.TableName)) {
	switch te := te.(type) {
	case *ast.AliasedTableExpr:
		if name, ok := te.Expr.(ast.TableName); ok {
			f(te, name)
		}
	case *ast.ParenTableExpr:
		for _, e := range te.Exprs {
			a.tables(e, f)
		}
	case *ast.JoinTableExpr:
		a.tables(te.LeftExpr, f)
		a.tables(te.RightExpr, f)
	}
}

// reads marks every table reference anywhere in n as read by DML.
func (a annotator) reads(n ast.SQLNode) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if t, ok := n.(*ast.AliasedTableExpr); ok {
			if name, ok := t.Expr.(ast.TableName); ok {
				a.mark(t, name, reference{lock: lockRead})
			}
		}
		return true, nil
	}, n)
	a.selects(n)
}

// updated marks the tables that an UPDATE writes. An unqualified column in a
// statement of several tables could be any of them: all are locked then.
func (a annotator) updated(s *ast.Update) {
	var qualifiers ast.TableNames
	all := false
	for _, e := range s.Exprs {
		q := e.Name.Qualifier
		all = all || q.IsEmpty()
		qualifiers = append(qualifiers, q)
	}
	if all {
		qualifiers = nil
	}
	lock := lockUpdate
	if rewrite.SeveralTables(s.TableExprs) {
		lock = lockWrite
	}
	a.from(s.TableExprs, lockedTables{written(lock, s.TableExprs, s.Where), qualifiers})
}

func (a annotator) deleted(s *ast.Delete) {
	a.from(s.TableExprs, lockedTables{written(lockDelete, s.TableExprs, nil), s.Targets})
	if s.Where == nil && len(s.Returning) == 0 && a.elsewhere(s.TableExprs) {
		// Without one the planner looks for the table, and its triggers, in the current database.
		s.Where = ast.NewWhere(ast.WhereStr, ast.BoolVal(true))
	}
}

// written returns the reference to a table of a FROM list that a statement writes. The planner
// makes joins of subqueries of an UPDATE too.
func written(lock lockMode, from ast.TableExprs, where *ast.Where) reference {
	ref := reference{lock: lock}
	if rewrite.SeveralTables(from) {
		ref.joined = 1
	}
	if where != nil {
		_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
			if _, sub := n.(*ast.Subquery); sub {
				ref.joined = 1
			}
			return ref.joined == 0, nil
		}, where)
	}
	return ref
}

// elsewhere reports whether the only table of a FROM list is in another database than the current one.
func (a annotator) elsewhere(from ast.TableExprs) bool {
	name, ok := syntax.OnlyTable(from)
	return ok && !name.DbQualifier.IsEmpty() && !strings.EqualFold(name.DbQualifier.String(), a.db)
}

// mark sets the sentinel unless the reference has a real AS OF, names a CTE (the
// planner resolves those first) or a database that is not ours.
func (a annotator) mark(t *ast.AliasedTableExpr, name ast.TableName, ref reference) {
	if t.AsOf != nil {
		v, ok := t.AsOf.Time.(*ast.SQLVal)
		if !ok || !strings.HasPrefix(string(v.Val), sentinel) {
			return
		}
	}
	db := name.DbQualifier.String()
	if db == "" {
		db = a.db
	}
	if systemDatabase(db) || strings.EqualFold(name.Name.String(), "dual") {
		return
	}
	for _, p := range t.Partitions {
		ref.parts += "\x00" + p.String()
	}
	if t.Hints != nil {
		for _, name := range t.Hints.Indexes {
			ref.hints += hintsMark + name.String()
		}
	}
	t.AsOf = &ast.AsOf{Time: ast.NewStrVal([]byte(ref.String()))}
}

// systemDatabase reports whether a database is served by the planner itself.
func systemDatabase(name string) bool {
	switch strings.ToLower(name) {
	case "information_schema", "mysql":
		return true
	}
	return false
}
