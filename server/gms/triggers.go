package gms

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Triggers run in the interpreter of procedures, row by row, within the statement that
// fires them.

// trigger is a trigger that is ready to run.
type trigger struct {
	storedTrigger
	table, time, event string // of lower case but for the table
	body               ast.Statement
	texts              programTexts
	text               string // of the body
	definer            syntax.AccountName
}

// ownTriggers keeps the planner from running triggers, whichever list of rules it has for a statement.
func ownTriggers() {
	for i, r := range analyzer.OnceAfterAll {
		if r.Id.String() != "applyTriggers" {
			continue
		}
		analyzer.OnceAfterAll[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
			sel analyzer.RuleSelector, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
			if value.Served(ctx) {
				return n, transform.SameTree, nil
			}
			return r.Apply(ctx, a, n, scope, sel, f)
		}
	}
}

// triggers returns those of a table in their order. Those that have been parsed are kept.
func (s *Session) triggers(ctx *sql.Context, t *Table) ([]*trigger, error) {
	if t == nil || t.IsTemporary() || !s.b.mysql {
		return nil, nil
	}
	return s.triggersOf(ctx, t.db.Name(), t.Name())
}

// triggersOf returns those of now, not those of the snapshot: the table is bound to its newest definition (T-6).
func (s *Session) triggersOf(ctx *sql.Context, database, table string) ([]*trigger, error) {
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	var list []*trigger
	for _, o := range tx.NewestCatalog().Objects(engine.ObjectTrigger, database) {
		x := s.calls.triggers[database+"\x00"+string(o.Data)]
		if x == nil {
			if x, err = s.parseTrigger(ctx, database, o.Data); err != nil {
				return nil, fmt.Errorf("decode %s.%s: %w", database, o.Name, err)
			}
			if x == nil {
				continue
			}
			if len(s.calls.triggers) >= preparedMax || s.calls.triggers == nil {
				s.calls.triggers = map[string]*trigger{}
			}
			s.calls.triggers[database+"\x00"+string(o.Data)] = x
		}
		if syntax.SameName(x.table, table) {
			list = append(list, x)
		}
	}
	slices.SortStableFunc(list, func(a, b *trigger) int { return a.compare(b.storedTrigger) })
	return list, nil
}

// compare is the order in which the triggers of a table run.
func (t storedTrigger) compare(o storedTrigger) int {
	if t.Order != o.Order {
		return t.Order - o.Order
	}
	return int(t.Created - o.Created)
}

// parseTrigger parses a stored trigger, nil if it is none.
func (s *Session) parseTrigger(ctx *sql.Context, database string, data []byte) (*trigger, error) {
	x := &trigger{}
	if err := json.Unmarshal(data, &x.storedTrigger); err != nil {
		return nil, err
	}
	h, ok := rewrite.NewObjectHead(x.Create)
	if !ok {
		return nil, nil
	}
	outer := s.statement
	s.statement = statement{}
	defer func() { s.statement = outer }()
	defer s.within(database)()
	restore, err := s.underMode(ctx, x.SQLMode)
	if err != nil {
		return nil, err
	}
	defer restore()
	p := newParser()
	p.routine = true
	stmt, _, _, err := p.planners(ctx, x.Create, ';', false, sql.NewSqlModeFromString(x.SQLMode).ParserOptions())
	if err != nil {
		return nil, err
	}
	ddl, ok := stmt.(*ast.DDL)
	if !ok || ddl.TriggerSpec == nil {
		return nil, nil
	}
	x.table, x.time, x.event = ddl.Table.Name.String(), strings.ToLower(ddl.TriggerSpec.Time), strings.ToLower(ddl.TriggerSpec.Event)
	for !h.L.Accept("for", "each", "row") && h.L.Kind != 0 {
		h.L.Next()
	}
	x.text = h.L.Rest()
	x.body, x.texts, x.definer = ddl.TriggerSpec.Body, p.texts, h.Definer
	return x, nil
}

