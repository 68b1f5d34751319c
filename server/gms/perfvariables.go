package gms

import (
	"fmt"
	"reflect"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/server/gms/value"
)

// addVariables adds the tables of where variables have their values from.
func (d *fixedDatabase) addVariables() {
	d.add("persisted_variables", `
		VARIABLE_NAME varchar(64) not null
		VARIABLE_VALUE varchar(1024)`, persistedRows)
	d.add("variables_info", `
		VARIABLE_NAME varchar(64) not null
		VARIABLE_SOURCE enum('COMPILED','GLOBAL','SERVER','EXPLICIT','EXTRA','USER','LOGIN','COMMAND_LINE','PERSISTED','DYNAMIC')
		VARIABLE_PATH varchar(1024)
		MIN_VALUE varchar(64)
		MAX_VALUE varchar(64)
		SET_TIME timestamp(6)
		SET_USER char(32)
		SET_HOST char(255)`, variableInfoRows)
}

// persisted returns the values that SET PERSIST has kept, by name.
func (b *Backend) persisted(ctx *sql.Context) (map[string]any, error) {
	cat, err := b.newestCatalog(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, o := range cat.Objects(engine.ObjectVariable, "") {
		if out[o.Name], err = persistedValue(o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func persistedRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	values, err := s.b.persisted(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sql.Row
	for _, name := range sortedNames(values) {
		rows = append(rows, sql.Row{name, shownVariable(values[name])})
	}
	return rows, nil
}

// variableInfoRows are variables_info. A variable that is not at its default is DYNAMIC unless SET PERSIST kept its value:
// what the configuration has set is not told from what SET GLOBAL has, nor who did and when.
func variableInfoRows(ctx *sql.Context, s *Session) ([]sql.Row, error) {
	persisted, err := s.b.persisted(ctx)
	if err != nil {
		return nil, err
	}
	values := sql.SystemVariables.GetAllGlobalVariables()
	var rows []sql.Row
	for _, name := range sortedNames(values) {
		v, value, ok := sql.SystemVariables.GetGlobal(name)
		if !ok {
			continue
		}
		source := "DYNAMIC"
		if kept, ok := persisted[name]; ok && reflect.DeepEqual(kept, value) {
			source = "PERSISTED"
		} else if reflect.DeepEqual(v.GetDefault(), value) {
			source = "COMPILED"
		}
		least, most := "0", "0"
		if t := reflect.ValueOf(v.GetType()); t.Kind() == reflect.Struct && t.FieldByName("lowerbound").IsValid() {
			least, most = fmt.Sprint(t.FieldByName("lowerbound")), fmt.Sprint(t.FieldByName("upperbound"))
		}
		rows = append(rows, sql.Row{name, source, "", least, most, nil, nil, nil})
	}
	return rows, nil
}

// shownVariable is a variable's value as the tables of variables have it.
func shownVariable(v any) string {
	switch b := v.(type) {
	case int8:
		v = map[int8]string{0: "OFF", 1: "ON"}[b]
	case nil:
		v = ""
	}
	return value.FirstRunes(fmt.Sprint(v), 1024)
}
