package mtls

import (
	"log/slog"
	"sync"
	"time"
)

// Refusals logs that peers are refused: of a kind and a peer one in ten seconds, so that
// who tries again and again, whatever it says of itself each time, fills no log. It is safe
// for concurrent use.
type Refusals struct {
	log *slog.Logger

	mu sync.Mutex
	at map[refusal]time.Time
}

type refusal struct{ kind, peer string }

// NewRefusals returns a log of refusals.
func NewRefusals(log *slog.Logger) *Refusals {
	return &Refusals{log: log, at: map[refusal]time.Time{}}
}

// Warn logs a refusal, unless one of its kind and peer was logged lately. The peer is what
// is known of it, not what it says: its certificate's name, its address, or "".
func (r *Refusals) Warn(kind, peer, msg string, args ...any) {
	if r.due(refusal{kind, peer}, time.Now()) {
		r.log.Warn(msg, args...)
	}
}

func (r *Refusals) due(one refusal, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, logged := r.at[one]; logged && now.Sub(at) < repeatAfter {
		return false
	}
	if len(r.at) >= refusalsMax {
		for k, at := range r.at {
			if now.Sub(at) >= repeatAfter {
				delete(r.at, k)
			}
		}
		if len(r.at) >= refusalsMax {
			return false
		}
	}
	r.at[one] = now
	return true
}
