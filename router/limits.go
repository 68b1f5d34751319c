package router

import "time"

// Defaults of Options.
const (
	defaultServerVersion  = "8.0.39"
	defaultHoldTimeout    = 30 * time.Second
	defaultHoldMax        = 4096
	defaultMaxConnections = 10000
	defaultLoginTimeout   = 10 * time.Second
	defaultDialTimeout    = 3 * time.Second
)

const (
	// bufferBytes is the size of one direction's buffer. A session between two
	// commands has none.
	bufferBytes = 16 << 10
	// idleBytes is what a session between two commands reads into. A longer
	// command costs a second read.
	idleBytes = 512
	// spliceBytes is the rest of a frame from which on the kernel moves it.
	spliceBytes = 128 << 10
	// loginPacketMax bounds every packet, in bytes, of a client that is not
	// logged in and of the login of an instance: connection attributes have at
	// most 64 KiB.
	loginPacketMax = 80 << 10
	// loginStepsMax bounds the packets of one login or COM_CHANGE_USER.
	loginStepsMax = 32
	// halfOpenMin is how many clients may be logging in at least.
	halfOpenMin = 64
	// holdNetworkBits is what of an IPv6 address tells one waiting client's network from
	// another's: who has one address has the 64 bits behind it, too.
	holdNetworkBits = 64
	// killBytesMax is the longest COM_QUERY that is looked at for KILL.
	killBytesMax = 1024

	// attachPauseMin and attachPauseMax bound the pause between two attempts to
	// reach the backends of one topology; it doubles.
	attachPauseMin = 20 * time.Millisecond
	attachPauseMax = 500 * time.Millisecond
	// watchPause is the pause before a lost topology source is asked again.
	watchPause = 200 * time.Millisecond
	// listenPause is the pause before an address that could not be opened is
	// tried again.
	listenPause = time.Second
	// acceptPause is the pause after a failed accept (no file descriptors left).
	acceptPause = 50 * time.Millisecond
	// killTimeout bounds Options.Kill.
	killTimeout = 5 * time.Second

	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
)

// Connection ids are the router's number, then a counter.
const (
	idNumberShift = 24
	idCounterMax  = 1<<idNumberShift - 1
)
