package gms

import "github.com/dolthub/go-mysql-server/sql"

// statusRegistry is the planner's status variables without those of plugins that are not
// loaded: two differ in a sign only from ones that are there, which monitors take for the same.
type statusRegistry struct{ sql.StatusVariableRegistry }

var unloadedStatus = []string{"validate_password_dictionary_file_last_parsed", "validate_password_dictionary_file_words_count"}

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
	return all
}
