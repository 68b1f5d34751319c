package protocol

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Error is an error that the client is told, with MySQL's number and SQLSTATE.
type Error struct {
	Number  uint16
	State   string // five characters
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d (%s): %s", e.Number, e.State, e.Message) }

var (
	// ErrDisconnect, returned by a Session, closes the connection without a word.
	ErrDisconnect = errors.New("disconnect without an answer")
	// ErrKilled is the cause of the context of a connection that Kill closed.
	ErrKilled = errors.New("connection killed")
	// ErrInterrupted is the cause of the context of a command that Interrupt ended.
	ErrInterrupted = errors.New("command interrupted")
	// ErrGone is the cause of the context of a connection whose client went away.
	ErrGone = errors.New("client is gone")
	// ErrServerClosed is what Serve returns after Close.
	ErrServerClosed = errors.New("server closed")

	errQuit     = errors.New("client quit")
	errProtocol = errors.New("malformed packet")
)

// Errors with MySQL's texts.
var (
	errTooManyConnections = &Error{mysql.ER_CON_COUNT_ERROR, "08004", "Too many connections"}
	errHandshake          = &Error{mysql.ER_HANDSHAKE_ERROR, "08S01", "Bad handshake"}
	errOldClient          = &Error{mysql.ER_NOT_SUPPORTED_AUTH_MODE, "08004",
		"Client does not support authentication protocol requested by server; consider upgrading MySQL client"}
	errOutOfOrder = &Error{mysql.ER_NET_PACKETS_OUT_OF_ORDER, "08S01", "Got packets out of order"}
	errTooLarge   = &Error{mysql.ER_NET_PACKET_TOO_LARGE, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes"}
	errUnknownCom = &Error{mysql.ER_UNKNOWN_COM_ERROR, "08S01", "Unknown command"}
	errMalformed  = &Error{codeMalformedPacket, "HY000", "Malformed communication packet."}
	errLocalFiles = &Error{codeLocalFilesDisabled, "42000",
		"Loading local data is disabled; this must be enabled on both the client and server sides"}
	errIdle = &Error{codeInteractionTimeout, "HY000", "The client was disconnected by the server because of inactivity. " +
		"See wait_timeout and interactive_timeout for configuring this behavior."}
	errQueryInterrupted = &Error{mysql.ER_QUERY_INTERRUPTED, "70100", "Query execution was interrupted"}
	errLongData         = &Error{mysql.ER_UNKNOWN_ERROR, "HY000", "Parameter of prepared statement which is set through " +
		"mysql_send_long_data() is longer than 'max_allowed_packet' bytes"}
)

// Numbers that the constants' package lacks.
const (
	codeMalformedPacket    = 1835 // ER_MALFORMED_PACKET
	codeLocalFilesDisabled = 3948 // ER_CLIENT_LOCAL_FILES_DISABLED
	codeInteractionTimeout = 4031 // ER_CLIENT_INTERACTION_TIMEOUT
)

func errWrongArguments(command string) *Error {
	return &Error{mysql.ER_WRONG_ARGUMENTS, "HY000", "Incorrect arguments to " + command}
}

func errUnknownStatement(id uint32, command string) *Error {
	return &Error{mysql.ER_UNKNOWN_STMT_HANDLER, "HY000",
		fmt.Sprintf("Unknown prepared statement handler (%d) given to %s", id, command)}
}

// clientError returns what the client is told of err.
func clientError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return errQueryInterrupted
	}
	return &Error{mysql.ER_UNKNOWN_ERROR, "HY000", err.Error()}
}
