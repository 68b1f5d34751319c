// Package value decides what a value is in MySQL: how numbers, texts, dates and times, and JSON documents are read, shown and
// compared where the planner does it otherwise, what a column's type makes of a value that is assigned to it (Assigner), and
// which bytes of the engine a stored column is (Codec).
//
// A value is a Go value of the planner's types. What an expression over values means is package expr's. Of the session a value
// asks no more than Evaluation: its time zone and what its columns are.
package value
