// Package protocol is the server's side of the MySQL client/server protocol: it
// accepts connections, authenticates them, and reads commands and writes results
// for a Handler, which knows accounts and SQL. It knows nothing of either.
//
//	listener -> Conn -> login -> command -> Session -> Results -> packets
//
// One goroutine serves a connection. A result goes to the client through a buffer
// of bufferBytes, so its memory does not grow with the result; nothing leaves the
// buffer before the session's Settle agrees.
//
// Source: MySQL 8.0's "Client/Server Protocol" in its source documentation.
//
// Not done: compression, mysql_clear_password, sha256_password and the plugins
// beyond it, CLIENT_OPTIONAL_RESULTSET_METADATA, multi-factor authentication,
// replication commands.
package protocol
