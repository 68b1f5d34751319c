package gms

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// partitionAlter is an ALTER TABLE of a table's partitions.
type partitionAlter struct {
	table syntax.TableName
	verb  string   // the word before PARTITION; "partition": PARTITION BY
	names []string // of partitions; all: ALL
	all   bool
	count uint64
	parts []syntax.PartDef
	by    *syntax.Partitioning
	other syntax.TableName // of EXCHANGE
	loose bool             // WITHOUT VALIDATION
}

// parsePartitionAlter parses ALTER TABLE t … PARTITION …, nil if it is another ALTER TABLE.
func parsePartitionAlter(l *syntax.Lexer) (ast.Statement, error) {
	tables := l.TableNames()
	if len(tables) != 1 {
		return nil, nil
	}
	a := &partitionAlter{table: tables[0]}
	switch {
	case l.Accept("partition", "by"):
		a.verb = "partition"
		p, err := l.PartitionBy()
		if err == nil {
			err = checkClause(p)
		}
		if err == nil {
			err = constantValues(l.Ctx, p)
		}
		if err != nil {
			return nil, err
		}
		a.by = p
	case l.Accept("remove", "partitioning"):
		a.verb = "remove"
	default:
		a.verb = strings.ToLower(l.Text)
		if l.Kind != 'w' || !partitionWords[a.verb] {
			return nil, nil
		}
		if l.Next(); !l.Accept("partition") {
			return nil, nil
		}
		if err := a.parse(l); err != nil {
			return nil, err
		}
	}
	if l.Kind != 0 {
		return nil, l.Syntax()
	}
	x := &admin{name: "ALTER TABLE", commits: true, run: a.run}
	want := []sql.PrivilegeType{sql.PrivilegeType_Alter, sql.PrivilegeType_Create, sql.PrivilegeType_Insert}
	checked := []syntax.TableName{a.table}
	switch a.verb {
	case "analyze", "check", "optimize", "repair":
		x.columns = textColumns("Table", "Op", "Msg_type", "Msg_text")
		want = []sql.PrivilegeType{sql.PrivilegeType_Alter}
	case "drop", "truncate":
		want = []sql.PrivilegeType{sql.PrivilegeType_Alter, sql.PrivilegeType_Drop}
	case "exchange":
		checked, want = append(checked, a.other), append(want, sql.PrivilegeType_Drop)
	}
	x.check = checkTables(checked, want...)
	return x.statement(), nil
}

// parse reads what is behind PARTITION.
func (a *partitionAlter) parse(l *syntax.Lexer) error {
	names := func() error {
		if a.all = l.Accept("all"); a.all {
			return nil
		}
		for {
			name, ok := l.Name()
			if !ok {
				return l.Syntax()
			}
			if a.names = append(a.names, name); !l.Accept(",") {
				return nil
			}
		}
	}
	defs := func() (err error) {
		if a.parts, err = l.Partitions(); err != nil {
			return err
		}
		return constantValues(l.Ctx, &syntax.Partitioning{Parts: a.parts})
	}
	l.AcceptOne("no_write_to_binlog", "local")
	switch a.verb {
	case "add":
		if l.Accept("partitions") {
			n, ok := l.Number()
			if !ok {
				return l.Syntax()
			}
			if a.count = n; n == 0 {
				return mysql.NewSQLError(1514, "HY000", "At least one partition must be added")
			}
			return nil
		}
		return defs()
	case "coalesce":
		n, ok := l.Number()
		if !ok {
			return l.Syntax()
		}
		a.count = n
		return nil
	case "reorganize":
		if l.Kind == 0 {
			return nil
		}
		if err := names(); err != nil {
			return err
		}
		if a.all || !l.Accept("into") {
			return l.Syntax()
		}
		return defs()
	case "exchange":
		name, ok := l.Name()
		if !ok || !l.Accept("with", "table") {
			return l.Syntax()
		}
		tables := l.TableNames()
		if len(tables) != 1 {
			return l.Syntax()
		}
		a.names, a.other = []string{name}, tables[0]
		if a.loose = l.Accept("without", "validation"); !a.loose {
			l.Accept("with", "validation")
		}
		return nil
	case "discard", "import":
		return value.ErrNotSupported("TABLESPACE of partitions")
	}
	if err := names(); err != nil {
		return err
	}
	if a.verb == "check" || a.verb == "repair" {
		for l.AcceptOne("quick", "fast", "medium", "extended", "changed", "use_frm") != "" || l.Accept("for", "upgrade") {
		}
	}
	return nil
}

