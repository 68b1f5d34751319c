package replica

import (
	"sync"

	"sextant/internal/redo"
)

// Promises is what a writer knows of the snapshots that readers read at. Its zero value
// knows of no reader. It is safe for concurrent use.
type Promises struct {
	mu    sync.Mutex
	held  map[string]redo.LSN
	known bool
}

// Reset forgets everything: another writer begins, or the only instance, without readers.
func (p *Promises) Reset(noReaders bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.known = map[string]redo.LSN{}, noReaders
}

// Hold registers the promise of reader id that it takes no snapshot below l, or renews
// it. A lower promise than before is kept too: a reader that has come back may first tell what
// it has applied, and then what its sessions still read.
func (p *Promises) Hold(id string, l redo.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[string]redo.LSN{}
	}
	p.held[id] = l
}

// Release forgets a reader that has left for good.
func (p *Promises) Release(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, id)
}

// Known says that every reader has registered with this writer, or is given up.
func (p *Promises) Known() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = true
}

// Oldest returns the lowest LSN that is read at, own being the writer's lowest: the minimum
// read point may go there. It is 0 until every reader is known: one that has not come to
// this writer yet may hold an older snapshot.
func (p *Promises) Oldest(own redo.LSN) redo.LSN {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		return 0
	}
	for _, l := range p.held {
		own = min(own, l)
	}
	return own
}
