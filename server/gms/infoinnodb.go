package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// foreignKeyType is InnoDB's bits of the rules of a foreign key.
func foreignKeyType(fk engine.ForeignKeyDef) int {
	onDelete := map[string]int{"CASCADE": 1, "SET NULL": 2, "NO ACTION": 16, "": 16}
	onUpdate := map[string]int{"CASCADE": 4, "SET NULL": 8, "NO ACTION": 32, "": 32}
	return onDelete[fk.OnDelete] | onUpdate[fk.OnUpdate]
}

// innodbForeignRows are INNODB_FOREIGN.
func innodbForeignRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		for _, fk := range def.ForeignKeys {
			rows = append(rows, sql.Row{def.Database + "/" + fk.Name, innodbName(def), fk.ParentDatabase + "/" + fk.ParentTable, len(fk.Columns), foreignKeyType(fk)})
		}
		return rows
	})
}

// innodbForeignColumnRows are INNODB_FOREIGN_COLS.
func innodbForeignColumnRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		for _, fk := range def.ForeignKeys {
			for i, c := range fk.Columns {
				rows = append(rows, sql.Row{def.Database + "/" + fk.Name, c, fk.ParentColumns[i], i + 1})
			}
		}
		return rows
	})
}

// innodbVirtualRows are INNODB_VIRTUAL: the columns that a virtual one is computed of. POS
// has the number of virtual columns before it in its upper half.
func innodbVirtualRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	return innodbRows(ctx, s, cat, func(_ *base, def *engine.TableDef) []sql.Row {
		var rows []sql.Row
		virtual := 0
		for i, c := range def.Columns {
			if c.Options[optVirtual] == "" {
				continue
			}
			virtual++
			for at, d := range def.Columns {
				if strings.Contains(c.Generated, syntax.QuoteName(d.Name)) {
					rows = append(rows, sql.Row{uint64(def.ID), virtual<<16 | i, at})
				}
			}
		}
		return rows
	})
}

// innodbTablespaceRows are INNODB_TABLESPACES: the volume.
func innodbTablespaceRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	if !s.b.may(ctx, sql.PrivilegeType_Process) {
		return nil, nil
	}
	return []sql.Row{{0, "innodb_system", 18432, "Compact or Redundant", engine.PageSize, 0, "System", 4096, 0, 0, 0, ServerVersion, 1, "N", "normal"}}, nil
}

// innodbBufferPoolRows are INNODB_BUFFER_POOL_STATS: the page cache.
func innodbBufferPoolRows(ctx *sql.Context, s *Session, _ sql.Catalog) ([]sql.Row, error) {
	if !s.b.may(ctx, sql.PrivilegeType_Process) {
		return nil, nil
	}
	c := s.b.db.CacheStats()
	r := make(sql.Row, 32)
	for i := range r {
		r[i] = 0
	}
	_, size, _ := sql.SystemVariables.GetGlobal("innodb_buffer_pool_size")
	if n, ok := size.(int64); ok {
		r[1], r[2] = n/engine.PageSize, max(0, n-c.Bytes)/engine.PageSize
	}
	r[3], r[16] = c.Pages, c.Fetches
	return []sql.Row{r}, nil
}
