package rewrite

import (
	"strings"

	"sextant/server/gms/syntax"
)

// ObjectHead is the beginning of a CREATE VIEW, TRIGGER, PROCEDURE or EVENT.
type ObjectHead struct {
	Kind                string // "view" …
	Definer             syntax.AccountName
	Defined             bool // the statement names a definer
	Optional            bool // IF NOT EXISTS
	Algorithm, Security string
	Alter               bool // it is an ALTER VIEW
	Name                syntax.TableName
	From, To            int           // of the name in the text
	L                   *syntax.Lexer // behind the name
}

// NewObjectHead reads the beginning of a statement, false if it is none of them.
func NewObjectHead(create string) (h ObjectHead, ok bool) {
	l := syntax.NewLexer(syntax.PlainComments(create))
	h.L, h.Algorithm, h.Security = l, "UNDEFINED", "DEFINER"
	if h.Alter = l.Accept("alter"); !h.Alter && !l.Accept("create") {
		return h, false
	}
	l.Accept("or", "replace")
	for h.Kind == "" {
		switch {
		case l.Accept("algorithm", "="):
			h.Algorithm = strings.ToUpper(l.AcceptOne("undefined", "merge", "temptable"))
		case l.Accept("definer", "="):
			self := false
			if h.Definer, self, ok = l.AccountName(); !ok {
				return h, false
			}
			h.Defined = !self
		case l.Accept("sql", "security"):
			h.Security = strings.ToUpper(l.AcceptOne("definer", "invoker"))
		default:
			if h.Kind = l.AcceptOne("view", "trigger", "procedure", "function", "event"); h.Kind == "" || h.Alter && h.Kind != "view" {
				return h, false
			}
		}
	}
	h.Optional = l.Accept("if", "not", "exists")
	h.From, h.To = l.Start, l.At
	if h.Name.Name, ok = l.Name(); ok && l.Accept(".") {
		h.Name.Database, h.To = h.Name.Name, l.At
		h.Name.Name, ok = l.Name()
	}
	return h, ok
}
