package gms

import "testing"

// A text is cut behind its first statement, unless that may have statements within it.
func TestFirstStatement(t *testing.T) {
	for text, want := range map[string][2]string{
		"SELECT 1":                                           {"SELECT 1", ""},
		"SELECT 1; SELECT 2; SELECT 3":                       {"SELECT 1", " SELECT 2; SELECT 3"},
		"SELECT ';', `a;b` /* ; */; SELECT 2":                {"SELECT ';', `a;b` /* ; */", " SELECT 2"},
		"SELECT 1 -- ;\n; SELECT 2":                          {"SELECT 1 -- ;\n", " SELECT 2"},
		"CREATE TABLE t (a INT); SELECT 2":                   {"CREATE TABLE t (a INT)", " SELECT 2"},
		"CREATE PROCEDURE p() BEGIN SELECT 1; END; SELECT 2": {"CREATE PROCEDURE p() BEGIN SELECT 1; END; SELECT 2", ""},
		"/*!50003 CREATE*/ /*!50003 TRIGGER t BEFORE INSERT ON t FOR EACH ROW BEGIN; END */": {"/*!50003 CREATE*/ /*!50003 TRIGGER t BEFORE INSERT ON t FOR EACH ROW BEGIN; END */", ""},
		";SELECT 1": {"", "SELECT 1"},
	} {
		if head, tail := firstStatement(text); head != want[0] || tail != want[1] {
			t.Errorf("%q is cut into %q and %q", text, head, tail)
		}
	}
}
