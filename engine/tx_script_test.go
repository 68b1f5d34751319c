package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/logstore/memvolume"
)

// lab runs scripts of several sessions on one database. Each session has a goroutine;
// a command is answered when it is done or waits for a lock, which the lock table
// tells, so that a script has one outcome.
type lab struct {
	t        *testing.T
	db       *engine.DB
	sessions map[string]*session
}

type session struct {
	name  string
	id    uint64
	s     *engine.Session
	tx    *engine.Tx
	work  chan func() string
	out   chan string
	busy  bool   // a command has not been answered with its outcome
	late  string // outcome of one that waited for a moment
	seqs  map[string]engine.Seq
	pins  []func()
	open  map[string]*engine.Cursor
	tests *testing.T
}

func openDB(t testing.TB, o engine.Options) *engine.DB {
	t.Helper()
	o.Background, o.NoReaders = engine.BackgroundOptions{Stats: -1, Free: -1}, true
	db, err := engine.OpenWriter(context.Background(), memvolume.New(memvolume.Options{}).Open(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// createTable creates d.name from words: "id:pk", "a:key", "u:unique", "d:keydesc", "b",
// "bu:unique(b,u)". All columns are INT, all but the primary key's nullable. Without a
// pk the table has none.
func createTable(t testing.TB, db *engine.DB, name string, words ...string) *engine.TableDef {
	t.Helper()
	ctx := context.Background()
	s := db.NewSession(9999)
	defer s.Close()
	tx, err := s.Begin(ctx, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if tx.NewestCatalog().Database("d") == nil {
		if err := tx.CreateDatabase(ctx, engine.DatabaseDef{Name: "d"}); err != nil {
			t.Fatal(err)
		}
	}
	def := &engine.TableDef{Database: "d", Name: name}
	for i, w := range words {
		col, kind, _ := strings.Cut(w, ":")
		c := engine.ColumnDef{Column: row.Column{Name: col, Type: row.TypeInt32, Nullable: kind != "pk"}, SQLType: "int"}
		def.Columns = append(def.Columns, c)
		ix := &engine.IndexDef{Name: col, Columns: []engine.IndexColumn{{Column: i}}}
		switch kind {
		case "pk":
			ix.Name, ix.Unique = "PRIMARY", true
			def.Primary = ix
		case "unique":
			ix.Unique = true
			def.Indexes = append(def.Indexes, ix)
		case "keydesc":
			ix.Columns[0].Desc = true
			def.Indexes = append(def.Indexes, ix)
		case "key":
			def.Indexes = append(def.Indexes, ix)
		}
	}
	def, err = tx.CreateTable(ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	return def
}

func (l *lab) session(name string) *session {
	x := l.sessions[name]
	if x == nil {
		id, err := strconv.Atoi(name[1:])
		if err != nil {
			l.t.Fatalf("session %q", name)
		}
		x = &session{name: name, id: uint64(id), s: l.db.NewSession(uint64(id)), work: make(chan func() string), out: make(chan string, 1),
			seqs: map[string]engine.Seq{}, open: map[string]*engine.Cursor{}}
		l.sessions[name] = x
		go func() {
			for f := range x.work {
				x.out <- f()
			}
		}()
	}
	return x
}

// waits reports whether the session waits in the lock table.
func (l *lab) waits(x *session) bool {
	return slices.ContainsFunc(l.db.Locks(), func(i txn.LockInfo) bool { return i.Waiting && i.Owner == x.id })
}

// settle waits until the session's command is done or waits for a lock.
func (l *lab) settle(x *session) (out string, done bool) {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case out := <-x.out:
			x.busy = false
			return out, true
		default:
		}
		if l.waits(x) {
			return "", false
		}
		runtime.Gosched()
	}
	l.t.Fatalf("%s neither ends nor waits for a lock", x.name)
	return "", false
}

func (l *lab) run(d *datadriven.TestData) string {
	var words []string
	for _, a := range d.CmdArgs {
		words = append(words, a.String())
	}
	switch d.Cmd {
	case "table":
		createTable(l.t, l.db, words[0], words[1:]...)
		return "ok\n"
	case "locks":
		return l.locks()
	}
	x := l.session(d.Cmd)
	if words[0] == "await" { // the end of a wait by its timeout
		x.busy = false
		return <-x.out + l.others(x)
	}
	if x.busy {
		d.Fatalf(l.t, "%s still waits", x.name)
	}
	x.busy = true
	x.work <- func() string { return x.command(l.db, words[0], words[1:]) }
	out, done := l.settle(x)
	rest := l.others(x)
	if !done && !x.busy { // it waited for a moment only: for a deadlock's victim to go
		out, done = x.late, true
	}
	if !done {
		out = "waits\n"
	}
	return out + rest
}

// others reports what the command let others finish, in order of name.
func (l *lab) others(but *session) string {
	var out strings.Builder
	for again := true; again; {
		again = false
		var names []string
		for name, x := range l.sessions {
			if x.busy && x != but {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if o, done := l.settle(l.sessions[name]); done {
				fmt.Fprintf(&out, "%s: %s", name, o)
				again = true
			}
		}
		if but.busy {
			if o, done := l.settle(but); done {
				but.late = o
				again = true
			}
		}
	}
	return out.String()
}

func (l *lab) locks() string {
	var out strings.Builder
	for _, i := range l.db.Locks() {
		if i.Space.Kind != txn.SpaceIndex {
			continue
		}
		fmt.Fprintf(&out, "s%d index %d %s", i.Owner, i.Space.Index, i.Mode)
		switch {
		case i.Range && i.Hi == nil:
			fmt.Fprintf(&out, " [%x ∞)", i.Key)
		case i.Range:
			fmt.Fprintf(&out, " [%x %x)", i.Key, i.Hi)
		default:
			fmt.Fprintf(&out, " %x", i.Key)
		}
		for _, w := range []struct {
			on   bool
			word string
		}{{i.Gap, "gap"}, {i.Written, "written"}, {i.Waiting, "waiting"}} {
			if w.on {
				out.WriteString(" " + w.word)
			}
		}
		out.WriteString("\n")
	}
	if out.Len() == 0 {
		return "none\n"
	}
	return out.String()
}

var script = context.Background()

func (x *session) command(db *engine.DB, verb string, words []string) string {
	switch verb {
	case "begin":
		o := engine.TxOptions{}
		for _, w := range words {
			switch w {
			case "rc":
				o.Isolation = engine.ReadCommitted
			case "serializable":
				o.Isolation = engine.Serializable
			case "snapshot":
				o.ConsistentSnapshot = true
			case "strict":
				o.Strict = true
			case "readonly":
				o.ReadOnly = true
			}
		}
		tx, err := x.s.Begin(script, o)
		if err != nil {
			return say(err)
		}
		x.tx = tx
		return "ok\n"
	case "commit":
		_, err := x.tx.Commit(script)
		x.tx = nil
		if err == nil {
			err = x.s.Settle(script)
		}
		return say(err)
	case "rollback":
		x.tx.Rollback()
		x.tx = nil
		return "ok\n"
	case "savepoint":
		x.seqs[words[0]] = x.tx.Savepoint()
		return "ok\n"
	case "rollbackto":
		x.tx.RollbackTo(x.seqs[words[0]])
		return "ok\n"
	case "pin":
		x.pins = append(x.pins, x.tx.PinReads())
		return "ok\n"
	case "unpin":
		x.pins[len(x.pins)-1]()
		x.pins = x.pins[:len(x.pins)-1]
		return "ok\n"
	case "timeout":
		ms, _ := strconv.Atoi(words[0])
		x.s.SetTimeouts(time.Duration(ms)*time.Millisecond, time.Minute)
		return "ok\n"
	}
	return x.statement(db, verb, words)
}

func say(err error) string {
	if err == nil {
		return "ok\n"
	}
	var dup *engine.DuplicateError
	if errors.As(err, &dup) {
		return fmt.Sprintf("duplicate %s of %s\n", dup.Index.Name, text(dup.Table, dup.Existing))
	}
	return "error: " + err.Error() + "\n"
}

// statement runs one statement, in a transaction of its own if none is open.
func (x *session) statement(db *engine.DB, verb string, words []string) string {
	tx := x.tx
	if tx == nil {
		var err error
		if tx, err = x.s.Begin(script, engine.TxOptions{}); err != nil {
			return say(err)
		}
	}
	if err := tx.StatementStart(script); err != nil {
		return say(err)
	}
	mark := tx.Savepoint()
	out, err := x.dml(tx, verb, words)
	if err != nil {
		out += say(err)
		tx.RollbackTo(mark)
	}
	tx.Release(mark)
	if x.tx == nil {
		if err != nil {
			tx.Rollback()
		} else if _, err := tx.Commit(script); err != nil {
			return out + say(err)
		}
	}
	if err := x.s.Settle(script); err != nil {
		return out + say(err)
	}
	return out
}

// query is a parsed statement. Words are "lock=S|X", "nowait", "skip", "index=name",
// "reverse", "limit=n", "now", "covering", conditions "col=v" and "col=lo..hi", and behind "set" the
// new values "col=v" or "col+=v".
type query struct {
	t     *engine.TableDef
	o     engine.ScanOptions
	conds map[int][2]int64 // of columns that the range does not cover
	set   []string
	limit int
	// nofilter leaves the conditions that are not in the range to the caller, as a scan
	// without a filter would.
	nofilter bool
}

func parse(tx *engine.Tx, words []string) (*query, error) {
	cat, err := tx.Catalog(script)
	if err != nil {
		return nil, err
	}
	q := &query{t: cat.Table("d", words[0]), conds: map[int][2]int64{}, limit: -1}
	if q.t == nil {
		return nil, fmt.Errorf("no table %s", words[0])
	}
	words = words[1:]
	if i := slices.Index(words, "set"); i >= 0 {
		words, q.set = words[:i], words[i+1:]
	}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "lock":
			q.o.Lock = map[string]engine.Lock{"S": engine.LockShared, "X": engine.LockExclusive}[v]
		case "nowait":
			q.o.Wait = engine.NoWait
		case "skip":
			q.o.Wait = engine.SkipLocked
		case "reverse":
			q.o.Reverse = true
		case "now":
			q.o.ReadNow = true
		case "covering":
			q.o.Covering = true
		case "nofilter":
			q.nofilter = true
		case "limit":
			q.limit, _ = strconv.Atoi(v)
		case "index":
			q.o.Index = q.t.Index(v)
		default:
			q.conds[q.t.Column(k)] = interval(v)
		}
	}
	q.plan()
	return q, nil
}

func interval(v string) [2]int64 {
	lo, hi, isRange := strings.Cut(v, "..")
	if !isRange {
		hi = lo
	}
	a, _ := strconv.ParseInt(lo, 10, 64)
	b, _ := strconv.ParseInt(hi, 10, 64)
	return [2]int64{a, b}
}

// plan makes the condition on the index's first column a range, the others a filter.
func (q *query) plan() {
	ix := q.o.Index
	if ix == nil {
		ix = q.t.Primary
	}
	first := ix.Columns[0]
	if c, there := q.conds[first.Column]; there {
		delete(q.conds, first.Column)
		col := q.t.Columns[first.Column].Column
		lo := row.AppendKey(nil, col, 0, first.Desc, row.NewInt(c[0]))
		hi := row.AppendKey(nil, col, 0, first.Desc, row.NewInt(c[1]))
		if first.Desc {
			lo, hi = hi, lo
		}
		q.o.Ranges = []engine.Range{{Lo: lo, Hi: row.PrefixEnd(hi), HiOpen: true}}
	}
	if len(q.conds) > 0 && !q.nofilter {
		q.o.Filter = q.matches
	}
}

func (q *query) matches(r row.Row) (bool, error) {
	d := q.t.Desc()
	for i, c := range q.conds {
		if v := d.Int(r, i); d.IsNull(r, i) || v < c[0] || v > c[1] {
			return false, nil
		}
	}
	return true, nil
}

func text(t *engine.TableDef, r row.Row) string {
	var out []string
	for i, c := range t.Columns {
		switch {
		case c.Hidden || c.Name == engine.RowIDColumn:
		case t.Desc().IsNull(r, i):
			out = append(out, "-")
		default:
			out = append(out, strconv.FormatInt(t.Desc().Int(r, i), 10))
		}
	}
	return "(" + strings.Join(out, ",") + ")"
}

func (x *session) dml(tx *engine.Tx, verb string, words []string) (string, error) {
	switch verb {
	case "insert", "upsert":
		return x.insert(tx, verb, words)
	case "drop", "index":
		return ddl(tx, verb, words)
	}
	q, err := parse(tx, words)
	if err != nil {
		return "", err
	}
	if verb == "update" || verb == "delete" {
		q.o.Lock, q.o.SemiConsistent = engine.LockExclusive, verb == "update"
		defer tx.PinReads()()
	}
	cur, err := tx.Scan(script, q.t, q.o)
	if err != nil {
		return "", err
	}
	defer cur.Close()
	var rows []string
	n := 0
	for ; n != q.limit; n++ {
		r, err := cur.Next(script)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		switch verb {
		case "select":
			rows = append(rows, text(q.t, r))
		case "delete":
			err = tx.Delete(script, q.t, r)
		case "update":
			err = q.update(tx, r)
		default:
			return "", fmt.Errorf("unknown command %q", verb)
		}
		if err != nil {
			return "", err
		}
	}
	if verb != "select" {
		return fmt.Sprintf("%d changed\n", n), nil
	}
	if n == 0 {
		return "nothing\n", nil
	}
	return strings.Join(rows, " ") + "\n", nil
}

func (q *query) update(tx *engine.Tx, r row.Row) error {
	b := row.NewBuilder(q.t.Desc())
	for i := range q.t.Columns {
		b.Set(i, q.t.Desc().Datum(r, i))
	}
	if err := assign(q.t, b, r, q.set); err != nil {
		return err
	}
	changed, err := b.Row()
	if err != nil {
		return err
	}
	return tx.Update(script, q.t, r, changed)
}

func assign(t *engine.TableDef, b *row.Builder, r row.Row, set []string) error {
	for _, w := range set {
		k, v, _ := strings.Cut(w, "=")
		name, add := strings.CutSuffix(k, "+")
		i := t.Column(name)
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case v == "null":
			b.SetNull(i)
			continue
		case err != nil || i < 0:
			return fmt.Errorf("set %q", w)
		case add:
			n += t.Desc().Int(r, i)
		}
		b.SetInt(i, n)
	}
	return nil
}

// ddl: drop t; index t col.
func ddl(tx *engine.Tx, verb string, words []string) (string, error) {
	t := tx.NewestCatalog().Table("d", words[0])
	if t == nil {
		return "", fmt.Errorf("no table %s", words[0])
	}
	if verb == "drop" {
		return "ok\n", tx.DropTable(script, t)
	}
	ix := engine.IndexDef{Name: words[1], Columns: []engine.IndexColumn{{Column: t.Column(words[1])}}}
	_, err := tx.CreateIndex(script, t, ix)
	return "ok\n", err
}

// insert t 1 2 - 4; upsert t 1 2 set b+=1 is ON DUPLICATE KEY UPDATE.
func (x *session) insert(tx *engine.Tx, verb string, words []string) (string, error) {
	t := tx.NewestCatalog().Table("d", words[0])
	if t == nil {
		return "", fmt.Errorf("no table %s", words[0])
	}
	var set []string
	values := words[1:]
	if i := slices.Index(values, "set"); i >= 0 {
		values, set = values[:i], values[i+1:]
	}
	b := row.NewBuilder(t.Desc())
	for i, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			b.SetInt(i, n)
		}
	}
	if t.Keyless() {
		b.SetUint(len(t.Columns)-1, 0)
	}
	r, err := b.Row()
	if err != nil {
		return "", err
	}
	if verb == "insert" {
		err = tx.Insert(script, t, r)
	} else {
		err = tx.InsertOrLock(script, t, r)
	}
	var dup *engine.DuplicateError
	switch {
	case err == nil:
		return "1 changed\n", nil
	case verb == "insert" || !errors.As(err, &dup):
		return "", err
	}
	q := &query{t: t, set: set}
	return "2 changed\n", q.update(tx, dup.Existing)
}

