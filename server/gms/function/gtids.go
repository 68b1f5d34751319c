package function

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/google/uuid"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// gtidFunctions are the functions of sets of transactions' identifiers.
var gtidFunctions = map[string]*expr.FunctionDef{
	"gtid_subset": {Name: "gtid_subset", Args: 2, Pure: true, Typ: types.Int64, Eval: withoutGTIDs(func(rest gtidSet) any {
		return int64(value.BoolInt(len(rest) == 0))
	})},
	"gtid_subtract": {Name: "gtid_subtract", Args: 2, Pure: true, Typ: types.LongText, Eval: withoutGTIDs(func(rest gtidSet) any {
		return rest.String()
	})},
}

// gtidRange are the transactions from one number to another.
type gtidRange struct{ from, to int64 }

// gtidSet has the ranges of each server, none of which is empty.
type gtidSet map[uuid.UUID][]gtidRange

// withoutGTIDs is a function of what is left of one set without another, NULL if one of them is.
func withoutGTIDs(f func(rest gtidSet) any) func(*sql.Context, []any) (any, error) {
	return func(ctx *sql.Context, args []any) (any, error) {
		var sets [2]gtidSet
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			text, err := value.TextOf(ctx, a)
			if err == nil {
				sets[i], err = readGTIDs(text)
			}
			if err != nil {
				return nil, err
			}
		}
		for id, ranges := range sets[1] {
			for _, r := range ranges {
				sets[0].remove(id, r)
			}
		}
		return f(sets[0]), nil
	}
}

// readGTIDs returns the set of a text: of each server its identifier and ranges of numbers, with colons between them. Returns 1772 of others.
func readGTIDs(text string) (gtidSet, error) {
	out := gtidSet{}
	for _, part := range strings.Split(strings.Join(strings.Fields(text), ""), ",") {
		if part == "" {
			continue
		}
		fields := strings.Split(part, ":")
		id, err := uuid.Parse(fields[0])
		if err != nil || len(fields) == 1 {
			return nil, errGTIDs(text)
		}
		for _, f := range fields[1:] {
			first, last, some := strings.Cut(f, "-")
			from, err := strconv.ParseInt(first, 10, 64)
			to := from
			if some && err == nil {
				to, err = strconv.ParseInt(last, 10, 64)
			}
			if err != nil || from < 1 || to < 0 {
				return nil, errGTIDs(text)
			}
			if out.remove(id, gtidRange{from, to}); from <= to {
				out[id] = append(out[id], gtidRange{from, to})
			}
		}
	}
	return out, nil
}

func errGTIDs(text string) error {
	return mysql.NewSQLError(1772, "HY000", "Malformed GTID set specification '%s'.", text)
}

// remove takes a range of a server away.
func (s gtidSet) remove(id uuid.UUID, r gtidRange) {
	var left []gtidRange
	for _, has := range s[id] {
		if before := (gtidRange{has.from, min(has.to, r.from-1)}); before.from <= before.to {
			left = append(left, before)
		}
		if behind := (gtidRange{max(has.from, r.to+1, r.from), has.to}); behind.from <= behind.to && behind.from > min(has.to, r.from-1) {
			left = append(left, behind)
		}
	}
	if s[id] = left; len(left) == 0 {
		delete(s, id)
	}
}

// String returns the set as MySQL shows it: servers and ranges in their order, ranges that touch as one.
func (s gtidSet) String() string {
	ids := slices.SortedFunc(maps.Keys(s), func(a, b uuid.UUID) int { return cmp.Compare(a.String(), b.String()) })
	var servers []string
	for _, id := range ids {
		ranges := slices.SortedFunc(slices.Values(s[id]), func(a, b gtidRange) int { return cmp.Compare(a.from, b.from) })
		text := id.String()
		for i := 0; i < len(ranges); i++ {
			r := ranges[i]
			for i+1 < len(ranges) && ranges[i+1].from == r.to+1 {
				i++
				r.to = ranges[i].to
			}
			if text += ":" + strconv.FormatInt(r.from, 10); r.to > r.from {
				text += fmt.Sprintf("-%d", r.to)
			}
		}
		servers = append(servers, text)
	}
	return strings.Join(servers, ",\n")
}
