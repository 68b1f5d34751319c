package gms

import (
	"fmt"
	"slices"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// shownRoutine is a stored procedure or function as information_schema shows it.
type shownRoutine struct {
	kind     string // PROCEDURE, FUNCTION
	database string
	stored   storedProcedure
	head     rewrite.ObjectHead
	traits   routineCharacteristics
	body     string
	params   []routineParam
	returns  sql.Type // nil: a procedure
	digits   int      // of the seconds of what it returns
	hidden   bool     // its body is not for the session
}

type routineParam struct {
	mode, name string
	typ        sql.Type
	digits     int
}

// eachRoutine calls f for the routines that the session may see.
func (s *Session) eachRoutine(ctx *sql.Context, f func(r shownRoutine) error) error {
	show := s.may(ctx, sql.PrivilegeType_Select) || s.mayDynamic(ctx, "show_routine")
	defs, err := s.catalog(ctx)
	if err != nil {
		return err
	}
	for _, db := range defs.Databases() {
		for _, kind := range []engine.ObjectKind{engine.ObjectProcedure, engine.ObjectFunction} {
			for _, o := range defs.Objects(kind, db.Name) {
				r := shownRoutine{kind: "PROCEDURE", database: db.Name}
				if kind == engine.ObjectFunction {
					r.kind = "FUNCTION"
				}
				if _, err := getObject(ctx, kind, db.Name, o.Name, &r.stored); err != nil {
					return err
				}
				if !s.readRoutine(ctx, &r) {
					continue
				}
				if r.hidden = !show && r.head.Definer != s.account; r.hidden && !s.seesRoutine(ctx, syntax.TableName{Database: r.database, Name: r.stored.Name}, r.kind) {
					continue
				}
				if err := f(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// readRoutine reads the text of a routine, false if it is not one.
func (s *Session) readRoutine(ctx *sql.Context, r *shownRoutine) bool {
	var ok bool
	if r.head, ok = rewrite.NewObjectHead(r.stored.Create); !ok {
		return false
	}
	if r.kind == "FUNCTION" {
		f, err := s.function(ctx, syntax.TableName{Database: r.database, Name: r.stored.Name})
		if err != nil || f == nil {
			return false
		}
		r.returns = f.result.typ
		r.digits = f.result.digits()
		for _, p := range f.params {
			r.params = append(r.params, routineParam{"IN", p.name, p.typ, p.digits()})
		}
	} else {
		p := newParser()
		p.routine = true
		stmt, _, _, err := p.planners(ctx, r.stored.Create, ';', false, sql.NewSqlModeFromString(r.stored.SQLMode).ParserOptions())
		ddl, isDDL := stmt.(*ast.DDL)
		if err != nil || !isDDL || ddl.ProcedureSpec == nil {
			return false
		}
		modes := map[ast.ProcedureParamDirection]string{ast.ProcedureParamDirection_Out: "OUT", ast.ProcedureParamDirection_Inout: "INOUT"}
		for _, p := range ddl.ProcedureSpec.Params {
			l, err := newLocal(p.Name, &p.Type, s.databaseCollation(ctx, r.database))
			if err != nil {
				return false
			}
			mode := modes[p.Direction]
			if mode == "" {
				mode = "IN"
			}
			r.params = append(r.params, routineParam{mode, p.Name, l.typ, l.digits()})
		}
	}
	_, _, r.traits, r.body, ok = routineText(r.head.L)
	return ok
}

// typeCells are the columns from DATA_TYPE to DTD_IDENTIFIER.
func typeCells(ctx *sql.Context, t sql.Type, digits int) []any {
	c := described{Column: &sql.Column{Type: t}}
	r := c.row(ctx, "", "", 0, "") // as in COLUMNS from its 8th, DATA_TYPE
	r[15] = routineType(t)
	if types.IsTimespan(t) {
		r[12], r[15] = digits, "time"
		if digits > 0 {
			r[15] = fmt.Sprintf("time(%d)", digits)
		}
	}
	return slices.Clone(r[7:16])
}

// routineRows are ROUTINES.
func routineRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := s.eachRoutine(ctx, func(r shownRoutine) error {
		var body any = programText(r.body, r.stored.SQLMode)
		if r.hidden {
			body = nil
		}
		deterministic, access, security := "NO", r.traits.access, "DEFINER"
		if r.traits.deterministic != "" {
			deterministic = "YES"
		}
		if access == "" {
			access = "CONTAINS SQL"
		}
		if r.traits.security != "" {
			security = "INVOKER"
		}
		cells := make([]any, 9)
		cells[0] = ""
		if r.returns != nil {
			cells = typeCells(ctx, r.returns, r.digits)
		}
		db, err := s.b.Database(ctx, r.database)
		if err != nil {
			return err
		}
		charset, collation := r.stored.shown()
		row := append(sql.Row{r.stored.Name, "def", r.database, r.stored.Name, r.kind}, cells...)
		rows = append(rows, append(row, "SQL", body, nil, "SQL", "SQL", deterministic, access, nil, security,
			time.UnixMicro(r.stored.Created).UTC(), time.UnixMicro(r.stored.Modified).UTC(), modeText(r.stored.SQLMode),
			r.traits.comment, r.head.Definer.User+"@"+r.head.Definer.Host, charset, collation,
			db.(*Database).GetCollation(ctx).Name()))
		return nil
	})
	return rows, err
}

// parameterRows are PARAMETERS; what a function returns is number 0.
func parameterRows(ctx *sql.Context, s *Session, cat sql.Catalog) ([]sql.Row, error) {
	var rows []sql.Row
	err := s.eachRoutine(ctx, func(r shownRoutine) error {
		add := func(n int, mode, name any, t sql.Type, digits int) {
			cells := typeCells(ctx, t, digits)
			if cells[3] != nil && cells[4] == nil { // NUMERIC_PRECISION and SCALE
				cells[4] = 0
			}
			row := append(sql.Row{"def", r.database, r.stored.Name, n, mode, name}, cells...)
			rows = append(rows, append(row, r.kind))
		}
		if r.returns != nil {
			add(0, nil, nil, r.returns, r.digits)
		}
		for i, p := range r.params {
			add(i+1, p.mode, p.name, p.typ, p.digits)
		}
		return nil
	})
	return rows, err
}
