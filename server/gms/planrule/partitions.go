package planrule

import (
	"context"
	"strings"

	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Tables have no partitions (docs/decisions/2026-11-28-no-partitions.md). The grammar takes
// most of their words and the planner forgets them, so that a DELETE from one partition
// would be one from the table: what names partitions is refused by its text.

// partitionWords are what ALTER TABLE does with partitions.
var partitionWords = syntax.Words("add drop truncate coalesce reorganize rebuild optimize analyze check repair exchange discard import")

// NoPartitions returns the error of a client's statement that is about partitions.
func NoPartitions(ctx context.Context, query string) error {
	if !syntax.ContainsFold(query, "partition") || !value.Served(ctx) {
		return nil
	}
	var first [4]string
	n, depth := 0, 0
	table := ""      // CREATE or ALTER, if it is one of a table
	selects := false // there was a SELECT, of which PARTITION BY may be a window's
	before := ""
	for at := 0; at < len(query); {
		word, end := syntax.NextWord(query, at)
		if word == "" {
			at = end
			continue
		}
		token := strings.ToLower(word)
		if token == " " {
			token = query[at:min(at+1, end)]
		}
		at = end
		if n < len(first) {
			first[n] = token
			if n++; token == "table" && (n == 2 || first[1] == "temporary") && (first[0] == "create" || first[0] == "alter") {
				table = first[0]
			}
		}
		switch token {
		case ";":
			if first[0] != "create" || table != "" {
				return nil // another statement
			}
		case "(":
			depth++
			if before == "partition" && table == "" {
				return mysql.NewSQLError(1747, "HY000", "PARTITION () clause on non partitioned table")
			}
		case ")":
			depth--
		case "select":
			selects = true
		case "by":
			switch {
			case before != "partition" || table == "" || selects || depth > 0:
			case first[1] == "temporary":
				return mysql.NewSQLError(1562, "HY000", "Cannot create temporary table with partitions")
			default:
				return value.ErrNotSupported("PARTITION BY")
			}
		case "partition", "partitioning":
			if table == "alter" && depth == 0 && (partitionWords[before] || before == "remove" && token == "partitioning") {
				return mysql.NewSQLError(1505, "HY000", "Partition management on a not partitioned table is not possible")
			}
		}
		before = token
	}
	return nil
}
