package value

import (
	"context"
	_ "embed"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// TimeNames is the variable that chooses the language of the names of months and days.
const TimeNames = "lc_time_names"

// localeTexts has a line for each language: the names of its locales, those of the months from January, their
// abbreviations, those of the days from Monday, theirs.
//
//go:embed locales.txt
var localeTexts string

// Locale is the names of months and days in a language.
type Locale struct {
	Months, ShortMonths, Days, ShortDays []string // Days from Monday
}

// Locales are MySQL's, by their names in lower case.
var Locales = sync.OnceValue(func() map[string]*Locale {
	all := map[string]*Locale{}
	for _, line := range strings.Split(strings.TrimSuffix(localeTexts, "\n"), "\n") {
		names, rest, _ := strings.Cut(line, "|")
		words := strings.Split(rest, "|")
		l := &Locale{words[:12], words[12:24], words[24:31], words[31:38]}
		for _, name := range strings.Fields(names) {
			all[strings.ToLower(name)] = l
		}
	}
	return all
})

// LocaleType is the type of lc_time_names.
type LocaleType struct{ sql.SystemVariableType }

// Convert implements sql.Type. Returns MySQL's 1649 for a locale that there is not.
func (t LocaleType) Convert(_ context.Context, v any) (any, sql.ConvertInRange, error) {
	name := Shown(v)
	language, country, _ := strings.Cut(name, "_")
	if Locales()[strings.ToLower(name)] == nil {
		return nil, sql.InRange, mysql.NewSQLError(1649, "HY000", "Unknown locale: '%s'", name)
	}
	return strings.ToLower(language) + "_" + strings.ToUpper(country), sql.InRange, nil
}