var errNotPartitioned = mysql.NewSQLError(1505, "HY000", "Partition management on a not partitioned table is not possible")

// run executes the statement.
func (a *partitionAlter) run(ctx *sql.Context, s *Session, x *admin) ([]sql.Row, error) {
	name := a.table
	if name.Database == "" {
		name.Database = ctx.GetCurrentDatabase()
	}
	if _, view, err := s.definition(ctx, name); err == nil && view {
		return nil, mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", name.Database, name.Name)
	}
	t, err := s.namedTable(ctx, a.table)
	if err != nil {
		return nil, err
	}
	sh := t.live(ctx)
	if sh.def.Temporary && a.by != nil {
		return nil, mysql.NewSQLError(1562, "HY000", "Cannot create temporary table with partitions")
	}
	if x.columns != nil {
		return a.maintain(ctx, s, t, sh)
	}
	if a.by == nil && sh.parts == nil {
		return nil, errNotPartitioned
	}
	_, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	if err := tx.LockDefinition(ctx, t.Database(), t.Name()); err != nil {
		return nil, t.ddlError(ctx, s, err)
	}
	if err := a.change(ctx, s, tx, t, sh); err != nil {
		return nil, err
	}
	s.defined(sh.def.ID)
	return nil, nil
}

// repartition gives the table of an ALTER TABLE the partitions of a clause, see partsMark.
func (t *Table) repartition(ctx *sql.Context, clause string) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	a := &partitionAlter{verb: "partition", by: &syntax.Partitioning{}}
	if err := json.Unmarshal([]byte(clause), a.by); err != nil {
		return err
	}
	sh := t.live(ctx)
	switch {
	case sh.def.Temporary:
		return mysql.NewSQLError(1562, "HY000", "Cannot create temporary table with partitions")
	case a.by.Method == "" && sh.parts == nil:
		return errNotPartitioned
	case a.by.Method == "":
		a.verb = "remove"
	}
	if err := tx.LockDefinition(ctx, t.Database(), t.Name()); err != nil {
		return t.ddlError(ctx, s, err)
	}
	if err := a.change(ctx, s, tx, t, sh); err != nil {
		return err
	}
	s.defined(sh.def.ID)
	return nil
}

