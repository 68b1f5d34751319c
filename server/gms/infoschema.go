package gms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/information_schema"

	"sextant/engine"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// schemaReader returns the rows of a table of information_schema.
type schemaReader func(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error)

// schemaReaders are the tables of information_schema that are read here and not by the
// planner.
var schemaReaders = map[string]schemaReader{
	information_schema.InnoDBTrxName:                            trxRows,
	information_schema.ProcessListTableName:                     infoProcessRows,
	information_schema.TablesTableName:                          tableRows,
	information_schema.PartitionsTableName:                      partitionRows,
	information_schema.StatisticsTableName:                      statisticsRows,
	information_schema.InnoDBTablesName:                         innodbTableRows,
	information_schema.InnoDBIndexesName:                        innodbIndexRows,
	information_schema.InnoDBColumnsName:                        innodbColumnRows,
	information_schema.InnoDBFieldsName:                         innodbFieldRows,
	information_schema.InnoDBTablestatsName:                     innodbStatsRows,
	information_schema.ColumnsTableName:                         columnRows,
	information_schema.ViewsTableName:                           viewRows,
	information_schema.ViewTableUsageTableName:                  viewTableRows,
	information_schema.RoutinesTableName:                        routineRows,
	information_schema.ParametersTableName:                      parameterRows,
	information_schema.EventsTableName:                          eventRows,
	information_schema.KeyColumnUsageTableName:                  keyColumnRows,
	information_schema.SchemataTableName:                        schemataRows,
	information_schema.SchemataExtensionsTableName:              schemataExtensionRows,
	information_schema.CharacterSetsTableName:                   characterSetRows,
	information_schema.PluginsTableName:                         pluginRows,
	information_schema.UserPrivilegesTableName:                  userPrivilegeRows,
	information_schema.SchemaPrivilegesTableName:                schemaPrivilegeRows,
	information_schema.TablePrivilegesTableName:                 tablePrivilegeRows,
	information_schema.ColumnPrivilegesTableName:                columnPrivilegeRows,
	information_schema.EnabledRolesTablesName:                   enabledRoleRows,
	information_schema.ApplicableRolesTableName:                 applicableRoleRows,
	information_schema.AdministrableRoleAuthorizationsTableName: administrableRoleRows,
	information_schema.InnoDBForeignName:                        innodbForeignRows,
	information_schema.InnoDBForeignColsName:                    innodbForeignColumnRows,
	information_schema.InnoDBVirtualName:                        innodbVirtualRows,
	information_schema.InnoDBTablespacesName:                    innodbTablespaceRows,
	information_schema.InnoDBBufferPoolStatsName:                innodbBufferPoolRows,
	information_schema.TriggersTableName:                        triggerRows,
	information_schema.CheckConstraintsTableName:                checkRows,
	// The planner's has the statistics of indexes, which mysqldump would take for histograms.
	information_schema.ColumnStatisticsTableName: columnStatisticsRows,
}

var isolationNames = map[engine.Isolation]string{
	engine.RepeatableRead: "REPEATABLE READ", engine.ReadCommitted: "READ COMMITTED", engine.Serializable: "SERIALIZABLE",
}

// trxRows are INNODB_TRX: the open transactions that have used a table. Times are in the session's zone.
func trxRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	list, _, err := s.b.openTransactions(ctx)
	queries := map[uint64]any{}
	for _, t := range s.b.threads(ctx) {
		queries[t.id] = t.info()
	}
	zone := value.ZoneOf(ctx)
	shown := func(t time.Time) time.Time { return zone.Clock(t.UTC()).Truncate(time.Second) }
	var rows []sql.Row
	for i := range list {
		t := &list[i]
		query, connection := queries[t.Session]
		if !connection {
			continue // of the server itself, or of a user who is not to be seen
		}
		state, readOnly := "RUNNING", 0
		var requested, since any
		if t.wait != nil || t.waitsMeta {
			state, since = "LOCK WAIT", shown(t.since)
		}
		if t.wait != nil {
			requested = value.FirstRunes(t.wait.id, 105)
		}
		if t.ReadOnly {
			readOnly = 1
		}
		rows = append(rows, sql.Row{t.ID, state, shown(t.Start), requested, since, t.structs + t.Modified, t.Session,
			query, nil, t.tables, t.tables, t.structs, 0, t.locked, t.Modified, 0, isolationNames[t.Isolation],
			1, 1, nil, 0, 0, readOnly, 0, nil})
	}
	return rows, err
}

func infoProcessRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	for _, t := range s.b.threads(ctx) {
		rows = append(rows, sql.Row{t.id, t.user, t.host, orNull(t.db), t.command, t.seconds(), t.state, t.info()})
	}
	return rows, nil
}

// base is a table of the volume as information_schema shows it.
type base struct {
	*Table
	size engine.TableStats
}

// eachTable calls f for the tables that ctx's user may see, those of the volume in base, of
// one database if only names it.
func eachTable(ctx *sql.Context, s *Session, cat sql.Catalog, only string, f func(db sql.Database, t sql.Table, b *base) error) error {
	return s.atOnce(ctx, func() error {
		for _, db := range databasesOf(ctx, s, cat) {
			if only != "" && !strings.EqualFold(db.Name(), only) {
				continue
			}
			err := sql.DBTableIter(ctx, db, func(t sql.Table) (bool, error) {
				var of *base
				if own, ok := sql.GetUnderlyingTable(t).(*Table); ok {
					size, err := s.b.db.TableStats(ctx, own.shape.def)
					if err != nil {
						return false, wireError(err)
					}
					of = &base{own, size}
				}
				return true, f(db, t, of)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tableRows are TABLES.
func tableRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return tableRowsOf(ctx, s, cat, "")
}

// tableRowsOf are those of one database, "": of all.
func tableRowsOf(ctx *sql.Context, s *Session, cat sql.Catalog, only string) ([]sql.Row, error) {
	var rows []sql.Row
	err := eachTable(ctx, s, cat, only, func(db sql.Database, t sql.Table, b *base) error {
		comment := ""
		if c, ok := t.(sql.CommentedTable); ok {
			comment = c.Comment()
		}
		r := sql.Row{"def", db.Name(), t.Name(), "BASE TABLE", "InnoDB", 10, "Dynamic", 0, 0, 0, 0, 0, 0,
			nil, s.b.made(""), nil, nil, t.Collation().Name(), nil, "", comment}
		switch {
		case b != nil:
			if b.IsTemporary() {
				return nil
			}
			if rows := b.size.Rows; rows > 0 {
				r[8] = b.size.DataBytes / rows
			}
			options := optionsText(b.shape.def, false)
			if b.shape.parts != nil {
				options += " partitioned"
			}
			r[6], r[19] = rowFormat(b.shape.def), strings.TrimPrefix(options, " ")
			r[7], r[9], r[11] = b.size.Rows, b.size.DataBytes, b.size.IndexSize
			if b.shape.def.AutoIncrement() >= 0 {
				next, err := s.b.db.PeekAutoIncrement(ctx, b.shape.def)
				if err != nil {
					return wireError(err)
				}
				r[13] = next
			}
			r[14] = s.b.made(b.shape.def.Options[createdOption])
		case db.Name() == sql.InformationSchemaDatabaseName:
			r[3], r[4], r[6] = "SYSTEM VIEW", nil, nil
		case db.Name() == "performance_schema":
			r[4] = "PERFORMANCE_SCHEMA"
		}
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, eachView(ctx, s, cat, only, func(db string, v sql.ViewDefinition) error {
		r := make(sql.Row, 21)
		var stored storedView
		if _, err := getObject(ctx, engine.ObjectView, db, v.Name, &stored); err != nil {
			return err
		}
		r[0], r[1], r[2], r[3], r[14], r[20] = "def", db, v.Name, "VIEW", s.b.made(strconv.FormatInt(stored.Created, 10)), "VIEW"
		rows = append(rows, r)
		return nil
	})
}

// createdOption keeps a table's time of creation, in µs since 1970 UTC.
const createdOption = "created"

// made returns when a table or view was made. One of which that was not kept, as those that are no table of the volume, is as old as the instance.
func (b *Backend) made(kept string) time.Time {
	at := b.started
	if micros, err := strconv.ParseInt(kept, 10, 64); err == nil && micros > 0 {
		at = time.UnixMicro(micros)
	}
	return at.UTC().Truncate(time.Second)
}

// partitionRows are PARTITIONS: one row for each partition, or a table without any.
func partitionRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := eachTable(ctx, s, cat, "", func(db sql.Database, t sql.Table, b *base) error {
		if b == nil || b.IsTemporary() {
			return nil
		}
		add := func(size engine.TableStats) sql.Row {
			average := uint64(0)
			if size.Rows > 0 {
				average = size.DataBytes / size.Rows
			}
			r := make(sql.Row, 25)
			r[0], r[1], r[2] = "def", db.Name(), t.Name()
			r[12], r[13], r[14], r[15], r[16], r[17] = size.Rows, average, size.DataBytes, 0, size.IndexSize, 0
			r[18], r[22] = s.b.made(b.shape.def.Options[createdOption]), ""
			rows = append(rows, r)
			return r
		}
		p := b.shape.parts
		if p == nil {
			add(b.size)
			return nil
		}
		for i, part := range p.Parts {
			size, err := s.b.db.TableStats(ctx, b.shape.def.Part(i))
			if err != nil {
				return wireError(err)
			}
			r := add(size)
			r[3], r[5], r[7], r[9] = part.Name, i+1, p.Kind(), p.Function()
			if part.Less || part.In {
				r[11] = part.List()
			}
			r[22], r[23] = part.Comment, "default"
		}
		return nil
	})
	return rows, err
}

// statisticsRows are STATISTICS. Cardinalities are the statistics'; of a table that has
// none, that of a whole unique key is the table's rows and that of others NULL.
func statisticsRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := eachTable(ctx, s, cat, "", func(db sql.Database, _ sql.Table, b *base) error {
		if b == nil || b.IsTemporary() {
			return nil
		}
		st, err := s.b.stats.of(ctx, b.Table)
		rows = append(rows, indexRows(db.Name(), b.shape.def, b.size.Rows, st)...)
		return err
	})
	return rows, err
}

// checkRows are CHECK_CONSTRAINTS.
func checkRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := eachTable(ctx, s, cat, "", func(db sql.Database, _ sql.Table, b *base) error {
		if b != nil && !b.IsTemporary() {
			for _, c := range b.shape.def.Checks {
				rows = append(rows, sql.Row{"def", db.Name(), c.Name, escapedExpression(c.Expr)})
			}
		}
		return nil
	})
	return rows, err
}

// indexRows are the rows of one table, unique keys first.
func indexRows(db string, def *engine.TableDef, count uint64, st *tableStats) []sql.Row {
	var rows []sql.Row
	for _, unique := range []bool{true, false} {
		for _, ix := range append([]*engine.IndexDef{def.Primary}, def.Indexes...) {
			if ix.Unique != unique && ix != def.Primary || ix == def.Primary && (!unique || def.Keyless()) {
				continue
			}
			for i := range ix.Columns {
				cardinality := st.cardinality(ix, i+1)
				if cardinality == nil && (count == 0 || unique && i == len(ix.Columns)-1) {
					cardinality = count
				}
				rows = append(rows, indexColumnRow(db, def, ix, i, cardinality))
			}
		}
	}
	pseudo, err := pseudoIndexes(def)
	if err != nil {
		return rows // they are read again, and told of, where they are used
	}
	for _, p := range pseudo {
		ix := &engine.IndexDef{Name: p.Name, Kind: p.Kind, Comment: p.Comment}
		for _, name := range p.Columns {
			c := slices.IndexFunc(def.Columns, func(c engine.ColumnDef) bool { return syntax.SameName(c.Name, name) })
			if c < 0 {
				continue
			}
			ix.Columns = append(ix.Columns, engine.IndexColumn{Column: c})
			rows = append(rows, indexColumnRow(db, def, ix, len(ix.Columns)-1, nil))
		}
	}
	return rows
}

// indexColumnRow is the row of STATISTICS of the i-th column of an index.
func indexColumnRow(db string, def *engine.TableDef, ix *engine.IndexDef, i int, cardinality any) sql.Row {
	c := ix.Columns[i]
	column := def.Columns[c.Column]
	var collation, part, expression any
	var name any = column.Name
	kind, nullable, unique, visible := "BTREE", "", 1, "YES"
	switch ix.Kind {
	case engine.IndexFulltext:
		kind = "FULLTEXT"
	case engine.IndexSpatial:
		kind, collation, part = "SPATIAL", "A", 32
	default:
		if collation = "A"; c.Desc {
			collation = "D"
		}
		if c.Prefix > 0 {
			part = c.Prefix
		}
	}
	if ix.Kind == engine.IndexFulltext {
		cardinality = nil
	}
	if column.Nullable {
		nullable = "YES"
	}
	if ix.Unique {
		unique = 0
	}
	if ix.Invisible {
		visible = "NO"
	}
	if column.Hidden && column.Generated != "" {
		name, expression = nil, escapedExpression(withoutParentheses(column.Generated))
	}
	return sql.Row{"def", db, def.Name, unique, db, ix.Name, i + 1, name, collation, cardinality, part, nil, nullable,
		kind, "", ix.Comment, visible, expression}
}

// innodbRows calls f for the tables of the volume and collects the rows.
func innodbRows(ctx *sql.Context, s *Session, cat sql.Catalog, f func(b *base, def *engine.TableDef) []sql.Row) ([]sql.Row, error) {
	if !s.b.may(ctx, sql.PrivilegeType_Process) {
		return nil, nil
	}
	var rows []sql.Row
	err := eachTable(ctx, s, cat, "", func(_ sql.Database, _ sql.Table, b *base) error {
		if b != nil && !b.IsTemporary() {
			rows = append(rows, f(b, b.shape.def)...)
		}
		return nil
	})
	return rows, err
}

func innodbName(def *engine.TableDef) string { return def.Database + "/" + def.Name }

// innodbTableRows are INNODB_TABLES. There is one tablespace, the volume: 0.
func innodbTableRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		n := 0
		for _, c := range def.Columns {
			if !c.Hidden {
				n++
			}
		}
		return []sql.Row{{uint64(def.ID), innodbName(def), 33, n, 0, rowFormat(def), 0, "System", 0, 0}}
	})
}

// indexesOf returns the indexes that have trees, the clustered one first.
func indexesOf(def *engine.TableDef) []*engine.IndexDef {
	out := []*engine.IndexDef{def.Primary}
	for _, ix := range def.Indexes {
		if ix.Kind == engine.IndexBTree {
			out = append(out, ix)
		}
	}
	return out
}

// innodbIndexID is unique among the indexes of all tables, as InnoDB's are.
func innodbIndexID(def *engine.TableDef, ix *engine.IndexDef) uint64 {
	return uint64(def.ID)<<16 | uint64(ix.ID)
}

// innodbIndexRows are INNODB_INDEXES.
func innodbIndexRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		for _, ix := range indexesOf(def) {
			name, kind := ix.Name, 0 // 0 secondary, 1 clustered on a row id, 2 unique, 3 clustered
			switch {
			case ix == def.Primary && def.Keyless():
				name, kind = "GEN_CLUST_INDEX", 1
			case ix == def.Primary:
				kind = 3
			case ix.Unique:
				kind = 2
			}
			rows = append(rows, sql.Row{innodbIndexID(def, ix), name, uint64(def.ID), kind, len(ix.Columns), int32(ix.Root), 0, 0})
		}
		return rows
	})
}

