package gms

import (
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/internal/certs"
)

// statusRegistry is the planner's status variables without those of plugins that are not
// loaded: two differ in a sign only from ones that are there, which monitors take for the same.
// Those of the server's certificate, which are numbers to the planner, are texts.
type statusRegistry struct{ sql.StatusVariableRegistry }

var unloadedStatus = []string{"validate_password_dictionary_file_last_parsed", "validate_password_dictionary_file_words_count"}

// serverCertificates are those of the process's server, nil without TLS.
var serverCertificates atomic.Pointer[certs.Source]

// certificateTime is a time as OpenSSL writes those of certificates.
const certificateTime = "Jan _2 15:04:05 2006 GMT"

// NewGlobalMap implements sql.StatusVariableRegistry.
func (r statusRegistry) NewGlobalMap() map[string]sql.StatusVarValue {
	return loaded(r.StatusVariableRegistry.NewGlobalMap())
}

// NewSessionMap implements sql.StatusVariableRegistry.
func (r statusRegistry) NewSessionMap() map[string]sql.StatusVarValue {
	return loaded(r.StatusVariableRegistry.NewSessionMap())
}

func loaded(all map[string]sql.StatusVarValue) map[string]sql.StatusVarValue {
	for _, name := range unloadedStatus {
		delete(all, name)
	}
	before, after := "", ""
	if source := serverCertificates.Load(); source != nil {
		leaf := source.Leaf()
		before, after = leaf.NotBefore.UTC().Format(certificateTime), leaf.NotAfter.UTC().Format(certificateTime)
	}
	for name, text := range map[string]string{"Ssl_server_not_before": before, "Ssl_server_not_after": after} {
		all[name] = &sql.ImmutableStatusVarValue{Val: text, Var: &sql.MySQLStatusVariable{
			Name: name, Scope: sql.StatusVariableScope_Both, Type: types.NewSystemStringType(name), Default: "",
		}}
	}
	return all
}
