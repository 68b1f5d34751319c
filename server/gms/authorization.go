package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// authorization is what the planner asks for privileges. For sessions whose statements
// were checked before, see authorize, it only says which tables are there; for those of
// the server itself and of the planner's own tests it is the planner's.
type authorization struct{ planners sql.AuthorizationHandler }

var _ sql.AuthorizationHandler = authorization{}

// plannersOwn is a privilege that the sets of sessions have for the planner, which takes
// databases for missing without one that is global; nothing here asks for it.
const plannersOwn = sql.PrivilegeType_CreateTablespace

// checkedSession returns the session of ctx if its statements are checked here.
func checkedSession(ctx *sql.Context) *Session {
	if s, ok := ctx.Session.(*Session); ok && s.checked() {
		return s
	}
	return nil
}

// NewQueryState implements sql.AuthorizationHandler.
func (h authorization) NewQueryState(ctx *sql.Context) sql.AuthorizationQueryState {
	if checkedSession(ctx) != nil {
		return nil
	}
	return h.planners.NewQueryState(ctx)
}

// HandleAuth implements sql.AuthorizationHandler.
func (h authorization) HandleAuth(ctx *sql.Context, state sql.AuthorizationQueryState, auth ast.AuthInformation) error {
	if use, ok := auth.Extra.(*viewUse); ok {
		if s, ok := ctx.Session.(*Session); ok {
			s.viewUses = append(s.viewUses, use) // for the checks of the view
		}
	}
	if checkedSession(ctx) != nil {
		return nil
	}
	return h.planners.HandleAuth(ctx, state, auth)
}

// HandleAuthNode implements sql.AuthorizationHandler.
func (h authorization) HandleAuthNode(ctx *sql.Context, state sql.AuthorizationQueryState, node sql.AuthorizationCheckerNode) error {
	if checkedSession(ctx) != nil {
		return nil
	}
	return h.planners.HandleAuthNode(ctx, state, node)
}

// CheckDatabase implements sql.AuthorizationHandler.
func (h authorization) CheckDatabase(ctx *sql.Context, state sql.AuthorizationQueryState, db string) error {
	if checkedSession(ctx) != nil {
		return nil
	}
	return h.planners.CheckDatabase(ctx, state, db)
}

// CheckSchema implements sql.AuthorizationHandler.
func (h authorization) CheckSchema(ctx *sql.Context, state sql.AuthorizationQueryState, db, schema string) error {
	if checkedSession(ctx) != nil {
		return nil
	}
	return h.planners.CheckSchema(ctx, state, db, schema)
}

// CheckTable implements sql.AuthorizationHandler: the planner asks it for what it resolves
// and for what it lists.
func (h authorization) CheckTable(ctx *sql.Context, state sql.AuthorizationQueryState, db, schema, table string) error {
	s := checkedSession(ctx)
	if s == nil {
		return h.planners.CheckTable(ctx, state, db, schema, table)
	}
	if db == "" {
		db = ctx.GetCurrentDatabase()
	}
	t := syntax.TableName{Database: db, Name: table}
	if slices.ContainsFunc(s.visible, func(u syntax.TableName) bool {
		return syntax.SameName(u.Name, table) && syntax.SameName(u.Database, db)
	}) {
		return nil
	}
	a := s.newAccess(ctx)
	if a.anyTable(t) || s.temporary(db, table) != nil {
		return nil
	}
	return a.denied("SELECT", t)
}
