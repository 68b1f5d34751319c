package syntax

import (
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
)

// Partitioning is a PARTITION BY clause.
type Partitioning struct {
	Method  string // RANGE, LIST, HASH or KEY
	Linear  bool   // of HASH and KEY
	Columns bool   // RANGE COLUMNS, LIST COLUMNS
	// Algorithm is that of KEY, 0 if it is not written.
	Algorithm uint64    `json:",omitempty"`
	Expr      string    `json:",omitempty"` // of the methods that have one, as it is written
	Names     []string  `json:",omitempty"` // columns of KEY and the COLUMNS methods
	Key       []string  `json:",omitempty"` // the columns that KEY () was of when the table was divided
	Count     uint64    `json:",omitempty"` // PARTITIONS n; 0: not written
	Parts     []PartDef // what is written, or made of Count
	Default   bool      `json:",omitempty"` // Parts are made of Count
}

// PartDef is one partition of a PARTITION BY clause.
type PartDef struct {
	Name string
	// Values are the lists of VALUES: one of LESS THAN, several of IN. Each is the texts of its expressions, MaxValue
	// among them.
	Values  [][]string `json:",omitempty"`
	Less    bool       `json:",omitempty"` // VALUES LESS THAN
	In      bool       `json:",omitempty"` // VALUES IN
	Comment string     `json:",omitempty"`
}

// MaxValue is the text of the value above all.
const MaxValue = "MAXVALUE"

// PartitionBy reads a PARTITION BY clause from behind these words on.
func (l *Lexer) PartitionBy() (*Partitioning, error) {
	p := &Partitioning{}
	p.Linear = l.Accept("linear")
	word := l.AcceptOne("range", "list", "hash", "key")
	p.Method = strings.ToUpper(word)
	if word == "" || p.Linear && (word == "range" || word == "list") {
		return nil, l.Syntax()
	}
	if word == "range" || word == "list" {
		p.Columns = l.AcceptOne("columns", "fields") != ""
	}
	if word == "key" && l.Accept("algorithm") {
		l.Accept("=")
		n, ok := l.Number()
		if !ok || n != 1 && n != 2 {
			return nil, l.Syntax()
		}
		p.Algorithm = n
	}
	if word == "key" || p.Columns {
		if !l.Accept("(") {
			return nil, l.Syntax()
		}
		for !l.Accept(")") {
			name, ok := l.Name()
			if !ok || !l.Accept(",") && !l.Is(")") {
				return nil, l.Syntax()
			}
			p.Names = append(p.Names, name)
		}
		if p.Columns && len(p.Names) == 0 {
			return nil, l.Syntax()
		}
	} else {
		text, err := l.inParentheses()
		if err != nil {
			return nil, err
		}
		p.Expr = text
	}
	if l.Accept("partitions") {
		n, ok := l.Number()
		if !ok {
			return nil, l.Syntax()
		}
		if n == 0 {
			return nil, mysql.NewSQLError(1504, "HY000", "Number of partitions = 0 is not an allowed value")
		}
		p.Count = n
	}
	if l.Is("subpartition") {
		return nil, mysql.NewSQLError(1235, "42000", "This version of Sextant doesn't yet support 'SUBPARTITION BY'")
	}
	if l.Is("(") {
		parts, err := l.Partitions()
		if err != nil {
			return nil, err
		}
		p.Parts = parts
	}
	return p, nil
}

// inParentheses reads an expression in parentheses and returns its text.
func (l *Lexer) inParentheses() (string, error) {
	if !l.Is("(") {
		return "", l.Syntax()
	}
	from := l.At
	for depth := 0; ; l.Next() {
		switch {
		case l.Kind == 0:
			return "", l.Syntax()
		case l.Is("("):
			depth++
		case l.Is(")"):
			if depth--; depth == 0 {
				text := strings.TrimSpace(l.Q[from:l.Start])
				l.Next()
				if text == "" {
					return "", l.Syntax()
				}
				return text, nil
			}
		}
	}
}

// Partitions reads the definitions of partitions in parentheses.
func (l *Lexer) Partitions() ([]PartDef, error) {
	var out []PartDef
	if !l.Accept("(") {
		return nil, l.Syntax()
	}
	for {
		if !l.Accept("partition") {
			return nil, l.Syntax()
		}
		p := PartDef{}
		name, ok := l.Name()
		if !ok {
			return nil, l.Syntax()
		}
		p.Name = name
		if l.Accept("values") {
			if err := l.partitionValues(&p); err != nil {
				return nil, err
			}
		}
		if err := l.partitionOptions(&p); err != nil {
			return nil, err
		}
		if out = append(out, p); l.Accept(",") {
			continue
		}
		if !l.Accept(")") {
			return nil, l.Syntax()
		}
		return out, nil
	}
}

// partitionValues reads what is behind VALUES.
func (l *Lexer) partitionValues(p *PartDef) error {
	switch {
	case l.Accept("less", "than"):
		p.Less = true
		if l.Accept("maxvalue") {
			p.Values = [][]string{{MaxValue}}
			return nil
		}
		list, err := l.valueList()
		p.Values = [][]string{list}
		return err
	case l.Accept("in"):
		p.In = true
		list, err := l.valueList()
		if err != nil {
			return err
		}
		for _, text := range list {
			row := []string{text}
			if strings.HasPrefix(text, "(") { // a row, or an expression in parentheses
				inner := NewLexer(text)
				if row, err = inner.valueList(); err != nil || inner.Kind != 0 {
					row = []string{text}
				}
			}
			p.Values = append(p.Values, row)
		}
		return nil
	}
	return l.Syntax()
}

