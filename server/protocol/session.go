package protocol

import (
	"context"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Handler knows the accounts and makes the sessions. It is used by many
// goroutines.
type Handler interface {
	// Connect is called before the greeting. Its error is sent in place of it.
	Connect(c *Conn) error
	// Account returns how user logs in from c's address. For a user that there is
	// not it returns one that no password fits (see Decoy), so that names cannot
	// be probed. An error, an *Error if the client shall see more than 1105, is for
	// when it cannot be known.
	Account(c *Conn, user string) (Account, error)
	// Login makes the session of a connection that authenticated as user for account
	// a, also after COM_CHANGE_USER, when the old one has been closed. db may be "".
	Login(c *Conn, user, db string, a Account) (Session, error)
}

// Account is how somebody logs in.
type Account struct {
	Plugin string // mysql_native_password or caching_sha2_password
	// Auth is the authentication_string: "*" and 40 hexadecimal digits, or
	// "$A$005$", salt and hash; "" is no password.
	Auth string
	// Key, such as user@host, is under which the password of an account with
	// caching_sha2_password is remembered; a change of Auth invalidates it.
	Key string
	// Second is the authentication_string of a second password, "" for none.
	Second string
	// Denied, if it is not nil, is called when a password does not fit; an error that
	// it returns is told in place of 1045.
	Denied func() *Error
	// RequireTLS refuses the account over TCP without TLS.
	RequireTLS bool
}

// Session runs the commands of a connection, one at a time. An error it returns
// is sent as ERR: an *Error as it is, any other as 1105; ErrDisconnect closes the
// connection without a word. The context of a command is cancelled when the
// client goes away, with cause ErrGone, by Server.Kill and Server.Interrupt.
type Session interface {
	// Reserved reports whether its account may log in beyond MaxConnections.
	Reserved() bool
	// Query runs a text, which may hold several statements if
	// c.MultiStatements(), and writes every result.
	Query(ctx context.Context, text string, w *Results) error
	// Prepare prepares a statement; its ID is set by the caller.
	Prepare(ctx context.Context, text string) (*Statement, error)
	// Execute runs a statement. params are valid until it returns.
	Execute(ctx context.Context, st *Statement, params []Param, w *Results) error
	// InitDB changes the default database.
	InitDB(ctx context.Context, name string) error
	// FieldList returns the columns of a table whose names match wildcard.
	FieldList(ctx context.Context, table, wildcard string) ([]Column, error)
	// Statistics returns the line of COM_STATISTICS.
	Statistics(ctx context.Context) string
	// Kill ends another connection, or this one.
	Kill(ctx context.Context, id uint32) error
	// Reset is COM_RESET_CONNECTION. The statements are closed already.
	Reset(ctx context.Context) error

	// Settle is called before bytes leave for the client, each time. If it fails
	// they do not leave, and the command ends with its error.
	Settle(ctx context.Context) error
	// Idle is how long to wait for the next command (wait_timeout); 0: the default.
	Idle() time.Duration
	// Status is the status flags for an OK or EOF packet, such as
	// SERVER_STATUS_AUTOCOMMIT; those that are the protocol's own are added.
	Status() uint16
	// Warnings is the number of warnings of the statement.
	Warnings() uint16
	// Changes returns, and forgets, what changed of the session's state. It is
	// asked only if the client wants to know.
	Changes() []Change
	// MaxPacket is max_allowed_packet: a longer packet ends the connection.
	MaxPacket() int
	// Close ends the session, once. Its statements are closed already.
	Close()
}

// Statement is a prepared statement.
type Statement struct {
	ID      uint32
	Params  int
	Columns []Column
	Handle  any    // the session's own
	Close   func() // if not nil, called once when the statement or its session ends
}

// Param is the value of a parameter, or of a query attribute.
type Param struct {
	Name     string // of a query attribute
	Type     byte   // MYSQL_TYPE_*
	Unsigned bool
	Null     bool
	// Text is the value as MySQL writes it: integers in decimal, floats in the
	// shortest form, dates as 2006-01-02 15:04:05.000000, strings and blobs as
	// they are.
	Text []byte
}

// Column is the definition of a result's column.
type Column struct {
	Database, Table, OrgTable, Name, OrgName string

	Charset  uint16
	Length   uint32
	Type     byte // MYSQL_TYPE_*
	Flags    uint16
	Decimals byte
	Default  []byte // for COM_FIELD_LIST only; nil is NULL
}

// Change is a change of the session's state, as CLIENT_SESSION_TRACK tells it.
type Change struct {
	Type  byte   // SESSION_TRACK_*
	Name  string // of a system variable
	Value string // of the variable; schema; "1"; characteristics; state
}

// appendChanges appends the block of an OK packet without its length.
func appendChanges(b []byte, changes []Change) []byte {
	for _, c := range changes {
		if c.Type == mysql.SESSION_TRACK_STATE_CHANGE { // its value has no length of its own
			b = appendLength(append(b, c.Type), c.Value)
			continue
		}
		n := lengthBytes(len(c.Value))
		switch c.Type {
		case mysql.SESSION_TRACK_SYSTEM_VARIABLES:
			n += lengthBytes(len(c.Name))
		case mysql.SESSION_TRACK_GTIDS:
			n++
		}
		b = append(b, c.Type)
		b = mysql.AppendLengthEncodedInteger(b, uint64(n))
		switch c.Type {
		case mysql.SESSION_TRACK_SYSTEM_VARIABLES:
			b = appendLength(b, c.Name)
		case mysql.SESSION_TRACK_GTIDS:
			b = append(b, 0) // encoding specification
		}
		b = appendLength(b, c.Value)
	}
	return b
}

// appendLength appends a length-encoded string.
func appendLength(b []byte, s string) []byte {
	return append(mysql.AppendLengthEncodedInteger(b, uint64(len(s))), s...)
}

// lengthBytes is the size of a length-encoded string of n bytes.
func lengthBytes(n int) int {
	switch {
	case n <= 250:
		return 1 + n
	case n <= 0xffff:
		return 3 + n
	case n <= 0xffffff:
		return 4 + n
	}
	return 9 + n
}
