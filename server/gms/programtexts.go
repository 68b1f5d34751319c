package gms

import (
	"reflect"
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// programTexts are the texts of the simple statements and of the cursors' queries in a program's body, by what they are in its
// tree. Such a statement is parsed anew whenever it runs, with the values of the variables that it names: what is done with a
// statement needs its text, the definitions of the moment and literals.
type programTexts map[ast.SQLNode]string

// textsOf returns the texts of a body, nil for a body that is not as its tree has it.
func textsOf(body ast.Statement, text string) programTexts {
	r := bodyReader{l: syntax.NewLexer(text), texts: programTexts{}}
	if !r.statement(body) || r.l.Accept(";") || r.l.Kind != 0 {
		return nil
	}
	return r.texts
}

// of returns the text of a statement, false if it has none.
func (t programTexts) of(stmt ast.Statement) (string, bool) {
	if reflect.ValueOf(stmt).Kind() != reflect.Pointer {
		return "", false
	}
	text, ok := t[stmt]
	return text, ok
}

// bodyReader walks a body's tree and its text side by side.
type bodyReader struct {
	l     *syntax.Lexer
	texts programTexts
}

func (r *bodyReader) statement(stmt ast.Statement) bool {
	l := r.l
	switch n := stmt.(type) {
	case *ast.BeginEndBlock:
		return r.label(n.Label) && l.Accept("begin") && r.statements(n.Statements) && l.Accept("end") && r.end(n.Label)
	case *ast.IfStatement:
		word := "if"
		for _, c := range n.Conditions {
			if !l.Accept(word) || !r.behind("then") || !r.statements(c.Statements) {
				return false
			}
			word = "elseif"
		}
		return r.otherwise(n.Else) && l.Accept("end", "if")
	case *ast.CaseStatement:
		if !l.Accept("case") || n.Expr != nil && !r.before("when") {
			return false
		}
		for _, c := range n.Cases {
			if !l.Accept("when") || !r.behind("then") || !r.statements(c.Statements) {
				return false
			}
		}
		return r.otherwise(n.Else) && l.Accept("end", "case")
	case *ast.Loop:
		return r.label(n.Label) && l.Accept("loop") && r.statements(n.Statements) && l.Accept("end", "loop") && r.end(n.Label)
	case *ast.While:
		return r.label(n.Label) && l.Accept("while") && r.behind("do") && r.statements(n.Statements) && l.Accept("end", "while") && r.end(n.Label)
	case *ast.Repeat:
		return r.label(n.Label) && l.Accept("repeat") && r.statements(n.Statements) && l.Accept("until") && r.before("end") &&
			l.Accept("end", "repeat") && r.end(n.Label)
	case *ast.Declare:
		if n.Handler != nil {
			return r.behind("for") && r.conditions() && r.statement(n.Handler.Statement)
		}
		if n.Cursor != nil {
			return r.behind("for") && r.simple(n.Cursor.SelectStmt)
		}
	}
	return r.simple(stmt)
}

// statements reads those of a list, each with its semicolon.
func (r *bodyReader) statements(list ast.Statements) bool {
	for _, stmt := range list {
		if !r.statement(stmt) || r.l.Kind != 0 || r.l.Start == len(r.l.Q) {
			return false
		}
		r.l.At = r.l.Start + 1
		r.l.Next()
	}
	return true
}

func (r *bodyReader) otherwise(list ast.Statements) bool {
	return len(list) == 0 || r.l.Accept("else") && r.statements(list)
}

// simple reads up to a semicolon or the end.
func (r *bodyReader) simple(stmt ast.Statement) bool {
	from := r.l.Start
	r.l.Skip()
	switch stmt.(type) {
	case *ast.Call, *ast.Declare, *ast.OpenCursor, *ast.FetchCursor, *ast.CloseCursor, *ast.Signal, *ast.Resignal, *ast.Leave, *ast.Iterate,
		*ast.Prepare, *ast.Execute, *ast.Deallocate: // the interpreter's own
	default:
		if reflect.ValueOf(stmt).Kind() == reflect.Pointer { // others have nothing in them, and are no keys
			r.texts[stmt] = r.l.Q[from:r.l.Start]
		}
	}
	return from < r.l.Start
}

func (r *bodyReader) label(name string) bool {
	if name == "" {
		return true
	}
	if _, ok := r.l.Name(); !ok || r.l.Kind != ':' {
		return false
	}
	r.l.Next()
	return true
}

// end reads the label behind an END, if it is there.
func (r *bodyReader) end(label string) bool {
	if label != "" && (r.l.Kind == 'w' || r.l.Kind == 'i') && syntax.SameName(r.l.Text, label) {
		r.l.Next()
	}
	return true
}

// before reads an expression up to a word.
func (r *bodyReader) before(word string) bool {
	for cases := 0; r.l.Kind != 0; r.l.Next() {
		switch {
		case cases == 0 && r.l.Is(word):
			return true
		case r.l.Is("case"):
			cases++
		case r.l.Is("end"):
			cases--
		}
	}
	return false
}

func (r *bodyReader) behind(word string) bool { return r.before(word) && r.l.Accept(word) }

// conditions reads what a handler is for.
func (r *bodyReader) conditions() bool {
	for {
		switch {
		case r.l.Accept("sqlstate"):
			r.l.Accept("value")
		case r.l.Accept("not"):
		}
		r.l.Next()
		if r.l.Kind != ',' {
			return r.l.Kind != 0
		}
		r.l.Next()
	}
}

// programBody returns the body of a program's definition, nil of another.
func programBody(d *ast.DDL) ast.Statement {
	switch {
	case d.ProcedureSpec != nil:
		return d.ProcedureSpec.Body
	case d.TriggerSpec != nil:
		return d.TriggerSpec.Body
	case d.EventSpec != nil:
		return d.EventSpec.Body
	}
	return nil
}

// withoutInto returns a SELECT without its INTO of a program's variables, which the interpreter assigns to; other statements as they are.
func withoutInto(stmt ast.Statement) ast.Statement {
	switch n := stmt.(type) {
	case *ast.Select:
		if storesInProgram(n.Into) {
			n.Into = nil
		}
	case *ast.SetOp:
		if storesInProgram(n.Into) {
			n.Into = nil
		}
	}
	return stmt
}

// storesInProgram reports whether an INTO has a variable of the program; the planner knows those of users.
func storesInProgram(into *ast.Into) bool {
	return into != nil && slices.ContainsFunc(into.Variables, func(v ast.ColIdent) bool { return !strings.HasPrefix(v.String(), "@") })
}
