package gms

import (
	"maps"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/internal/certs"
)

// statusRegistry is the planner's status variables without those of plugins that are not
// loaded. Those of the server's certificate, which are numbers to the planner, are texts.
type statusRegistry struct{ sql.StatusVariableRegistry }

var unloadedStatus = []string{"group_replication_primary_member", "mecab_charset",
	"validate_password.dictionary_file_last_parsed", "validate_password.dictionary_file_words_count",
	"validate_password_dictionary_file_last_parsed", "validate_password_dictionary_file_words_count"}

// serverCertificates are those of the process's server, nil without TLS.
var serverCertificates atomic.Pointer[certs.Source]

// certificateTime is a time as OpenSSL writes those of certificates.
const certificateTime = "Jan _2 15:04:05 2006 GMT"

// NewGlobalMap implements sql.StatusVariableRegistry.
func (r statusRegistry) NewGlobalMap() map[string]sql.StatusVarValue {
	return loaded(r.StatusVariableRegistry.NewGlobalMap())
}

// NewSessionMap implements sql.StatusVariableRegistry. It returns none: the planner makes a session several times a statement
// for contexts that nothing is counted in. A Session has its own.
func (r statusRegistry) NewSessionMap() map[string]sql.StatusVarValue { return nil }

// newSessionStatus returns the status variables of a new Session.
func newSessionStatus() map[string]sql.StatusVarValue {
	return loaded(sql.StatusVariables.(statusRegistry).StatusVariableRegistry.NewSessionMap())
}

// GetStatusVariable implements sql.Session.
func (s *Session) GetStatusVariable(_ *sql.Context, name string) (any, error) {
	v, ok := s.status[name]
	if !ok {
		return nil, sql.ErrUnknownSystemVariable.New(name)
	}
	return v.Value(), nil
}

// SetStatusVariable implements sql.Session.
func (s *Session) SetStatusVariable(_ *sql.Context, name string, v any) error {
	of, ok := s.status[name]
	if !ok {
		return sql.ErrUnknownSystemVariable.New(name)
	}
	return of.Set(v)
}

// GetAllStatusVariables implements sql.Session.
func (s *Session) GetAllStatusVariables(*sql.Context) map[string]sql.StatusVarValue {
	return maps.Clone(s.status)
}

// IncrementStatusVariable implements sql.Session. A name that is none is passed over.
func (s *Session) IncrementStatusVariable(_ *sql.Context, name string, n int) {
	if v, ok := s.status[name]; ok {
		v.Increment(uint64(n))
	}
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