// valueList reads the texts of expressions in parentheses.
func (l *Lexer) valueList() ([]string, error) {
	if !l.Is("(") {
		return nil, l.Syntax()
	}
	var out []string
	from := l.At
	for depth := 0; ; l.Next() {
		end := l.Start
		switch {
		case l.Kind == 0:
			return nil, l.Syntax()
		case l.Is("("):
			depth++
			continue
		case l.Is(")"):
			if depth--; depth > 0 {
				continue
			}
		case l.Is(",") && depth == 1:
		default:
			continue
		}
		text := strings.TrimSpace(l.Q[from:end])
		if text == "" {
			return nil, l.Syntax()
		}
		if strings.EqualFold(text, MaxValue) {
			text = MaxValue
		}
		out, from = append(out, text), l.At
		if depth == 0 {
			l.Next()
			return out, nil
		}
	}
}

// partitionOptions reads the options of a partition. All but COMMENT say nothing here.
func (l *Lexer) partitionOptions(p *PartDef) error {
	for {
		storage := l.Accept("storage")
		word := l.AcceptOne("engine", "comment", "data", "index", "max_rows", "min_rows", "tablespace", "nodegroup")
		if word == "" {
			if l.Is("(") {
				return mysql.NewSQLError(1235, "42000", "This version of Sextant doesn't yet support 'SUBPARTITION'")
			}
			if storage {
				return l.Syntax()
			}
			return nil
		}
		if (word == "data" || word == "index") && !l.Accept("directory") {
			return l.Syntax()
		}
		l.Accept("=")
		value, ok := l.NameOrString()
		if !ok {
			return l.Syntax()
		}
		switch word {
		case "comment":
			p.Comment = value
		case "engine":
			if !SameName(value, "innodb") {
				return mysql.NewSQLError(1497, "HY000", "The mix of handlers in the partitions is not allowed in this version of MySQL")
			}
		}
	}
}

// Shown returns the clause as SHOW CREATE TABLE has it, in a comment of MySQL's version.
func (p *Partitioning) Shown() string {
	var b strings.Builder
	b.WriteString("/*!")
	version := "50100"
	if p.Columns {
		version = "50500"
	}
	b.WriteString(version + " PARTITION BY ")
	if p.Linear {
		b.WriteString("LINEAR ")
	}
	b.WriteString(p.Method + " ")
	switch {
	case p.Columns:
		b.WriteString(" COLUMNS(" + strings.Join(shownNames(p.Names), ",") + ")")
	case p.Method == "KEY":
		if p.Algorithm == 1 {
			b.WriteString("/*!50611 ALGORITHM = 1 */ ")
		}
		b.WriteString("(" + strings.Join(shownNames(p.Names), ",") + ")")
	default:
		b.WriteString("(" + p.Expr + ")")
	}
	if p.Default {
		if p.Count > 0 {
			b.WriteString("\nPARTITIONS " + strconv.FormatUint(p.Count, 10))
		}
		b.WriteString(" */")
		return b.String()
	}
	for i, part := range p.Parts {
		if i == 0 {
			b.WriteString("\n(")
		} else {
			b.WriteString(",\n ")
		}
		b.WriteString("PARTITION " + shownName(part.Name))
		switch {
		case part.Less && len(part.Values[0]) == 1 && part.Values[0][0] == MaxValue && !p.Columns:
			b.WriteString(" VALUES LESS THAN MAXVALUE")
		case part.Less:
			b.WriteString(" VALUES LESS THAN (" + strings.Join(part.Values[0], ",") + ")")
		case part.In:
			b.WriteString(" VALUES IN (" + part.List() + ")")
		}
		if part.Comment != "" {
			b.WriteString(" COMMENT = " + QuoteText(part.Comment))
		}
		b.WriteString(" ENGINE = InnoDB")
	}
	b.WriteString(") */")
	return b.String()
}

// List is the list of VALUES IN, or of LESS THAN.
func (p PartDef) List() string {
	rows := make([]string, len(p.Values))
	for i, r := range p.Values {
		if rows[i] = strings.Join(r, ","); len(r) > 1 && p.In {
			rows[i] = "(" + rows[i] + ")"
		}
	}
	return strings.Join(rows, ",")
}

func shownNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = shownName(n)
	}
	return out
}

// shownName returns a name of a partition or a column, quoted only if it must be.
func shownName(name string) string {
	for i := range len(name) {
		if !WordByte(name[i]) {
			return QuoteName(name)
		}
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' || reservedWords[strings.ToUpper(name)] {
		return QuoteName(name)
	}
	return name
}

// Kind is the method as information_schema has it.
func (p *Partitioning) Kind() string {
	kind := p.Method
	if p.Linear {
		kind = "LINEAR " + kind
	}
	if p.Columns {
		kind += " COLUMNS"
	}
	return kind
}

// Function is the expression as information_schema has it.
func (p *Partitioning) Function() string {
	if p.Expr != "" {
		return p.Expr
	}
	names := make([]string, len(p.Names))
	for i, n := range p.Names {
		names[i] = QuoteName(n)
	}
	return strings.Join(names, ",")
}
