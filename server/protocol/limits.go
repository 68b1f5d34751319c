package protocol

import "time"

const (
	// bufferBytes is the size of what is collected before it is written, and of
	// what is read at once.
	bufferBytes = 16 << 10
	// frameBytesMax is the longest body of one frame; a longer packet has several.
	frameBytesMax = 1<<24 - 1
	// growBytes is how much of a packet must have arrived before more memory than
	// this is taken for it.
	growBytes = 64 << 10
	// keepBytes is the largest packet buffer that is kept for the next command.
	keepBytes = 64 << 10
	// writeBytesMax is how much is given to the socket under one deadline.
	writeBytesMax = 256 << 10
	// loginPacketMax bounds the packets of a client that is not logged in: attributes
	// and a little more.
	loginPacketMax = 80 << 10
	// attributesBytesMax bounds the connection attributes, as in MySQL.
	attributesBytesMax = 64 << 10
	// PasswordBytesMax is the longest password, as in MySQL: hashing one takes time
	// that grows with its square.
	PasswordBytesMax = 256
	// passwordsMax bounds the passwords that are remembered, one for each account.
	passwordsMax = 64 << 10
	// CursorBytesMax bounds the rows that wait in a cursor. The result of a
	// statement that has more is sent at once, as if no cursor had been asked for.
	CursorBytesMax = 16 << 20
	// heldPacketsMax bounds what a connection's statements keep, long data and cursors, in
	// packets of max_allowed_packet. Beyond it long data is refused and cursors are not opened.
	heldPacketsMax = 4
	// preparedMax is max_prepared_stmt_count's default.
	preparedMax = 16382

	// idMax is the highest id that the server draws itself: those above are routers'.
	idMax = 1<<24 - 1

	// halfOpenMin is how many connections may be logging in at least, and
	// defaultHalfOpen how many without a MaxConnections.
	halfOpenMin     = 64
	defaultHalfOpen = 500

	defaultLoginTimeout = 10 * time.Second
	// defaultIdle is wait_timeout's default.
	defaultIdle = 8 * time.Hour
	// readTimeout is how long the client may pause within a packet, and before
	// those of a file (net_read_timeout).
	readTimeout = 30 * time.Second
	// writeTimeout is how long the client may take for writeBytesMax (net_write_timeout).
	writeTimeout = 60 * time.Second
	// lingerTimeout is how long a refused client may go on sending before its
	// connection is reset and the error may be lost.
	lingerTimeout = time.Second
	// acceptPauseMin and acceptPauseMax bound the pause after a failed accept
	// (EMFILE, ECONNABORTED); it doubles.
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)
