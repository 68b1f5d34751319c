package gms

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/internal/certs"
	"sextant/router/proxyv2"
	"sextant/server/gms/syntax"
	"sextant/server/protocol"
)

// transport is how a client has come, to the router if it came through one.
type transport struct {
	version, cipher string            // of TLS, as MySQL names them; "" without
	certificate     *x509.Certificate // that was verified
	unix            bool
}

// transportOf returns how a client has come. What a router says of it counts only if
// the router's own connection is like that: then the password was safe all the way.
func transportOf(c *protocol.Conn) (t transport) {
	_, t.unix = c.LocalAddr().(*net.UnixAddr)
	state := c.TLS()
	if state == nil {
		return t
	}
	p, ok := c.NetConn().(*proxyv2.Conn)
	if !ok {
		t.version, t.cipher = certs.Version(state.Version), certs.Cipher(state.CipherSuite)
		if len(state.VerifiedChains) > 0 {
			t.certificate = state.PeerCertificates[0]
		}
		return t
	}
	header, err := p.Header()
	if err != nil || header.TLS == nil {
		return t
	}
	t.version, t.cipher = header.TLS.Version, header.TLS.Cipher
	if cert, err := x509.ParseCertificate(header.TLS.Certificate); err == nil {
		t.certificate = cert
	}
	return t
}

// certified reports whether a client has come as REQUIRE says.
func certified(t transport, u *mysql_db.User) bool {
	switch {
	case u.SslType == "":
		return true
	case t.version == "", u.SslCipher != "" && u.SslCipher != t.cipher:
		return false
	case u.SslType == "ANY", u.SslType == "SPECIFIED" && u.X509Issuer == "" && u.X509Subject == "":
		return true
	case t.certificate == nil:
		return false
	}
	return (u.X509Issuer == "" || oneLine(t.certificate.Issuer) == u.X509Issuer) &&
		(u.X509Subject == "" || oneLine(t.certificate.Subject) == u.X509Subject)
}

// oneLine returns a certificate's name as OpenSSL's one-line form, /C=…/CN=….
func oneLine(n pkix.Name) string {
	names := map[string]string{
		"2.5.4.3": "CN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
		"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.17": "postalCode", "1.2.840.113549.1.9.1": "emailAddress",
		"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	}
	var b strings.Builder
	for _, a := range n.Names {
		name := names[a.Type.String()]
		if name == "" {
			name = a.Type.String()
		}
		text, _ := a.Value.(string)
		b.WriteString("/" + name + "=" + text)
	}
	return b.String()
}

// errInsecure is ER_SECURE_TRANSPORT_REQUIRED.
var errInsecure = &protocol.Error{Number: 3159, State: "HY000", Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON."}

// insecure reports whether require_secure_transport refuses a client.
func insecure(t transport) bool {
	_, v, _ := sql.SystemVariables.GetGlobal("require_secure_transport")
	on, _ := v.(int8)
	return on != 0 && t.version == "" && !t.unix
}

// addTLSVariables adds the system variables of TLS that the planner lacks.
func addTLSVariables() {
	global := sql.GetMysqlScope(sql.SystemVariableScope_Global)
	for _, name := range []string{"have_ssl", "have_openssl"} {
		sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
			Name: name, Scope: global, Default: "DISABLED", Type: types.NewSystemStringType(name),
		}})
	}
}

// tlsVariables are what a server tells of its TLS.
func tlsVariables(o Options) map[string]any {
	secure := int8(0)
	if o.RequireSecureTransport {
		secure = 1
	}
	m := map[string]any{"require_secure_transport": secure, "tls_version": "TLSv1.2,TLSv1.3", "have_ssl": "DISABLED", "have_openssl": "DISABLED"}
	if o.TLS != nil {
		f := o.TLS.Files()
		m["have_ssl"], m["have_openssl"] = "YES", "YES"
		m["ssl_cert"], m["ssl_key"], m["ssl_ca"] = f.Cert.Path, f.Key.Path, f.CA.Path
	}
	return m
}

// showTransport gives a session the status variables of its TLS, which are empty
// without, and counts it.
func (s *Session) showTransport(ctx *sql.Context, t transport) error {
	if t.version == "" {
		return nil
	}
	for _, name := range []string{"Ssl_accepts", "Ssl_finished_accepts"} {
		sql.StatusVariables.IncrementGlobal(name, 1)
	}
	for name, v := range map[string]any{
		"Ssl_version": t.version, "Ssl_cipher": t.cipher, "Ssl_cipher_list": strings.Join(certs.Ciphers(), ":"),
		"Ssl_verify_mode": uint64(5), // SSL_VERIFY_PEER and _CLIENT_ONCE
	} {
		if err := s.SetStatusVariable(ctx, name, v); err != nil {
			return err
		}
	}
	return nil
}

// parseAlterInstance reads ALTER INSTANCE RELOAD TLS [FOR CHANNEL mysql_main] [NO
// ROLLBACK ON ERROR]; the others are for what there is not.
func parseAlterInstance(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("reload", "tls") {
		return notSupported("ALTER INSTANCE")(l)
	}
	if l.Accept("for", "channel") && !l.Accept("mysql_main") {
		return notSupported("ALTER INSTANCE ... FOR CHANNEL")(l)
	}
	force := l.Accept("no", "rollback", "on", "error")
	run := func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) { return nil, s.reloadTLS(ctx, force) }
	return (&admin{name: "ALTER INSTANCE", run: run}).statement(), nil
}

// reloadTLS reads the certificates again. If they cannot be used the old ones stay,
// which with NO ROLLBACK ON ERROR is a warning.
func (s *Session) reloadTLS(ctx *sql.Context, force bool) error {
	if !s.mayDynamic(ctx, "connection_admin") {
		return errPrivilege("CONNECTION_ADMIN")
	}
	if s.b.tls == nil {
		return nil
	}
	err := s.b.tls.Reload()
	const text = "Failed to set up SSL because of the following SSL library error: %s"
	switch {
	case err != nil && force:
		ctx.Warn(3888, text, err)
		return nil
	case err != nil:
		return mysql.NewSQLError(3888, "HY000", text, err)
	}
	return nil
}

// mayDynamic reports whether the session has a dynamic privilege, or SUPER.
func (s *Session) mayDynamic(ctx *sql.Context, privilege string) bool {
	return s.may(ctx, sql.PrivilegeType_Super) ||
		s.b.users.UserHasPrivileges(ctx, sql.NewDynamicPrivilegedOperation(privilege))
}
