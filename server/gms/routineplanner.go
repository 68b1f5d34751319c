package gms

import ast "github.com/dolthub/vitess/go/vt/sqlparser"

// forPlanner makes the body of a procedure one that the planner accepts: it checks the
// names and the order of what is declared, but does not run it. The names of conditions
// are checked here.
func forPlanner(body ast.Statement, sc *scope) error {
	switch n := body.(type) {
	case *ast.Declare:
		return declareForPlanner(n, sc)
	case *ast.Signal:
		return signalForPlanner(n, sc)
	case *ast.Resignal:
		return signalForPlanner(&n.Signal, sc)
	case *ast.Set:
		n.Exprs = n.Exprs[:min(1, len(n.Exprs))]
	case *ast.BeginEndBlock:
		return allForPlanner(n.Statements, &scope{up: sc})
	case *ast.IfStatement:
		for _, c := range n.Conditions {
			if err := allForPlanner(c.Statements, sc); err != nil {
				return err
			}
		}
		return allForPlanner(n.Else, sc)
	case *ast.CaseStatement:
		for _, c := range n.Cases {
			if err := allForPlanner(c.Statements, sc); err != nil {
				return err
			}
		}
		return allForPlanner(n.Else, sc)
	case *ast.Loop:
		return allForPlanner(n.Statements, sc)
	case *ast.Repeat:
		return allForPlanner(n.Statements, sc)
	case *ast.While:
		return allForPlanner(n.Statements, sc)
	}
	return nil
}

func allForPlanner(list ast.Statements, sc *scope) error {
	for _, s := range list {
		if err := forPlanner(s, sc); err != nil {
			return err
		}
	}
	return nil
}

func declareForPlanner(n *ast.Declare, sc *scope) error {
	if c := n.Condition; c != nil {
		if err := sc.declare(c); err != nil {
			return err
		}
		if c.MysqlErrorCode != nil {
			c.MysqlErrorCode, c.SqlStateValue = nil, "HY000"
		}
	}
	if h := n.Handler; h != nil {
		for _, v := range h.ConditionValues {
			if v.ValueType == ast.DeclareHandlerCondition_ConditionName {
				if _, err := sc.condition(v.String); err != nil {
					return err
				}
			}
		}
		h.ConditionValues = []ast.DeclareHandlerCondition{{ValueType: ast.DeclareHandlerCondition_SqlException}}
		return forPlanner(h.Statement, sc)
	}
	return nil
}

// signalForPlanner puts literals for the values of a SIGNAL.
func signalForPlanner(n *ast.Signal, sc *scope) error {
	for i, item := range n.Info {
		if _, ok := item.Value.(*ast.SQLVal); !ok {
			n.Info[i].Value = ast.NewIntVal([]byte("1"))
		}
	}
	_, err := sc.signalled(n)
	return err
}