// TestTransactionScripts runs the scripts of transactions; each file's name is what it claims.
func TestTransactionScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/tx", func(t *testing.T, path string) {
		l := &lab{t: t, db: openDB(t, engine.Options{}), sessions: map[string]*session{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			l.t = t
			return l.run(d)
		})
		for _, x := range l.sessions {
			if x.busy {
				t.Errorf("%s waits at the end", x.name)
				return
			}
			close(x.work)
			x.s.Close()
		}
		if left := l.locks(); left != "none\n" {
			t.Errorf("locks after all sessions ended:\n%s", left)
		}
		checkTables(t, l.db)
	})
}

// checkTables compares, for every table, each index with the rows: no orphan, none
// missing, none twice.
func checkTables(t *testing.T, db *engine.DB) {
	t.Helper()
	s := db.NewSession(9998)
	defer s.Close()
	tx, err := s.Begin(script, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	cat, err := tx.Catalog(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range cat.Tables("d") {
		want := allRows(t, tx, def, nil, false)
		for _, ix := range def.Indexes {
			for _, reverse := range []bool{false, true} {
				if got := allRows(t, tx, def, ix, reverse); !slices.Equal(got, want) {
					t.Errorf("%s: index %s (reverse %v) gives\n%v\nthe table has\n%v", def.Name, ix.Name, reverse, got, want)
				}
			}
		}
	}
}

func allRows(t *testing.T, tx *engine.Tx, def *engine.TableDef, ix *engine.IndexDef, reverse bool) (out []string) {
	t.Helper()
	cur, err := tx.Scan(script, def, engine.ScanOptions{Index: ix, Reverse: reverse})
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close()
	for {
		r, err := cur.Next(script)
		if err == io.EOF {
			slices.Sort(out)
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text(def, r))
	}
}
