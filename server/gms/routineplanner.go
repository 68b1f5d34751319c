package gms

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// forPlanner makes the body of a procedure one that the planner accepts: it checks the
// names and the order of what is declared, but does not run it.
func forPlanner(body ast.Statement) {
	switch n := body.(type) {
	case *ast.Declare:
		if n.Handler != nil {
			n.Handler.ConditionValues = []ast.DeclareHandlerCondition{{ValueType: ast.DeclareHandlerCondition_SqlException}}
			forPlanner(n.Handler.Statement)
		}
		if n.Condition != nil && n.Condition.MysqlErrorCode != nil {
			n.Condition.MysqlErrorCode, n.Condition.SqlStateValue = nil, "HY000"
		}
	case *ast.Signal:
		signalForPlanner(n)
	case *ast.Resignal:
		signalForPlanner(&n.Signal)
	case *ast.Set:
		n.Exprs = n.Exprs[:min(1, len(n.Exprs))]
	case *ast.BeginEndBlock:
		allForPlanner(n.Statements)
	case *ast.IfStatement:
		for _, c := range n.Conditions {
			allForPlanner(c.Statements)
		}
		allForPlanner(n.Else)
	case *ast.CaseStatement:
		for _, c := range n.Cases {
			allForPlanner(c.Statements)
		}
		allForPlanner(n.Else)
	case *ast.Loop:
		allForPlanner(n.Statements)
	case *ast.Repeat:
		allForPlanner(n.Statements)
	case *ast.While:
		allForPlanner(n.Statements)
	}
}

func allForPlanner(list ast.Statements) {
	for _, s := range list {
		forPlanner(s)
	}
}

// signalForPlanner puts literals for the values of a SIGNAL.
func signalForPlanner(n *ast.Signal) {
	for i, item := range n.Info {
		if _, ok := item.Value.(*ast.SQLVal); !ok {
			n.Info[i].Value = ast.NewIntVal([]byte("1"))
		}
	}
}
