package gms

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/eventscheduler"
	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// events runs the events of a writer. All that it knows of them is in the catalog: the last
// run is marked there before the event's statement begins. The planner's scheduler runs one
// event a second, and skips those that are late.
type events struct {
	s       *Server
	started time.Time // runs missed before it are not made up for
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	seen    *engine.Catalog // enabled are the events of it
	enabled []enabledEvent
}

type enabledEvent struct {
	db  *Database
	def sql.EventDefinition
}

const (
	// eventPoll is how often is looked whether an event is due.
	eventPoll = 100 * time.Millisecond
	// eventRetry is how long it takes to look again after an error.
	eventRetry = 5 * time.Second
)

// startEvents starts the event scheduler; it runs on the writer only.
func (s *Server) startEvents() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events != nil {
		return nil
	}
	// The planner's makes the account that internal sessions have; it schedules nothing.
	if err := s.engine.InitializeEventScheduler(nil, eventscheduler.SchedulerOff, 0); err != nil {
		return fmt.Errorf("gms: event scheduler: %w", err)
	}
	e := &events{s: s, started: time.Now()}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.wg.Go(e.loop)
	s.events = e
	return nil
}

// stopEvents returns when no event runs.
func (s *Server) stopEvents() {
	s.mu.Lock()
	e := s.events
	s.events = nil
	s.mu.Unlock()
	if e != nil {
		e.cancel()
		e.wg.Wait()
	}
}

func (e *events) loop() {
	t := time.NewTicker(eventPoll)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-e.ctx.Done():
			return
		}
		t.Reset(eventPoll)
		if err := e.poll(time.Now()); err != nil && e.ctx.Err() == nil {
			e.s.o.Logger.Warn("events", "err", err)
			t.Reset(eventRetry)
		}
	}
}

// poll starts every event that is due.
func (e *events) poll(now time.Time) error {
	if err := e.load(); err != nil {
		return err
	}
	for _, ev := range e.enabled {
		if run, over, err := e.due(ev.def, now); err != nil {
			return err
		} else if !run && !over {
			continue
		}
		def, run, err := e.claim(ev.db, ev.def.Name, now)
		if err != nil {
			return err
		}
		if !run {
			continue
		}
		e.wg.Go(func() {
			if err := e.run(ev.db.Name(), def); err != nil && e.ctx.Err() == nil {
				e.s.o.Logger.Error("event", "database", ev.db.Name(), "event", def.Name, "err", err)
			}
		})
	}
	return nil
}

// load reads the events if the catalog has changed.
func (e *events) load() error {
	cat, err := e.s.o.DB.CatalogAt(e.ctx, 0)
	if err != nil || cat == e.seen {
		return err
	}
	ctx, end := e.s.internalContext(e.ctx)
	defer end()
	var enabled []enabledEvent
	for _, def := range cat.Databases() {
		db := &Database{b: e.s.b, def: def}
		all, _, err := db.GetEvents(ctx)
		if err != nil {
			return err
		}
		for _, ev := range all {
			if ev.Status == sql.EventStatus_Enable.String() {
				enabled = append(enabled, enabledEvent{db, ev})
			}
		}
	}
	e.seen, e.enabled = cat, enabled
	return nil
}

// due reports whether an event is to run, and whether it is over, afterwards if it is to run.
func (e *events) due(ev sql.EventDefinition, now time.Time) (run, over bool, err error) {
	switch {
	case ev.Status != sql.EventStatus_Enable.String():
		return false, false, nil
	case ev.HasExecuteAt:
		over = !ev.ExecuteAt.After(now)
		return over && !ev.ExecuteAt.Before(ev.LastAltered.Add(-time.Second)), over, nil
	}
	last := ev.LastExecuted
	if last.IsZero() {
		last = ev.Starts.Add(-time.Nanosecond)
	}
	for _, t := range []time.Time{e.started, ev.LastAltered} {
		if last.Before(t.Add(-time.Second)) {
			last = t
		}
	}
	ev.LastExecuted = time.Time{} // the intervals are counted from STARTS
	next, over, err := ev.GetNextExecutionTime(last)
	if err != nil || over || next.After(now) {
		return false, over, err
	}
	_, over, err = ev.GetNextExecutionTime(now)
	return true, over, err
}

// claim marks an event as run, disables or drops it if it is over, and reports whether it
// is to run still.
func (e *events) claim(db *Database, name string, now time.Time) (ev sql.EventDefinition, run bool, err error) {
	ctx, end := e.s.internalContext(e.ctx)
	defer end()
	sess, err := sessionOf(ctx)
	if err != nil {
		return ev, false, err
	}
	tx, err := sess.StartTransaction(ctx, sql.ReadWrite)
	if err != nil {
		return ev, false, err
	}
	ctx.SetTransaction(tx)
	ev, ok, err := db.GetEvent(ctx, name)
	if err != nil || !ok {
		return ev, false, err
	}
	run, over, err := e.due(ev, now)
	if err != nil {
		return ev, false, err
	}
	if run {
		ev.LastExecuted = now.UTC()
	}
	after := ev
	switch {
	case over && !ev.OnCompletionPreserve:
		err = db.DropEvent(ctx, name)
	case over:
		after.Status = sql.EventStatus_Disable.String()
		fallthrough
	case run:
		_, err = db.UpdateEvent(ctx, name, after)
	}
	if err != nil {
		return ev, false, err
	}
	return ev, run, sess.CommitTransaction(ctx, tx)
}

// run executes an event's statement as its definer.
func (e *events) run(database string, ev sql.EventDefinition) error {
	ctx, end := e.s.internalContext(e.ctx)
	defer end()
	sess, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	ctx.SetCurrentDatabase(database)
	definer, _, ok := syntax.NewLexer(ev.Definer).AccountName()
	if !ok {
		return fmt.Errorf("definer %q", ev.Definer)
	}
	sess.user, sess.host, sess.internal = definer.User, definer.Host, false
	unset, err := sess.underMode(ctx, ev.SqlMode)
	if err != nil {
		return err
	}
	defer unset()
	p := newParser()
	p.routine = true
	stmt, _, _, err := p.planners(ctx, ev.CreateEventStatement(), ';', false, sql.NewSqlModeFromString(ev.SqlMode).ParserOptions())
	if err != nil {
		return err
	}
	ddl, ok := stmt.(*ast.DDL)
	if !ok || ddl.EventSpec == nil || ddl.EventSpec.Body == nil {
		return fmt.Errorf("no statement in %T", stmt)
	}
	restore, err := sess.as(ctx, definer)
	if err != nil {
		return err
	}
	defer restore()
	if _, err := sess.authorize(ctx, ddl); err != nil {
		return err
	}
	leave, err := sess.enter(ctx, program{kind: programEvent, name: syntax.TableName{Database: database, Name: "\x02" + ev.Name}, database: database, mode: ev.SqlMode, invoker: true})
	if err != nil {
		return err
	}
	defer leave()
	r := &routine{s: sess, db: database, runner: e.s.b.runner, texts: p.texts}
	return r.body(ctx, ddl.EventSpec.Body, &scope{vars: map[string]*local{}})
}