// checkTrigger returns the error of a CREATE TRIGGER, and takes the body and the order off
// it, which the planner would look at. One of a statement that reads it is not checked.
func (s *Session) checkTrigger(ctx *sql.Context, n *ast.DDL) error {
	t := n.TriggerSpec
	if s.locks.stmt != nil {
		t.Body, t.Order = &ast.BeginEndBlock{}, nil
		return nil
	}
	of := &triggerOf{time: strings.ToLower(t.Time), event: strings.ToLower(t.Event)}
	name := fullName(n.Table, s.GetCurrentDatabase())
	cat, err := s.catalog(ctx)
	if err != nil {
		return err
	}
	def := cat.Table(name.Database, name.Name)
	if def != nil {
		for _, c := range def.Columns {
			of.columns = append(of.columns, c.Name)
			if c.Generated != "" {
				of.generated = append(of.generated, c.Name)
			}
		}
	}
	if s.temporary(name.Database, name.Name) != nil {
		return mysql.NewSQLError(1361, "HY000", "Trigger's '%s' is view or temporary table", name.Name)
	}
	if cat.Object(engine.ObjectView, name.Database, name.Name) != nil {
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", name.Database, name.Name)
	}
	if db := t.TrigName.Qualifier.String(); db != "" && !syntax.SameName(db, name.Database) {
		return mysql.NewSQLError(1435, "HY000", "Trigger in wrong schema")
	}
	if err := checkProgram(t.Body, programTrigger, "", nil, of); err != nil {
		return err
	}
	t.Body = &ast.BeginEndBlock{}
	s.calls.placed = placedTrigger{table: name, time: of.time, event: of.event, order: t.Order}
	t.Order = nil
	if def == nil {
		return nil
	}
	_, _, err = s.siblings(ctx)
	return err
}

// placedTrigger is where a CREATE TRIGGER puts its trigger.
type placedTrigger struct {
	table       syntax.TableName
	time, event string
	order       *ast.TriggerOrder // nil: behind the others
}

// siblings returns the triggers of the table that a new one is for, and its place among them.
func (s *Session) siblings(ctx *sql.Context) (list []*trigger, at int, err error) {
	p := s.calls.placed
	list, err = s.triggersOf(ctx, p.table.Database, p.table.Name)
	if err != nil || p.order == nil {
		return list, len(list), err
	}
	at = slices.IndexFunc(list, func(x *trigger) bool {
		return syntax.SameName(x.Name, p.order.OtherTriggerName) && x.time == p.time && x.event == p.event
	})
	if at < 0 {
		return nil, 0, mysql.NewSQLError(3011, "HY000",
			"Referenced trigger '%s' for the given action time and event type does not exist.", p.order.OtherTriggerName)
	}
	if strings.EqualFold(p.order.PrecedesOrFollows, ast.FollowsStr) {
		at++
	}
	return list, at, nil
}

// placeTrigger makes room for a new trigger and returns its order.
func (s *Session) placeTrigger(ctx *sql.Context) (int, error) {
	if !s.b.mysql {
		return 0, nil
	}
	list, at, err := s.siblings(ctx)
	if err != nil {
		return 0, err
	}
	for i, x := range list {
		order := i + 1
		if i >= at {
			order++
		}
		if x.Order == order {
			continue
		}
		t := x.storedTrigger
		t.Order = order
		if err := putObject(ctx, engine.ObjectTrigger, s.calls.placed.table.Database, t.Name, t); err != nil {
			return 0, err
		}
	}
	return at + 1, nil
}

// triggerRow are the rows NEW and OLD of a trigger.
type triggerRow struct{ old, new map[string]*local }

