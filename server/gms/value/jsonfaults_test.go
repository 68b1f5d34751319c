package value

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONFaults: RapidJSON's words and offsets of texts that are no JSON.
func TestJSONFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 `"The document is empty." at position 0`,
		"  ":                               `"The document is empty." at position 2`,
		"bad":                              `"Invalid value." at position 0`,
		"[1, 2,":                           `"Invalid value." at position 6`,
		"nul":                              `"Invalid value." at position 3`,
		"-":                                `"Invalid value." at position 1`,
		"{bad":                             `"Missing a name for object member." at position 1`,
		`{"a":1,}`:                         `"Missing a name for object member." at position 7`,
		`{"a" 1}`:                          `"Missing a colon after a name of object member." at position 5`,
		`{"a":1`:                           `"Missing a comma or '}' after an object member." at position 6`,
		"[1 2]":                            `"Missing a comma or ']' after an array element." at position 3`,
		"1 2":                              `"The document root must not be followed by other values." at position 2`,
		"01":                               `"The document root must not be followed by other values." at position 1`,
		`"a`:                               `"Missing a closing quotation mark in string." at position 2`,
		`"a\x"`:                            `"Invalid escape character in string." at position 2`,
		"\"a\nb\"":                         `"Invalid encoding in string." at position 2`,
		"1.":                               `"Miss fraction part in number." at position 2`,
		"1e+":                              `"Miss exponent in number." at position 3`,
		"[1e999]":                          `"Number too big to be stored in double." at position 1`,
		strings.Repeat("[", jsonNesting+1): `"Terminate parsing due to Handler error." at position 10000`,
	} {
		f := findFault(text)
		if f == nil || f.String() != want {
			t.Errorf("%.20q: %v, want %s", text, f, want)
		}
	}
	if f := findFault(`"\u12g4"`); f == nil || f.at != 1 {
		t.Errorf("the escape: %v", f)
	}
}

// FuzzJSONFaults: a text has a fault exactly if Go's decoder refuses it.
func FuzzJSONFaults(f *testing.F) {
	for _, text := range []string{"", `{"a": [1, -2.5e3, "x\u00e9\n", null, true, false], "b": {}}`, "[1,]", `"\ud800"`, "1e999", "00", "\x00", "1\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		err := json.Unmarshal([]byte(text), &v)
		if fault := findFault(text); (fault != nil) != (err != nil) {
			t.Fatalf("%q: %v, Go says %v", text, fault, err)
		}
	})
}
