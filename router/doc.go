// Package router is the proxy in front of the SQL instances. It owns the
// addresses of the endpoints and splices each client connection to one instance:
// packets are copied, not decoded, and no SQL is read to choose a backend.
//
// What it decides itself is little: where a packet and an answer end (command.go),
// and how long a new connection waits. Which instance a connection may go to,
// which topology is newer and whose sessions a failover ends is decided by
// package route. Start with Router.
//
// Login passes through. The router greets with its own salt and connection id,
// reads user, database and attributes, and asks the instance for a plugin that
// does not exist; the instance answers with a switch to the right plugin and its
// own salt, and from there on the two talk through the router. So it knows no
// passwords. The client's address travels in front of the connection (package
// proxyv2), and the router's own answer to the instance's first salt is a signature of
// it (proxyv2.Vouch).
//
// Failover. While no instance can take it, a new connection waits, in a bounded
// queue and with a deadline, for the topology in which the writer of the next
// epoch serves. The sessions of a lost writer are closed, as Aurora does: the
// client sees the connection end. Sessions on readers stay, also on the one that
// is promoted. An instance that does not accept, does not greet, or answers that
// it is no writer (1053, 1290, 1836) is tried again until the deadline, as long
// as nothing of it has been passed on to the client.
//
// TLS. A client that asks for TLS gets it from the router, and the router gets TLS
// from the instance, whose certificate it verifies; if it cannot, the client is
// refused. What the client's TLS is, and its certificate, travels in front of the
// connection like its address. Without TLS nothing is different: long packets are
// moved by the kernel.
//
// Connection ids. The id in the greeting is the router's number and a counter. The
// instance takes it as the session's own, so that CONNECTION_ID(), SHOW PROCESSLIST
// and KILL mean the same. KILL, as a statement of its own or as COM_PROCESS_KILL,
// is translated only if the instance could not (the id was still in use), and
// carried out by Options.Kill for a session on another instance. A KILL among other
// statements reaches sessions on the same instance.
//
// Not done: compression, moving a session to another instance, holding the
// statements of a connected session, MariaDB's protocol extensions, instances with
// other capabilities than Options.Without says, the pre-4.1 login.
package router
