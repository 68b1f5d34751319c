// Package gms serves SQL: it is go-mysql-server's storage interfaces on package
// engine, and the MySQL listener in front of it. It and the packages below it are
// the only importers of go-mysql-server.
//
// What needs no session and no stored definition is in the packages below: syntax reads the
// texts of statements, value says what values are, expr what operators and types are, function
// has what is called by name, rewrite changes statements before they are planned, planrule
// changes plans. Each imports those before it alone.
//
// go-mysql-server parses, plans and executes; the engine stores, locks and commits.
// What lies between is decided here: which Go value a stored column is, which
// key ranges an index lookup means, how a statement locks what it reads, where
// transactions begin and end, and what an error is called on the wire. Start
// with Server for the listener, with Backend for the planner's view of a volume,
// with Session for one client.
//
// The planner resolves names anew for every statement, so a schema change needs no
// invalidation: tables are bound to one immutable engine.TableDef each, and
// what hangs on a definition is cached by it (see shape).
//
// The planner's rules about transactions differ from MySQL's in ways that lose
// data: it leaves a failed statement's transaction open, ends others without a rollback,
// drops lock clauses and commits after DDL instead of before. Session, annotator
// and builder put that right from outside; each says where.
//
// Not done: a fast path around the planner; a spatial index is read whole.
package gms
