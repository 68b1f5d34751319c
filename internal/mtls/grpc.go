package mtls

import (
	"context"
	"errors"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// DialOption lets a gRPC client talk to peers of the roles alone; plainly if the
// Identity is nil.
func (i *Identity) DialOption(roles ...Role) grpc.DialOption {
	if i == nil {
		return grpc.WithTransportCredentials(insecure.NewCredentials())
	}
	return grpc.WithTransportCredentials(&transport{dial: func(ctx context.Context, c net.Conn) (net.Conn, Peer, error) {
		return i.upgrade(ctx, c, roles)
	}})
}

// Rules are the roles that may make a call, by its full method name. A call that is not
// in them is refused.
type Rules map[string][]Role

// ServerOptions hold a gRPC server to rules; its connections must be of a listener of
// Listen. None if the Identity is nil.
func (i *Identity) ServerOptions(r Rules) []grpc.ServerOption {
	if i == nil {
		return nil
	}
	check := func(ctx context.Context, method string) error {
		p, ok := Caller(ctx)
		if !ok || !slices.Contains(r[method], p.Role) {
			return status.Errorf(codes.PermissionDenied, "%s may not call %s", p, method)
		}
		return nil
	}
	return []grpc.ServerOption{
		grpc.Creds(&transport{}),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if err := check(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			return h(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			if err := check(s.Context(), info.FullMethod); err != nil {
				return err
			}
			return h(srv, s)
		}),
	}
}

// Caller returns who makes a gRPC call, false on a plain connection.
func Caller(ctx context.Context) (Peer, bool) {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.AuthInfo.(authInfo); ok {
			return a.Peer, true
		}
	}
	return Peer{}, false
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
