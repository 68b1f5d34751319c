package rewrite

// What a statement has that MySQL warns of: error 1287.
const (
	assignmentDeprecated = "Setting user variables within expressions is deprecated and will be removed in a future release. " +
		"Consider alternatives: 'SET variable=expression, ...', or 'SELECT expression(s) INTO variables(s)'."
	countDeprecated = "SQL_CALC_FOUND_ROWS is deprecated and will be removed in a future release. Consider using two separate queries instead."
	foundDeprecated = "FOUND_ROWS() is deprecated and will be removed in a future release. Consider using COUNT(*) instead."
	valueDeprecated = "'VALUES function' is deprecated and will be removed in a future release. Please use an alias (INSERT INTO ... VALUES (...) AS alias) " +
		"and replace VALUES(col) in the ON DUPLICATE KEY UPDATE clause with alias.col instead"
	binaryDeprecated = "'BINARY expr' is deprecated and will be removed in a future release. Please use CAST instead"
	andDeprecated    = "'&&' is deprecated and will be removed in a future release. Please use AND instead"
	OrDeprecated     = "'|| as a synonym for OR' is deprecated and will be removed in a future release. Please use OR instead"
	notDeprecated    = "'!' is deprecated and will be removed in a future release. Please use NOT instead"
)

func (r *Marking) deprecate(text string) { r.Deprecated = append(r.Deprecated, text) }

// beforeBinary are the tokens behind which BINARY is an operator.
var beforeBinary = map[string]bool{
	"(": true, ",": true, "=": true, "<": true, ">": true, "select": true, "distinct": true, "where": true, "and": true, "or": true, "not": true, "like": true,
	"by": true, "on": true, "having": true, "in": true, "between": true, "when": true, "then": true, "else": true, "return": true,
}

// deprecates looks at a token for what MySQL warns of.
func (r *Marking) deprecates(token string) {
	last := r.before[0].text
	next, _ := r.follows(r.end)
	switch token {
	case "duplicate":
		r.updates = true
	case ";":
		r.updates = false
	case "values":
		if r.updates && next == "(" {
			r.deprecate(valueDeprecated)
		}
	case "found_rows":
		if next == "(" {
			r.deprecate(foundDeprecated)
		}
	case "sql_calc_found_rows":
		r.deprecate(countDeprecated)
	case "binary":
		if r.reading && beforeBinary[last] && next != ")" && next != "," && next != "" {
			r.deprecate(binaryDeprecated)
		}
	case "&", "|":
		if r.end < len(r.Q) && r.Q[r.end] == token[0] && last != token {
			r.deprecate(map[string]string{"&": andDeprecated, "|": OrDeprecated}[token])
		}
	case "!":
		if next != "=" {
			r.deprecate(notDeprecated)
		}
	}
}
