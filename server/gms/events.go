package gms

import (
	"context"
	"fmt"
	"time"

	"github.com/dolthub/go-mysql-server/eventscheduler"
	"github.com/dolthub/go-mysql-server/sql"
)

const (
	// eventPoll is how often the event scheduler looks whether an event is due. It runs one
	// each time.
	eventPoll = 100 * time.Millisecond
	// eventLate is how late an event may be, seconds: the scheduler skips what is later, and
	// takes an event of one time for past. It is also its own, useless, period.
	eventLate = 24 * 60 * 60
)

// startEvents starts the event scheduler; it runs on the writer only.
func (s *Server) startEvents() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pollingEvents != nil {
		return nil
	}
	get := func() (*sql.Context, error) {
		ctx, _ := s.internalContext(context.Background())
		return ctx, nil
	}
	if err := s.engine.InitializeEventScheduler(get, eventscheduler.SchedulerOn, eventLate); err != nil {
		return fmt.Errorf("gms: event scheduler: %w", err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go s.pollEvents(s.engine.EventScheduler, stop, stopped)
	s.pollingEvents = func() {
		close(stop)
		<-stopped
	}
	return nil
}

// pollEvents wakes the event scheduler, unless there never was an event, until stop is closed.
func (s *Server) pollEvents(e *eventscheduler.EventScheduler, stop <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	t := time.NewTicker(eventPoll)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if s.b.events.Load() {
				e.NotifyDatabaseAdded()
			}
		case <-stop:
			return
		}
	}
}

func (s *Server) stopEvents() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pollingEvents != nil {
		s.pollingEvents()
		s.engine.EventScheduler.Close()
		s.engine.EventScheduler, s.pollingEvents = nil, nil
	}
}
