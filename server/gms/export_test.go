package gms

import (
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/protocol"
)

// Literal is the text of a parameter's value.
func Literal(p protocol.Param) string { return ast.String(literal(p)) }

// Backend returns the server's storage, for tests.
func (s *Server) Backend() *Backend { return s.b }

// SpillAll lets nodes keep one row in memory if they can write rows to files, until the function that it returns is called.
func SpillAll() func() {
	was := spillMin
	spillMin = -1
	return func() { spillMin = was }
}

// TempSpaceUsed is what temporary files take.
func (s *Server) TempSpaceUsed() int64 { return s.b.temp.used.Load() }

// Draining reports whether new transactions wait.
func (s *Server) Draining() bool {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.gate.shut != nil
}

// EventDue is what a scheduler that began at started does with an event.
func EventDue(started time.Time, ev sql.EventDefinition, now time.Time) (run, over bool, err error) {
	return (&events{started: started}).due(ev, now)
}

// AddPanic adds the function sextant_panic(x), which panics if x is not NULL.
var AddPanic = sync.OnceFunc(func() {
	functions["sextant_panic"] = &expr.FunctionDef{Name: "sextant_panic", Args: 1, Typ: types.Int64, Eval: func(_ *sql.Context, args []any) (any, error) {
		if args[0] != nil {
			panic("asked for")
		}
		return nil, nil
	}}
})

// ClientError is what a client is told of one of the planner's errors.
func ClientError(err error) *mysql.SQLError { return clientError(err, "") }