// innodbFieldRows are INNODB_FIELDS.
func innodbFieldRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		for _, ix := range indexesOf(def) {
			for i, c := range ix.Columns {
				if col := def.Columns[c.Column]; !strings.HasPrefix(col.Name, "\x00") {
					rows = append(rows, sql.Row{fmt.Sprint(innodbIndexID(def, ix)), col.Name, i})
				}
			}
		}
		return rows
	})
}

// innodbColumnRows are INNODB_COLUMNS; types are InnoDB's main types.
func innodbColumnRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(b *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		for i, c := range b.shape.schema {
			length := int64(0)
			if t, ok := c.Type.(sql.StringType); ok {
				length = t.MaxByteLength()
			}
			rows = append(rows, sql.Row{uint64(def.ID), c.Name, i, innodbType(c.Type), 0, length, 0, nil})
		}
		return rows
	})
}

// innodbType is InnoDB's main type of a column.
func innodbType(t sql.Type) int {
	switch name := strings.ToLower(t.String()); {
	case strings.HasPrefix(name, "varchar"):
		return 12 // with a character set
	case strings.HasPrefix(name, "char"):
		return 13
	case strings.HasPrefix(name, "varbinary"):
		return 4
	case strings.HasPrefix(name, "binary"), strings.HasPrefix(name, "decimal"), strings.HasPrefix(name, "bit"),
		strings.HasPrefix(name, "time"), strings.HasPrefix(name, "datetime"):
		return 3 // fixed length
	case strings.Contains(name, "text"), strings.Contains(name, "blob"), strings.HasPrefix(name, "json"):
		return 5
	case strings.HasPrefix(name, "float"):
		return 9
	case strings.HasPrefix(name, "double"):
		return 10
	case strings.HasPrefix(name, "geometry"), strings.HasPrefix(name, "point"), strings.HasPrefix(name, "polygon"):
		return 14
	}
	return 6 // integers, dates, enumerations
}

// innodbStatsRows are INNODB_TABLESTATS; sizes are in pages.
func innodbStatsRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(b *base, def *engine.TableDef) []sql.Row {
		return []sql.Row{{uint64(def.ID), innodbName(def), "Initialized", b.size.Rows,
			b.size.DataBytes / engine.PageSize, b.size.IndexSize / engine.PageSize, 0, 0, 0}}
	})
}
