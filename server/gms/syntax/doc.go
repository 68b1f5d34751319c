// Package syntax reads the texts of MySQL's statements: words, numbers and quoted texts, keywords, accounts' names, where
// a syntax error is and what MySQL says of it, the normalised text that a digest is of. It also walks and changes parse trees.
//
// It knows the grammar's tree and no plan, no session and no value; what a text means is decided by those who read it with a
// Lexer. Start there, and with ReplaceNodes for trees.
package syntax
