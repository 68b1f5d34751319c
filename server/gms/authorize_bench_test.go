package gms_test

import "testing"

// BenchmarkPrivileges is what a prepared SELECT by primary key costs, server and client
// together, by what was granted to who executes it.
func BenchmarkPrivileges(b *testing.B) {
	i := startInstance(b)
	c := i.conn(i.open(""))
	must(b, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, c INT)", "INSERT INTO d.t VALUES (1, 1)",
		"CREATE USER ofdb IDENTIFIED BY 'x'", "GRANT SELECT ON d.* TO ofdb", "CREATE USER oftable IDENTIFIED BY 'x'", "GRANT SELECT ON d.t TO oftable")
	for _, user := range []string{"root", "ofdb:x", "oftable:x"} {
		b.Run(user, func(b *testing.B) {
			u := i.conn(i.openAs(user, ""))
			st, err := u.PrepareContext(b.Context(), "SELECT c FROM d.t WHERE id = ?")
			if err != nil {
				b.Fatal(err)
			}
			before := cpu(b)
			for b.Loop() {
				var v int
				if err := st.QueryRowContext(b.Context(), 1).Scan(&v); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/1000/float64(b.N), "cpu-µs/op")
			if err := st.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