// change changes the partitions.
func (a *partitionAlter) change(ctx *sql.Context, s *Session, tx *engine.Tx, t *Table, sh *shape) error {
	def := cloneDef(sh.def)
	switch a.verb {
	case "partition":
		def.Parts, def.Partition = nil, ""
		if err := divide(ctx, def, a.by, nil); err != nil {
			return err
		}
		return t.divided(ctx, s, tx, sh, def)
	case "remove":
		def.Parts, def.Partition = nil, ""
		return t.divided(ctx, s, tx, sh, def)
	case "exchange":
		return a.exchange(ctx, s, tx, t, sh)
	}
	clause := sh.parts.Partitioning
	clause.Parts, clause.Names = slices.Clone(clause.Parts), slices.Clone(clause.Names)
	kept := map[string]*engine.PartDef{}
	for _, p := range sh.def.Parts {
		kept[strings.ToLower(p.Name)] = p
	}
	var from []int // whose rows go into the new ones
	var err error
	switch a.verb {
	case "add":
		from, err = a.add(&clause, kept)
	case "drop":
		err = a.drop(&clause, t.Name())
	case "truncate", "rebuild":
		for _, at := range a.ordinals(sh.parts, &err) {
			delete(kept, strings.ToLower(clause.Parts[at].Name))
			if a.verb == "rebuild" {
				from = append(from, at)
			}
		}
		if err != nil && a.verb == "truncate" {
			_, err = sh.parts.named(t.Name(), a.names)
		}
	case "coalesce":
		from, err = a.coalesce(&clause, kept)
	case "reorganize":
		if a.names == nil && clause.Default && (clause.Method == "HASH" || clause.Method == "KEY") {
			return nil // there are as many partitions as there should be
		}
		from, err = a.reorganize(sh, &clause, kept)
	}
	if err == nil {
		err = checkParts(&clause)
	}
	if err == nil && len(clause.Parts) > partitionsMax {
		err = mysql.NewSQLError(1499, "HY000", "Too many partitions (including subpartitions) were defined")
	}
	if err == nil {
		err = divide(ctx, def, &clause, kept)
	}
	if err != nil {
		return err
	}
	bulk, err := tx.Repartition(ctx, def)
	if err != nil {
		return t.ddlError(ctx, s, err)
	}
	return t.moveRows(ctx, s, tx, sh, bulk, from)
}

// divided gives a table other partitions, or none: all its rows are written again.
func (t *Table) divided(ctx *sql.Context, s *Session, tx *engine.Tx, sh *shape, def *engine.TableDef) error {
	bulk, err := tx.Rewrite(ctx, def)
	if err != nil {
		return t.ddlError(ctx, s, err)
	}
	var from []int
	for i := range sh.def.Parts {
		from = append(from, i)
	}
	if from == nil {
		from = []int{0}
	}
	return t.moveRows(ctx, s, tx, sh, bulk, from)
}

// moveRows adds the rows of partitions to new ones, and puts the new definition into the transaction.
func (t *Table) moveRows(ctx *sql.Context, s *Session, tx *engine.Tx, sh *shape, bulk *engine.BulkWriter, from []int) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, bulk.Abort(contextWithoutDeadline()))
			if inner, ok := err.(interface{ Unwrap() []error }); ok && len(inner.Unwrap()) == 1 {
				err = inner.Unwrap()[0]
			}
		}
	}()
	to, err := newShape(ctx, bulk.Table())
	if err != nil {
		return err
	}
	if len(from) > 0 {
		o := engine.ScanOptions{ReadNow: true}
		if sh.parts != nil {
			o.Parts = from
		}
		err = copyRows(ctx, s, tx, sh.def, o, to, bulk, func(r row.Row) (int, error) {
			if to.parts == nil {
				return 0, nil
			}
			at, err := to.parts.of(to.def.Desc(), r)
			if err == nil && slices.ContainsFunc(sh.def.Parts, func(p *engine.PartDef) bool { return p.ID == to.def.Parts[at].ID }) {
				err = errWrongPartition("from REBUILD/REORGANIZED partition to non included partition (new definition): " + strconv.Itoa(at))
			}
			return at, err
		})
		if err != nil {
			return t.ddlError(ctx, s, err)
		}
	}
	if _, err = bulk.Finish(ctx); err != nil {
		return t.ddlError(ctx, s, err)
	}
	return nil
}

// copyRows adds the rows of a scan of from to a table of the same columns, each to the partition that place says.
func copyRows(ctx *sql.Context, s *Session, tx *engine.Tx, from *engine.TableDef, o engine.ScanOptions, to *shape, bulk *engine.BulkWriter,
	place func(row.Row) (int, error)) error {
	cur, err := tx.Scan(ctx, from, o)
	if err != nil {
		return err
	}
	defer cur.Close()
	was, is := from.Desc(), to.def.Desc()
	b := row.NewBuilder(is)
	for {
		r, err := cur.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return errInterrupted()
		}
		b.Reset(is)
		for i := range is.Columns {
			b.Set(i, was.Datum(r, i))
		}
		if r, err = b.Row(); err != nil {
			return err
		}
		at, err := place(r)
		if err == nil {
			err = bulk.Add(ctx, at, r)
		}
		if err != nil {
			return err
		}
	}
}

