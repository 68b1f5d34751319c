package txn_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"sextant/engine/txn"
)

// world runs scripts: owners are made when they are first named, nobody ever
// sleeps. A wait that ended is reported by the command that ended it.
type world struct {
	t       *testing.T
	budget  *txn.Budget
	table   *txn.Table
	owners  map[string]*txn.Owner
	waiting map[string]*txn.Waiter
}

func (w *world) owner(name string) *txn.Owner {
	o := w.owners[name]
	if o == nil {
		id, err := strconv.Atoi(strings.TrimPrefix(name, "t"))
		if err != nil {
			w.t.Fatalf("owner %q", name)
		}
		o = w.table.NewOwner(uint64(id))
		w.owners[name] = o
	}
	return o
}

// ended reports the waits that have ended, in order of owner.
func (w *world) ended() string {
	var names []string
	for name, x := range w.waiting {
		select {
		case <-x.Done():
			names = append(names, name)
		default:
		}
	}
	slices.Sort(names)
	out := ""
	for _, name := range names {
		out += fmt.Sprintf("%s: %s\n", name, outcome(w.waiting[name].Err()))
		delete(w.waiting, name)
	}
	return out
}

func outcome(err error) string {
	if err == nil {
		return "granted"
	}
	return strings.TrimPrefix(err.Error(), "txn: ")
}

var modesByName = map[string]txn.Mode{"S": txn.Shared, "X": txn.Exclusive, "read": txn.MetaRead, "write": txn.MetaWrite,
	"nowrite": txn.MetaNoWrite, "exclusive": txn.MetaExclusive}

func space(name string) txn.Space {
	switch name {
	case "meta":
		return txn.Space{Kind: txn.SpaceMeta}
	case "user":
		return txn.Space{Kind: txn.SpaceUser}
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "i"))
	if err != nil {
		panic("space " + name)
	}
	return txn.Space{Table: 1, Index: uint32(n)}
}

// args are "word" or "word=value" arguments of a command.
type args map[string]string

func (a args) has(k string) bool { _, there := a[k]; return there }

func (a args) bytes(k string) []byte {
	if v, there := a[k]; there {
		return []byte(strings.ReplaceAll(v, `\0`, "\x00"))
	}
	return nil
}

func (a args) seq(k string) txn.Seq {
	n, _ := strconv.Atoi(a[k])
	return txn.Seq(n)
}

func (w *world) run(d *datadriven.TestData) string {
	a := args{}
	var words []string
	for _, c := range d.CmdArgs {
		if len(c.Vals) == 0 {
			words = append(words, c.Key)
			a[c.Key] = ""
		} else {
			a[c.Key] = c.Vals[0]
		}
	}
	return w.command(d, words, a) + w.ended()
}

func (w *world) command(d *datadriven.TestData, words []string, a args) string {
	switch d.Cmd {
	case "budget":
		n, _ := strconv.Atoi(words[0])
		w.budget.SetLimit(int64(n))
		return ""
	case "locks":
		return w.list()
	case "used":
		return fmt.Sprintf("%d bytes\n", w.budget.Used())
	}
	name := words[0]
	o := w.owner(name)
	switch d.Cmd {
	case "lock": // lock t1 i0 key S|X [write=seq] [insert] [session] [try]
		r := txn.Request{Space: space(words[1]), Key: []byte(words[2]), Mode: modesByName[words[3]],
			Write: a.seq("write"), Insert: a.has("insert"), Session: a.has("session")}
		return w.request(name, o, r, a.has("try"))
	case "next": // next t1 i0 S|X [from=] [key=] [to=] [gaps] [entries] [reverse] [skippending]
		s := &txn.Step{Space: space(words[1]), Mode: modesByName[words[2]], From: a.bytes("from"), Key: a.bytes("key"), To: a.bytes("to"),
			Gaps: a.has("gaps"), Entries: a.has("entries"), Reverse: a.has("reverse"), SkipPending: a.has("skippending")}
		blocked, err := o.Next(s)
		switch {
		case err != nil:
			return outcome(err) + "\n"
		case blocked != nil:
			return "blocked at " + string(blocked) + "\n"
		}
		return "granted\n"
	case "gap":
		if err := o.LockGap(space(words[1]), a.bytes("from"), a.bytes("to")); err != nil {
			return outcome(err) + "\n"
		}
		return "granted\n"
	case "unlock":
		o.Unlock(space(words[1]), []byte(words[2]), modesByName[words[3]])
	case "unlocksession":
		o.UnlockSession(space(words[1]), []byte(words[2]), modesByName[words[3]])
	case "rollback": // rollback t1 to=seq
		o.ReleaseAfter(a.seq("to"))
	case "release":
		o.Release()
	case "close":
		o.Close()
	case "timeout":
		w.waiting[name].Cancel(txn.ErrLockWait)
	default:
		d.Fatalf(w.t, "unknown command")
	}
	return ""
}

func (w *world) request(name string, o *txn.Owner, r txn.Request, try bool) string {
	if try {
		return outcome(o.Try(r)) + "\n"
	}
	x, err := o.Request(r)
	if x == nil {
		return outcome(err) + "\n"
	}
	w.waiting[name] = x
	for _, l := range w.table.Locks() {
		if l.Waiting && l.Owner == o.ID {
			var ids []string
			for _, id := range l.BlockedBy {
				ids = append(ids, fmt.Sprintf("t%d", id))
			}
			return "waits for " + strings.Join(ids, " ") + "\n"
		}
	}
	return "" // granted at once by the end of another's wait
}

func (w *world) list() string {
	var b strings.Builder
	for _, l := range w.table.Locks() {
		switch l.Space.Kind {
		case txn.SpaceMeta:
			b.WriteString("meta ")
		case txn.SpaceUser:
			b.WriteString("user ")
		default:
			fmt.Fprintf(&b, "i%d ", l.Space.Index)
		}
		switch {
		case l.Range && l.Hi == nil:
			fmt.Fprintf(&b, "[%q ∞)", l.Key)
		case l.Range:
			fmt.Fprintf(&b, "[%q %q)", l.Key, l.Hi)
		default:
			fmt.Fprintf(&b, "%s", l.Key)
		}
		fmt.Fprintf(&b, " %s t%d", l.Mode, l.Owner)
		if l.Gap {
			b.WriteString(" gap")
		}
		if l.Written {
			b.WriteString(" written")
		}
		if l.Session {
			b.WriteString(" session")
		}
		if l.Waiting {
			fmt.Fprintf(&b, " waits for %v", l.BlockedBy)
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

// TestScripts runs the lock table's scripts; each file's name is what it claims.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		b := txn.NewBudget(1 << 20)
		w := &world{t: t, budget: b, table: txn.NewTable(b), owners: map[string]*txn.Owner{}, waiting: map[string]*txn.Waiter{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			if out := w.run(d); out != "" {
				return out
			}
			return "ok\n"
		})
		var names []string
		for name := range w.owners {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			w.owners[name].Close()
		}
		if out := w.list(); out != "none\n" || b.Used() != 0 {
			t.Errorf("after all owners closed: %d bytes used, locks:\n%s", b.Used(), out)
		}
	})
}
