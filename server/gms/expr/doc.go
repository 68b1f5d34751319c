// Package expr decides what operators mean and which types expressions have: arithmetic, comparisons and their collations,
// CAST, CASE, intervals, aggregates, the columns that a SELECT makes (CreatedColumn). Its expressions stand in place of the
// planner's, or of a function that stands in the statement for what the planner's grammar would lose.
//
// Functions that are called by name are package function's, but for the frame that they have in common: FunctionDef. Start with
// Check, which gives each expression of a plan its place, and with WithComparedTypes for comparisons.
package expr