// ordinals returns the partitions that the statement names. err is set to 1507 if one is unknown.
func (a *partitionAlter) ordinals(p *partitioning, err *error) []int {
	if a.all {
		out := make([]int, len(p.Parts))
		for i := range out {
			out[i] = i
		}
		return out
	}
	out, unknown := p.named("", a.names)
	if unknown != nil || len(out) < len(a.names) && a.verb != "truncate" {
		*err = mysql.NewSQLError(1507, "HY000", "Error in list of partitions to %s", strings.ToUpper(a.verb))
		return nil
	}
	return out
}

// add adds partitions. Rows of HASH and KEY are divided anew.
func (a *partitionAlter) add(p *syntax.Partitioning, kept map[string]*engine.PartDef) (from []int, err error) {
	if p.Method == "RANGE" || p.Method == "LIST" {
		if a.count > 0 {
			return nil, mysql.NewSQLError(1492, "HY000", "For %s partitions each partition must be defined", p.Method)
		}
		p.Parts = append(p.Parts, a.parts...)
		return nil, nil
	}
	for i := range p.Parts {
		from = append(from, i)
	}
	clear(kept)
	if len(a.parts) > 0 {
		p.Default = false
	}
	p.Parts = append(p.Parts, a.parts...)
	for n := len(p.Parts); a.count > 0; n++ {
		name := "p" + strconv.Itoa(n)
		if slices.ContainsFunc(p.Parts, func(x syntax.PartDef) bool { return syntax.SameName(x.Name, name) }) {
			continue
		}
		p.Parts = append(p.Parts, syntax.PartDef{Name: name})
		if a.count--; len(p.Parts) > partitionsMax {
			break
		}
	}
	p.Count = uint64(len(p.Parts))
	return from, nil
}

// drop takes partitions out, with their rows.
func (a *partitionAlter) drop(p *syntax.Partitioning, table string) error {
	if p.Method != "RANGE" && p.Method != "LIST" {
		return mysql.NewSQLError(1512, "HY000", "DROP PARTITION can only be used on RANGE/LIST partitions")
	}
	var err error
	gone := a.ordinals(&partitioning{Partitioning: *p}, &err)
	if a.all {
		return syntax.Error("all", 0)
	}
	if err != nil {
		return err
	}
	if len(gone) == len(p.Parts) {
		return mysql.NewSQLError(1508, "HY000", "Cannot remove all partitions, use DROP TABLE instead")
	}
	var left []syntax.PartDef
	for i, part := range p.Parts {
		if !slices.Contains(gone, i) {
			left = append(left, part)
		}
	}
	p.Parts, p.Count = left, 0
	return nil
}

// coalesce takes the last partitions of HASH or KEY, and divides all rows anew.
func (a *partitionAlter) coalesce(p *syntax.Partitioning, kept map[string]*engine.PartDef) (from []int, err error) {
	switch {
	case p.Method == "RANGE" || p.Method == "LIST":
		return nil, mysql.NewSQLError(1509, "HY000", "COALESCE PARTITION can only be used on HASH/KEY partitions")
	case a.count == 0:
		return nil, mysql.NewSQLError(1515, "HY000", "At least one partition must be coalesced")
	case a.count >= uint64(len(p.Parts)):
		return nil, mysql.NewSQLError(1508, "HY000", "Cannot remove all partitions, use DROP TABLE instead")
	}
	for i := range p.Parts {
		from = append(from, i)
	}
	clear(kept)
	p.Parts = p.Parts[:len(p.Parts)-int(a.count)]
	p.Count = uint64(len(p.Parts))
	return from, nil
}

