package engine

import "testing"

// ReplaceRole makes the instance's writer's role a new one, as a demotion and a promotion do, until
// restore is called.
func ReplaceRole(t *testing.T, db *DB) (restore func()) {
	t.Helper()
	old, err := db.writer()
	if err != nil {
		t.Fatal(err)
	}
	again := &writer{DB: db, vol: old.vol, ctx: old.ctx, cancel: old.cancel, space: old.space}
	db.state.Store(&state{w: again})
	return func() { db.state.Store(&state{w: old}) }
}
