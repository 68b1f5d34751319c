package mtls

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// DialOption lets a gRPC client talk to peers of the roles alone, and to the one with that
// id unless it is ""; plainly if the Identity is nil.
func (i *Identity) DialOption(id string, roles ...Role) grpc.DialOption {
	if i == nil {
		return grpc.WithTransportCredentials(insecure.NewCredentials())
	}
	return grpc.WithTransportCredentials(&transport{dial: func(ctx context.Context, c net.Conn) (net.Conn, Peer, error) {
		return i.upgrade(ctx, c, id, roles)
	}})
}

// Rules are the roles that may make a call, by its full method name. A call that is not
// in them is refused.
type Rules map[string][]Role

// ServerOptions hold a gRPC server to rules; its connections must be of a listener of
// Listen. With a nil Identity there are no rules. Calls that end with PermissionDenied or
// Unauthenticated, by the rules or by the server, are logged as Refusals are.
func (i *Identity) ServerOptions(log *slog.Logger, r Rules) []grpc.ServerOption {
	refused := NewRefusals(log)
	check := func(ctx context.Context, method string) error {
		if p, ok := Caller(ctx); i != nil && (!ok || !slices.Contains(r[method], p.Role)) {
			return status.Errorf(codes.PermissionDenied, "%s may not call %s", p, method)
		}
		return nil
	}
	o := []grpc.ServerOption{
		grpc.ConnectionTimeout(handshakeTimeout), grpc.MaxHeaderListSize(headerBytesMax),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (a any, err error) {
			if err = check(ctx, info.FullMethod); err == nil {
				a, err = h(ctx, req)
			}
			return a, refused.noted(ctx, info.FullMethod, err)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			err := check(s.Context(), info.FullMethod)
			if err == nil {
				err = h(srv, s)
			}
			return refused.noted(s.Context(), info.FullMethod, err)
		}),
	}
	if i != nil {
		o = append(o, grpc.Creds(&transport{}))
	}
	return o
}

// noted logs err if it is a refusal, and returns it.
func (r *Refusals) noted(ctx context.Context, method string, err error) error {
	if c := status.Code(err); c == codes.PermissionDenied || c == codes.Unauthenticated {
		remote := "unknown"
		if p, ok := peer.FromContext(ctx); ok {
			remote = p.Addr.String()
		}
		p, _ := Caller(ctx)
		r.Warn(method, p.String(), "call refused", "call", method, "remote", remote, "error", status.Convert(err).Message())
	}
	return err
}

// Caller returns who makes a gRPC call, the zero Peer and false on a plain connection.
func Caller(ctx context.Context) (Peer, bool) {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.AuthInfo.(authInfo); ok {
			return a.Peer, true
		}
	}
	return Peer{}, false
}

// CallsAs returns PermissionDenied unless the caller is the process id, or calls on a plain
// connection.
func CallsAs(ctx context.Context, id string) error {
	p, _ := Caller(ctx)
	if err := p.SpeaksAs(id); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return nil
}

type authInfo struct {
	credentials.CommonAuthInfo
	Peer
}

// AuthType implements credentials.AuthInfo.
func (authInfo) AuthType() string { return "mtls" }

// transport is gRPC's view of connections whose handshake is ours.
type transport struct {
	dial func(context.Context, net.Conn) (net.Conn, Peer, error)
}

func info(p Peer) authInfo {
	return authInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, p}
}

// ClientHandshake implements credentials.TransportCredentials.
func (t *transport) ClientHandshake(ctx context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	tls, p, err := t.dial(ctx, c)
	return tls, info(p), err
}

// ServerHandshake implements credentials.TransportCredentials.
func (t *transport) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	p, ok := Of(c)
	if !ok {
		return nil, nil, errors.Join(ErrRefused, c.Close())
	}
	return c, info(p), nil
}

// Info implements credentials.TransportCredentials.
func (t *transport) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "mtls"}
}

// Clone implements credentials.TransportCredentials.
func (t *transport) Clone() credentials.TransportCredentials { return &transport{t.dial} }

// OverrideServerName implements credentials.TransportCredentials; there are no names.
func (t *transport) OverrideServerName(string) error { return nil }