// reorganize makes other partitions of some.
func (a *partitionAlter) reorganize(sh *shape, p *syntax.Partitioning, kept map[string]*engine.PartDef) (from []int, err error) {
	if a.names == nil {
		return nil, mysql.NewSQLError(1511, "HY000", "REORGANIZE PARTITION without parameters can only be used on auto-partitioned tables using HASH PARTITIONs")
	}
	if len(a.names) > len(p.Parts) {
		return nil, mysql.NewSQLError(1516, "HY000", "More partitions to reorganize than there are partitions")
	}
	if from = a.ordinals(sh.parts, &err); err != nil {
		return nil, err
	}
	ranged := p.Method == "RANGE" || p.Method == "LIST"
	if !ranged && len(a.parts) != len(from) {
		return nil, mysql.NewSQLError(1510, "HY000", "REORGANIZE PARTITION can only be used to reorganize partitions not to change their numbers")
	}
	first, last := from[0], from[len(from)-1]
	if last-first != len(from)-1 {
		if p.Method == "RANGE" {
			return nil, mysql.NewSQLError(1519, "HY000", "When reorganizing a set of partitions they must be in consecutive order")
		}
	}
	if p.Method == "RANGE" {
		changed := mysql.NewSQLError(1520, "HY000", "Reorganize of range partitions cannot change total ranges except for last partition where it can extend the range")
		was, is := *p, *p
		was.Parts, is.Parts = []syntax.PartDef{p.Parts[last]}, a.parts[len(a.parts)-1:]
		if err := checkParts(&is); err != nil {
			return nil, err
		}
		x, err := newPartitioning(sh.def, sh.codecs, &was)
		if err != nil {
			return nil, err
		}
		y, err := newPartitioning(sh.def, sh.codecs, &is)
		if err != nil {
			return nil, err
		}
		if last < len(p.Parts)-1 && !x.sameBound(y) || y.belowBound(x) {
			return nil, changed
		}
	}
	for _, at := range from {
		delete(kept, strings.ToLower(p.Parts[at].Name))
	}
	var parts []syntax.PartDef
	for i, part := range p.Parts {
		if i == first {
			parts = append(parts, a.parts...)
		}
		if !slices.Contains(from, i) {
			parts = append(parts, part)
		}
	}
	if p.Parts = parts; p.Default {
		p.Default = false
	}
	for _, part := range a.parts { // a new one never is one that stays
		delete(kept, strings.ToLower(part.Name))
	}
	return from, a.twice(p)
}

// twice returns 1517 for a new partition of the name of one that stays.
func (a *partitionAlter) twice(p *syntax.Partitioning) error {
	seen := map[string]bool{}
	for _, part := range p.Parts {
		if name := strings.ToLower(part.Name); seen[name] {
			return mysql.NewSQLError(1517, "HY000", "Duplicate partition name %s", part.Name)
		} else {
			seen[name] = true
		}
	}
	return nil
}

// sameBound reports whether the only partitions of two clauses of RANGE have the same bound.
func (p *partitioning) sameBound(o *partitioning) bool { return !p.belowBound(o) && !o.belowBound(p) }

// belowBound reports whether the bound of the only partition of p is below that of o.
func (p *partitioning) belowBound(o *partitioning) bool {
	if p.Columns {
		return p.below[0] != nil && (o.below[0] == nil || string(p.below[0]) < string(o.below[0]))
	}
	return !p.max && (o.max || p.less[0].less(o.less[0]))
}

