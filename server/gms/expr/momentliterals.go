package expr

// MomentMarks are the marks in the place of DATE, TIME and TIMESTAMP before a text: to the grammar
// such a literal is the text. There are two of each, for the names of columns.
var MomentMarks = map[string]string{
	"DATE": "_armscii8", "date": "_cp1250", "TIMESTAMP": "_cp852", "timestamp": "_cp866", "TIME": "_macroman", "time": "_koi8u",
}
