package expr

import (
	"crypto/rand"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/google/uuid"
)

// timedUUID is UUID(): of version 1, by the time and a node that a process chooses once. The planner's is of version 4.
type timedUUID struct{ *builtin.UUIDFunc }

// chooseNode chooses the node, which is of no network card.
var chooseNode = sync.OnceFunc(func() {
	node := make([]byte, 6)
	_, _ = rand.Read(node)
	node[0] |= 1
	uuid.SetNodeID(node)
})

// WithChildren implements sql.Expression.
func (u timedUUID) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(u, len(children), 0)
	}
	return u, nil
}

// Eval implements sql.Expression.
func (timedUUID) Eval(*sql.Context, sql.Row) (any, error) {
	chooseNode()
	id, err := uuid.NewUUID()
	return id.String(), err
}
