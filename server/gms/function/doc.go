// Package function has the functions that a statement calls by name: of texts, numbers, dates and times, JSON documents,
// addresses, shapes, regular expressions (by package icuregex), and the marks of package rewrite that are functions. Those that
// need more of a session than its variables (user locks, LOAD_FILE, CURRENT_USER) are package gms's.
//
// Start with Named, and with WithArguments for the types that the arguments of the planner's own functions get.
package function
