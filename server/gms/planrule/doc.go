// Package planrule has the rules that change plans before and while the planner's analyzer works on them: joins that it would
// reorder or index wrongly, subqueries that it would move, the types of UNIONs, ONLY_FULL_GROUP_BY, windows' frames. Each rule says
// which fault of the planner's it is about.
//
// Rules here ask plans and expressions alone. Those that need a table's definition, statistics or the session are package gms's,
// which also says in what order rules are applied.
package planrule
