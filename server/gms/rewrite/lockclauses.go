package rewrite

import "sextant/server/gms/syntax"

const (
	// ShareMark is the table name that stands for SHARE in FOR SHARE, which the grammar lacks.
	ShareMark = "\x00share"
	// ThenMark begins the table name that stands between a lock clause and the next one. What is behind it is how the first one waits.
	ThenMark = "\x00then "
)

// locks turns FOR SHARE into FOR UPDATE OF ShareMark, and a lock clause behind one with an OF, of which the
// grammar has one, into more names of its list.
func (r *Marking) locks() {
	if !syntax.ContainsFold(r.Q, "share") && !(syntax.ContainsFold(r.Q, "update") && syntax.ContainsFold(r.Q, "of")) {
		return
	}
	put := func(from, end int, text string) {
		if r.clauses == nil {
			r.clauses = map[int]replacement{}
		}
		r.clauses[from] = replacement{end, text}
	}
	tables, wait := 0, "" // where the list of the clause before ends, 0: there is none; how it goes on
	for l := syntax.NewLexer(r.Q); l.Start < len(r.Q); {
		if l.Kind == 0 {
			l.At++
			l.Next()
			continue
		}
		from, kind := l.Start, ""
		if l.Accept("for") {
			kind = l.AcceptOne("share", "update")
		} else {
			l.Next()
		}
		list := kind != "" && l.Accept("of")
		names := ""
		if kind == "share" {
			names = "`" + ShareMark + "` "
			if list {
				names = "`" + ShareMark + "`, "
			}
		}
		switch {
		case list && tables > 0:
			put(tables, l.Start, ", `"+ThenMark+wait+"`, "+names)
		case names != "":
			put(from, l.Start, "FOR UPDATE OF "+names)
		}
		tables, wait = 0, ""
		if list {
			l.TableNames()
			tables = l.Start
			if l.Accept("skip", "locked") {
				wait = "skip locked"
			} else {
				wait = l.AcceptOne("nowait")
			}
		}
	}
}