// maintain answers ANALYZE, CHECK, OPTIMIZE and REPAIR PARTITION.
func (a *partitionAlter) maintain(ctx *sql.Context, s *Session, t *Table, sh *shape) ([]sql.Row, error) {
	name := syntax.TableName{Database: t.Database(), Name: t.Name()}
	full := name.Database + "." + name.Name
	answer := func(messages []tableMessage, err error) ([]sql.Row, error) {
		var rows []sql.Row
		for _, m := range messages {
			rows = append(rows, sql.Row{full, a.verb, m.kind, m.text})
		}
		return rows, err
	}
	if sh.parts == nil {
		return answer(failed("Error", "%s", errNotPartitioned.Message), nil)
	}
	var err error
	parts := a.ordinals(sh.parts, &err)
	if err != nil {
		return answer(failed("Error", "Error in list of partitions to %s", full), nil)
	}
	switch a.verb {
	case "check":
		for _, at := range parts {
			if _, err := s.b.db.CheckTable(ctx, sh.def.Part(at).ID); errors.Is(err, engine.ErrCorrupt) {
				return answer([]tableMessage{{kind: "error", text: err.Error()}, {kind: "error", text: "Corrupt"}}, nil)
			} else if err != nil {
				return nil, s.fail(ctx, err)
			}
		}
		return answer(sh.checkPlaces(ctx, s, parts))
	case "repair":
		return answer(repairTable(ctx, s, name))
	case "optimize":
		note := tableMessage{kind: "note", text: "Table does not support optimize on partitions. All partitions will be rebuilt and analyzed."}
		messages, err := analyzeTable(ctx, s, name)
		return answer(append([]tableMessage{note}, messages...), err)
	}
	return answer(analyzeTable(ctx, s, name))
}

// exchange gives the rows of a partition to a table, and those of the table to the partition.
func (a *partitionAlter) exchange(ctx *sql.Context, s *Session, tx *engine.Tx, t *Table, sh *shape) error {
	name := a.other
	if name.Database == "" {
		name.Database = ctx.GetCurrentDatabase()
	}
	if _, view, err := s.definition(ctx, name); err == nil && view {
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", name.Database, name.Name)
	}
	ot, err := s.namedTable(ctx, a.other)
	if err != nil {
		return err
	}
	o := ot.live(ctx)
	switch {
	case o.parts != nil:
		return mysql.NewSQLError(1732, "HY000", "Table to exchange with partition is partitioned: '%s'", o.def.Name)
	case o.def.Temporary:
		return mysql.NewSQLError(1733, "HY000", "Table to exchange with partition is temporary: '%s'", o.def.Name)
	case len(o.def.ForeignKeys) > 0 || referenced(tx.NewestCatalog(), o.def):
		return mysql.NewSQLError(1740, "HY000", "Table to exchange with partition has foreign key references: '%s'", o.def.Name)
	}
	parts, err := sh.parts.named(t.Name(), a.names)
	if err != nil {
		return err
	}
	at := parts[0]
	if err := sameDefinition(sh, o); err != nil {
		return err
	}
	if err := tx.LockDefinition(ctx, o.def.Database, o.def.Name); err != nil {
		return ot.ddlError(ctx, s, err)
	}
	if !a.loose {
		if err := fits(ctx, tx, o, sh, at); err != nil {
			return err
		}
	}
	nt, no, err := tx.ExchangePartition(ctx, sh.def, at, o.def)
	if errors.Is(err, engine.ErrNeedsRewrite) {
		return a.exchangeRows(ctx, s, tx, t, sh, ot, o, at)
	}
	if err != nil {
		return t.ddlError(ctx, s, err)
	}
	s.defined(nt.ID)
	s.defined(no.ID)
	return nil
}

// fits returns 1737 if a row of o does not belong to a partition of sh.
func fits(ctx *sql.Context, tx *engine.Tx, o, sh *shape, part int) error {
	cur, err := tx.Scan(ctx, o.def, engine.ScanOptions{ReadNow: true})
	if err != nil {
		return wireError(err)
	}
	defer cur.Close()
	for {
		r, err := cur.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return wireError(err)
		}
		if at, err := sh.parts.of(o.def.Desc(), r); err != nil || at != part {
			return mysql.NewSQLError(1737, "HY000", "Found a row that does not match the partition")
		}
	}
}

