package rewrite

import (
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// namedWindows gives the functions of a SELECT the windows that they name, whole: the planner takes a frame of all rows
// for the absence of one when it merges two. What no function names stays in the WINDOW clause. Returns MySQL's errors of
// windows that name others (3579 to 3583, 3591).
func namedWindows(s *ast.Select) error {
	n := windowNames{defs: map[string]*ast.WindowDef{}, used: map[string]bool{}}
	for _, w := range s.Window {
		if n.defs[w.Name.Lowered()] != nil {
			return mysql.NewSQLError(3591, "HY000", "Window '%s' is defined twice.", w.Name.String())
		}
		n.defs[w.Name.Lowered()] = w
	}
	for _, w := range s.Window {
		if err := n.merge(w, len(s.Window)); err != nil {
			return err
		}
	}
	if err := syntax.Walk(func(x ast.SQLNode) (bool, error) {
		if f, ok := x.(*ast.FuncExpr); ok && f.Over != nil {
			return true, n.merge((*ast.WindowDef)(f.Over), len(s.Window))
		}
		_, other := x.(*ast.Subquery)
		return !other, nil
	}, s.SelectExprs, s.OrderBy); err != nil {
		return err
	}
	var unused ast.Window
	for _, w := range s.Window {
		if !n.used[w.Name.Lowered()] {
			unused = append(unused, w)
		}
	}
	s.Window = unused
	return nil
}

type windowNames struct {
	defs map[string]*ast.WindowDef
	used map[string]bool
}

// merge completes w, of a WINDOW clause or of OVER, by the window that it names, and that by its own, at most depth of them.
func (n windowNames) merge(w *ast.WindowDef, depth int) error {
	if w.NameRef.IsEmpty() {
		return nil
	}
	name, own := w.NameRef.String(), w.Name.String()
	of := n.defs[w.NameRef.Lowered()]
	switch {
	case of == nil:
		return mysql.NewSQLError(3579, "HY000", "Window name '%s' is not defined.", name)
	case depth == 0:
		return mysql.NewSQLError(3580, "HY000", "There is a circularity in the window dependency graph.")
	}
	if err := n.merge(of, depth-1); err != nil {
		return err
	}
	if own == "" {
		own = "<unnamed window>"
	}
	alone := w.Name.IsEmpty() && len(w.OrderBy) == 0 && w.Frame == nil // OVER w
	switch {
	case len(w.PartitionBy) > 0:
		return mysql.NewSQLError(3581, "HY000", "A window which depends on another cannot define partitioning.")
	case of.Frame != nil && !alone:
		return mysql.NewSQLError(3582, "HY000", "Window '%s' has a frame definition, so cannot be referenced by another window.", name)
	case len(w.OrderBy) > 0 && len(of.OrderBy) > 0:
		return mysql.NewSQLError(3583, "HY000", "Window '%s' cannot inherit '%s' since both contain an ORDER BY clause.", own, name)
	}
	n.used[w.NameRef.Lowered()] = true
	w.NameRef, w.PartitionBy = ast.ColIdent{}, Cloned(of.PartitionBy)
	if len(of.OrderBy) > 0 {
		w.OrderBy = Cloned(of.OrderBy)
	}
	if w.Frame == nil {
		w.Frame = Cloned(of.Frame)
	}
	return nil
}