// newTriggerColumns returns the columns of a row of a table.
func newTriggerColumns(ctx *sql.Context, def *engine.TableDef, schema sql.Schema, r sql.Row) (map[string]*local, error) {
	m := make(map[string]*local, len(schema))
	for i, c := range schema {
		v, err := sql.UnwrapAny(ctx, r[i])
		if err != nil {
			return nil, err
		}
		l := &local{name: c.Name, typ: c.Type}
		if o := def.Columns[i].Options; o[expr.OptPrecision] != "" || o[expr.OptFormat] != "" {
			l.column = &def.Columns[i]
		}
		l.value = l.stored(ctx, v)
		m[strings.ToLower(c.Name)] = l
	}
	return m, nil
}

// firing is what fires the triggers of a table in a statement.
type firing struct {
	s        *Session
	t        *Table
	triggers []*trigger
	schema   sql.Schema
	checks   sql.CheckConstraints
	derived  []derivedColumn
	editor   sql.EditOpenerCloser // of the statement's rows, nil: none yet
	ahead    bool                 // BEFORE UPDATE has been fired for the row that comes next
	upserts  bool                 // its updates are those of ON DUPLICATE KEY UPDATE
}

// firingOf returns what fires the triggers of a table, nil if it has none. The statement
// is about to write: what its triggers will have written goes with it if it fails.
func (s *Session) firingOf(ctx *sql.Context, t *Table) (*firing, error) {
	list, err := s.triggers(ctx, t)
	if len(list) == 0 || err != nil {
		return nil, err
	}
	return &firing{s: s, t: t, triggers: list, schema: t.live(ctx).schema}, s.guard(ctx)
}

// fire runs the triggers of a time and an event. What BEFORE triggers assign to NEW is in
// new afterwards; what they write stays if IGNORE passes the row over.
func (f *firing) fire(ctx *sql.Context, time, event string, old, new sql.Row) error {
	if !f.has(time, event) {
		return nil
	}
	var rows triggerRow
	var err error
	def := f.t.live(ctx).def
	if old != nil {
		if rows.old, err = newTriggerColumns(ctx, def, f.schema, old); err != nil {
			return err
		}
	}
	if new != nil {
		if rows.new, err = newTriggerColumns(ctx, def, f.schema, new); err != nil {
			return err
		}
	}
	for _, t := range f.triggers {
		if t.time != time || t.event != event {
			continue
		}
		if err := f.run(ctx, t, &rows); err != nil {
			return err
		}
	}
	if time == "before" && f.editor != nil {
		f.editor.StatementBegin(ctx)
	}
	if time != "before" || new == nil {
		return nil
	}
	changed := false
	for i, c := range f.schema {
		if l := rows.new[strings.ToLower(c.Name)]; l.assigned {
			new[i], changed = l.value, true
		}
	}
	if !changed {
		return nil
	}
	return f.make(ctx, new, false)
}

// make gives the generated columns of a row their values, and those with ON UPDATE if the row is going to be fired for.
func (f *firing) make(ctx *sql.Context, r sql.Row, moments bool) (err error) {
	for _, c := range f.derived {
		if f.schema[c.at].Generated == nil && !moments {
			continue
		}
		if r[c.at], err = c.expr.Eval(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *firing) run(ctx *sql.Context, t *trigger, rows *triggerRow) error {
	s := f.s
	db := f.t.db.Name()
	r := &routine{s: s, db: db, runner: s.b.runner, texts: t.texts}
	err := s.inside(ctx, program{kind: programTrigger, name: syntax.TableName{Database: db, Name: "\x01" + strings.ToLower(t.Name)}, database: db, mode: t.SQLMode, definer: t.definer},
		func() error {
			_, err := r.statement(ctx, t.body, &scope{vars: map[string]*local{}, rows: rows})
			return err
		})
	if err == nil || errors.Is(err, errDisconnect) {
		return err
	}
	return newCondition(ctx, err).Err() // a duplicate of the trigger's is none of the statement's
}

// has reports whether there is a trigger of an event.
func (f *firing) has(time, event string) bool {
	return slices.ContainsFunc(f.triggers, func(t *trigger) bool { return t.time == time && t.event == event })
}
