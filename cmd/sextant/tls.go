package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"sextant/internal/certs"
	"sextant/internal/config"
)

func tlsDir(cfg *config.Config) string { return filepath.Join(cfg.Cluster.Data, "tls") }

// makeCertificates draws the cluster's own certificates at the first start, unless
// the configuration names others.
func makeCertificates(cfg *config.Config) error {
	if cfg.Server.TLSCert != "" {
		return nil
	}
	hosts := []string{"localhost", "127.0.0.1", "::1", cfg.Cluster.Bind, cfg.Admin.Bind}
	ids := []string{cfg.Router.Nodes[0].ID}
	for _, i := range cfg.Instances {
		ids = append(ids, i.ID)
	}
	for _, id := range ids {
		if !slices.Contains(hosts, cfg.Host(id)) {
			hosts = append(hosts, cfg.Host(id))
		}
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return certs.Make(tlsDir(cfg), cfg.Cluster.Name, hosts...)
}

// serverFiles are the files that instances read.
func serverFiles(cfg *config.Config) certs.Files {
	if cfg.Server.TLSCert == "" {
		return certs.Generated(tlsDir(cfg))
	}
	return certs.Files{
		Cert: certs.File{Path: cfg.Server.TLSCert, Key: "server.tls_cert"}, Key: certs.File{Path: cfg.Server.TLSKey, Key: "server.tls_key"},
		CA: certs.File{Path: cfg.Server.TLSCA, Key: "server.tls_ca"},
	}
}

// instanceTLS opens what instances show to clients and routers verify them with. It
// is nil for a directory that was made without certificates.
func instanceTLS(cfg *config.Config, log *slog.Logger) (*certs.Source, error) {
	f := serverFiles(cfg)
	if _, err := os.Stat(f.CA.Path); cfg.Server.TLSCert == "" && errors.Is(err, fs.ErrNotExist) {
		log.Warn("no TLS: `sextant up` makes certificates", "missing", f.CA.Path)
		return nil, nil
	}
	return certs.Open(f, log)
}

// routerTLS opens what routers show to clients.
func routerTLS(cfg *config.Config, instances *certs.Source, log *slog.Logger) (*certs.Source, error) {
	if cfg.Router.TLSCert == "" || instances == nil {
		return instances, nil
	}
	f := instances.Files()
	f.Cert, f.Key = certs.File{Path: cfg.Router.TLSCert, Key: "router.tls_cert"}, certs.File{Path: cfg.Router.TLSKey, Key: "router.tls_key"}
	return certs.Open(f, log)
}
