package check

// Insert is one attempt to insert a row with a value that only one row may have.
type Insert struct {
	ID      int // of the row, drawn once
	Unique  int // the value that several clients want
	Outcome Outcome
	Taken   bool // refused with 1062; Outcome is Aborted
}

// Row is one row as the primary key and as the unique index have it.
type Row struct{ ID, Unique int }

// Inserts checks the rows that are there in the end, read by the primary key and by the
// unique index, against what clients were told.
func Inserts(attempts []Insert, byKey, byIndex []Row) []Anomaly {
	var r report
	there, winner := map[int]int{}, map[int]int{}
	for _, x := range byKey {
		there[x.ID] = x.Unique
		if other, ok := winner[x.Unique]; ok {
			r.add(Duplicate, "rows %d and %d both have %d", other, x.ID, x.Unique)
		}
		winner[x.Unique] = x.ID
	}
	indexed := map[int]int{}
	for _, x := range byIndex {
		indexed[x.ID] = x.Unique
		if u, ok := there[x.ID]; !ok || u != x.Unique {
			r.add(Torn, "the index has row %d with %d, the table does not", x.ID, x.Unique)
		}
	}
	for id, u := range there {
		if _, ok := indexed[id]; !ok {
			r.add(Torn, "the table has row %d with %d, the index does not", id, u)
		}
	}
	known := map[int]Insert{}
	for _, a := range attempts {
		known[a.ID] = a
		_, is := there[a.ID]
		switch _, taken := winner[a.Unique]; {
		case a.Outcome == Committed && !is:
			r.add(Lost, "row %d was acknowledged", a.ID)
		case a.Outcome == Aborted && is:
			r.add(DirtyRead, "row %d is there, its insert failed", a.ID)
		case a.Taken && !taken:
			r.add(Lost, "%d was refused as taken, and no row has it", a.Unique)
		}
	}
	for id := range there {
		if _, ok := known[id]; !ok {
			r.add(Phantom, "nobody inserted row %d", id)
		}
	}
	return r
}
