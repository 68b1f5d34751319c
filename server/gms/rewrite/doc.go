// Package rewrite changes a statement before it is planned: the text, where MySQL's grammar takes what the planner's does not
// (Marking), then the parse tree, where the planner would read another meaning. It also decides which statements MySQL refuses
// for what is written in them, before a table is looked at, and with which error.
//
// It sees no plan and no stored definition. What becomes of the marks is decided by packages expr, function and planrule.
package rewrite