// exchangeRows is an exchange of tables whose rows are stored differently: they are written again.
func (a *partitionAlter) exchangeRows(ctx *sql.Context, s *Session, tx *engine.Tx, t *Table, sh *shape, ot *Table, o *shape, at int) error {
	def := cloneDef(sh.def)
	def.Parts = slices.Clone(def.Parts)
	def.Parts[at] = &engine.PartDef{Name: def.Parts[at].Name}
	into, err := tx.Repartition(ctx, def)
	if err != nil {
		return t.ddlError(ctx, s, err)
	}
	out, err := tx.Rewrite(ctx, cloneDef(o.def))
	if err != nil {
		return errors.Join(ot.ddlError(ctx, s, err), into.Abort(contextWithoutDeadline()))
	}
	to := func(w *engine.BulkWriter) *shape { return &shape{def: w.Table()} }
	err = copyRows(ctx, s, tx, o.def, engine.ScanOptions{ReadNow: true}, to(into), into, func(row.Row) (int, error) { return at, nil })
	if err == nil {
		err = copyRows(ctx, s, tx, sh.def, engine.ScanOptions{ReadNow: true, Parts: []int{at}}, to(out), out, func(row.Row) (int, error) { return 0, nil })
	}
	if err == nil {
		_, err = into.Finish(ctx)
	}
	if err == nil {
		_, err = out.Finish(ctx)
	}
	if err != nil {
		return errors.Join(t.ddlError(ctx, s, err), into.Abort(contextWithoutDeadline()), out.Abort(contextWithoutDeadline()))
	}
	next := make([]uint64, 2)
	for i, x := range []*shape{sh, o} {
		if x.autoInc >= 0 {
			if next[i], err = s.b.db.PeekAutoIncrement(ctx, x.def); err != nil {
				return s.fail(ctx, err)
			}
		}
	}
	if most := max(next[0], next[1]); most > 1 {
		for _, x := range []*shape{sh, o} {
			if err := s.b.db.RaiseAutoIncrement(ctx, x.def, most-1); err != nil {
				return s.fail(ctx, err)
			}
		}
	}
	s.defined(sh.def.ID)
	s.defined(o.def.ID)
	return nil
}

// sameDefinition returns 1736 if two tables have other columns or indexes.
func sameDefinition(a, b *shape) error {
	different := mysql.NewSQLError(1736, "HY000", "Tables have different definitions")
	if len(a.def.Columns) != len(b.def.Columns) || len(a.def.Indexes) != len(b.def.Indexes) || a.def.Keyless() != b.def.Keyless() ||
		a.def.Options[optPseudo] != b.def.Options[optPseudo] {
		return different
	}
	if x, y := a.def.Options[optOption+"row_format"], b.def.Options[optOption+"row_format"]; x != y {
		return mysql.NewSQLError(1731, "HY000", "Non matching attribute '%s' between partition and table", "ROW_FORMAT")
	}
	for i := range a.def.Columns {
		x, y := &a.def.Columns[i], &b.def.Columns[i]
		if !syntax.SameName(x.Name, y.Name) || x.SQLType != y.SQLType || x.Nullable != y.Nullable || x.Generated != y.Generated ||
			x.AutoIncrement != y.AutoIncrement || !maps.Equal(x.Options, y.Options) || x.Type != y.Type || x.Collation != y.Collation {
			return different
		}
	}
	same := func(x, y *engine.IndexDef) bool {
		return y != nil && x.Unique == y.Unique && slices.Equal(x.Columns, y.Columns)
	}
	if !same(a.def.Primary, b.def.Primary) {
		return different
	}
	for _, ix := range a.def.Indexes {
		if !same(ix, b.def.Index(ix.Name)) {
			return different
		}
	}
	return nil
}
