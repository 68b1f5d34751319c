package rewrite

import (
	"strings"

	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
)

// Diagnosed is the name of a variable to which the text of a GET DIAGNOSTICS in a stored
// program is assigned for the grammar, which has none. No identifier of a client's ends in
// a blank.
const Diagnosed = "diagnostics "

// DiagnosticsItem is an item of GET DIAGNOSTICS and the variable that it is assigned to.
type DiagnosticsItem struct{ To, Item string }

// ConditionItems are the items of a condition that are texts of its SIGNAL.
var ConditionItems = []string{
	"class_origin", "subclass_origin", "constraint_catalog", "constraint_schema", "constraint_name",
	"catalog_name", "schema_name", "table_name", "column_name", "cursor_name",
}

// markDiagnostics makes a GET DIAGNOSTICS of a stored program an assignment.
func (r *Marking) markDiagnostics(at int) {
	next, end := r.follows(r.end)
	if next == "current" || next == "stacked" {
		next, _ = r.follows(end)
	}
	if next != "diagnostics" {
		return
	}
	for end = r.end; end < len(r.Q) && r.Q[end] != ';'; {
		_, end = syntax.NextWord(r.Q, end)
	}
	r.Put(at, end, "SET `"+Diagnosed+"` = "+syntax.QuoteText(r.Q[at:end]))
}

// SignalNull is the name that stands for NULL in a SIGNAL, for which the grammar has no other value.
const SignalNull = "null "

// markSignal puts names for the NULLs of a SIGNAL or RESIGNAL of a stored program.
func (r *Marking) markSignal(at int) {
	end := at
	for end < len(r.Q) && r.Q[end] != ';' {
		_, end = syntax.NextWord(r.Q, end)
	}
	if text := SignalNulls(r.Q[at:end]); text != r.Q[at:end] {
		r.Put(at, end, text)
	}
}

// SignalNulls returns the text of a SIGNAL with names for its NULLs.
func SignalNulls(text string) string {
	out, last := "", ""
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		if strings.EqualFold(word, "null") && last == "=" {
			out += "`" + SignalNull + "`"
		} else {
			out += text[at:end]
		}
		if strings.TrimSpace(text[at:end]) != "" {
			last = text[at:end]
		}
		at = end
	}
	return out
}

// Item returns an item of a condition.
func (c Condition) Item(name string) string {
	if text, there := c.Items[name]; there {
		return text
	}
	switch {
	case name != "class_origin" && name != "subclass_origin":
		return ""
	case name == "subclass_origin" && len(c.State) == 5 && c.State[2:] == "000":
		return "ISO 9075"
	case len(c.State) == 5 && (c.State[0] >= '0' && c.State[0] <= '4' || c.State[0] >= 'A' && c.State[0] <= 'H'):
		return "ISO 9075"
	}
	return "MySQL"
}

// Condition is an error or a warning as handlers see it, or what a name is declared for.
type Condition struct {
	Number  int
	State   string
	Message string
	Warning bool
	Items   map[string]string // that its SIGNAL has given it
	Before  []Condition       // that a RESIGNAL has put it behind
}

// Err returns the condition as the error that a client is told.
func (c Condition) Err() error { return mysql.NewSQLError(c.Number, c.State, "%s", c.Message) }
