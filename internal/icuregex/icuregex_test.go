package icuregex_test

import (
	"errors"
	"strings"
	"testing"

	"sextant/internal/icuregex"
)

// What ICU and MySQL 8 answer, where it differs from other engines or is easy to get wrong.
func TestMatch(t *testing.T) {
	type flags = icuregex.Flags
	for _, c := range []struct {
		pattern, text string
		f             flags
		want          bool
	}{
		{`^a(?=b)`, "abc", flags{}, true},
		{`(ab).*\1`, "xabcab", flags{}, true},
		{`a.b`, "a\nb", flags{}, false},
		{`a.b`, "a\u2028b", flags{}, false},
		{`a.b`, "a\u2028b", flags{UnixLines: true}, true},
		{`a.b`, "a\nb", flags{DotAll: true}, true},
		{`(?s)a.b`, "a\nb", flags{}, true},
		{`(?s:a.b)a.b`, "a\nba\nb", flags{}, false},
		{`^b$`, "a\r\nb\r\nc", flags{Multiline: true}, true},
		{`^b$`, "a\rb\rc", flags{Multiline: true, UnixLines: true}, false},
		{`b$`, "b\r\n", flags{}, true},
		{`b$`, "b\n\n", flags{}, false},
		{`b\Z`, "b\n", flags{}, true},
		{`b\z`, "b\n", flags{}, false},
		{`[[:alpha:]]+[[:digit:]]`, "äß7", flags{}, true},
		{`^[[:^digit:]]$`, "7", flags{}, false},
		{`^[a-z&&[^aeiou]]+$`, "xyz", flags{}, true},
		{`^[a-z&&[^aeiou]]+$`, "xaz", flags{}, false},
		{`^[a-z--[aeiou]]+$`, "xaz", flags{}, false},
		{`^[^a-z&&[aeiou]]$`, "b", flags{}, true},
		{`^[ab[x-z]]+$`, "azbx", flags{}, true},
		{`^[\p{Lu}\d-]+$`, "A-7", flags{}, true},
		{`^\Q.*\E$`, ".*", flags{}, true},
		{`^\x{41}\u0042\U00000043\0101$`, "ABCA", flags{}, true},
		{`^\h\v$`, "\t\u2029", flags{}, true},
		{`a*+a`, "aaa", flags{}, false},
		{`ABC`, "abc", flags{IgnoreCase: true}, true},
		{`(?-i)ABC`, "abc", flags{IgnoreCase: true}, false},
		{`(?x) a b # comment`, "ab", flags{}, true},
		{`(?<year>\d{4})-\k<year>`, "2026-2026", flags{}, true},
		{`(a)(b)\2\1`, "abba", flags{}, true},
		{`é.😀`, "éx😀", flags{}, true},
		{`[😀-😂]`, "😁", flags{}, true},
		{`a{2}`, "aa", flags{}, true},
		{`^a{2,}$`, "a", flags{}, false},
		{`a b`, "a b", flags{}, true},
		{`a#b`, "a#b", flags{}, true},
	} {
		re, err := icuregex.Compile(c.pattern, c.f)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got, err := re.Match(c.text); err != nil || got != c.want {
			t.Errorf("%s in %q with %+v: %v, %v, want %v", c.pattern, c.text, c.f, got, err, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for pattern, want := range map[string]error{
		``: icuregex.ErrArgument, `(`: icuregex.ErrParen, `)`: icuregex.ErrParen, `(a`: icuregex.ErrParen, `(?#a`: icuregex.ErrParen,
		`[`: icuregex.ErrBracket, `[]`: icuregex.ErrBracket, `[a`: icuregex.ErrBracket, `[[:alpha:`: icuregex.ErrBracket,
		`[b-a]`: icuregex.ErrRange, `a{`: icuregex.ErrInterval, `a{x}`: icuregex.ErrInterval, `a{2,1}`: icuregex.ErrMaxLtMin,
		`a{99999999999}`: icuregex.ErrInterval, `*a`: icuregex.ErrSyntax, `a**`: icuregex.ErrSyntax, `(*a)`: icuregex.ErrSyntax, `a|*`: icuregex.ErrSyntax,
		`\1`: icuregex.ErrBackRef, `(a)\2`: icuregex.ErrBackRef, `\k<x>`: icuregex.ErrBackRef, `a\`: icuregex.ErrEscape, `\y`: icuregex.ErrEscape,
		`\xg`: icuregex.ErrEscape, `\x{110000}`: icuregex.ErrEscape, `(?<1>a)`: icuregex.ErrGroupName, `(?<a`: icuregex.ErrGroupName,
		`[\Q\E]`: icuregex.ErrBracket, `[](]\1`: icuregex.ErrBackRef, `(?P<a>b)`: icuregex.ErrSyntax, `(?'a'b)`: icuregex.ErrSyntax, `(?(1)a|b)`: icuregex.ErrSyntax, `\p{NoSuch}`: icuregex.ErrProperty,
	} {
		if _, err := icuregex.Compile(pattern, icuregex.Flags{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", pattern, err, want)
		}
	}
}

func TestFindAndReplace(t *testing.T) {
	re, err := icuregex.Compile(`(?<a>\w)(\d)`, icuregex.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	text := []rune("é1 b2 c3")
	for n, want := range map[int][2]int{1: {0, 2}, 2: {3, 5}, 3: {6, 8}} {
		if start, end, ok, err := re.Find(text, 0, n); err != nil || !ok || start != want[0] || end != want[1] {
			t.Errorf("match %d: %d-%d %v %v", n, start, end, ok, err)
		}
	}
	if _, _, ok, err := re.Find(text, 0, 4); ok || err != nil {
		t.Errorf("a fourth match: %v %v", ok, err)
	}
	for _, c := range []struct {
		with    string
		from, n int
		want    string
	}{
		{"$2$1", 0, 0, "1é 2b 3c"}, {"$2${a}", 0, 2, "é1 2b c3"}, {"-", 3, 1, "é1 - c3"}, {`\$1\\`, 0, 1, `$1\ b2 c3`}, {`\u0041`, 0, 1, "A b2 c3"}, {"$10", 0, 1, "é0 b2 c3"}, {"", 0, 0, "  "},
	} {
		if got, err := re.Replace(text, c.with, c.from, c.n); err != nil || got != c.want {
			t.Errorf("%q from %d, number %d: %q %v, want %q", c.with, c.from, c.n, got, err, c.want)
		}
	}
	for with, want := range map[string]error{"$3": icuregex.ErrIndex, "$x": icuregex.ErrGroupName, "${b}": icuregex.ErrGroupName, "${1}": icuregex.ErrGroupName, `\u00`: icuregex.ErrEscape, "${a": icuregex.ErrGroupName, "$": icuregex.ErrGroupName} {
		if _, err := re.Replace(text, with, 0, 0); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", with, err, want)
		}
	}
}

// A match that would take for ever, or a stack without bound, is an error.
func TestLimits(t *testing.T) {
	for _, pattern := range []string{`^(a+)+$`, `^(a|aa)+$`, `(x+x+)+y`} {
		re, err := icuregex.Compile(pattern, icuregex.Flags{})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("a", 200) + strings.Repeat("x", 200) + "!"
		if ok, err := re.Match(text); ok || err != nil && !errors.Is(err, icuregex.ErrTimeout) && !errors.Is(err, icuregex.ErrStack) {
			t.Errorf("%s: %v %v", pattern, ok, err)
		}
	}
	for _, unit := range []string{"(", "(?:", "(?i:", "(?=", "[", "[^", "[a&&", "(?<a>", "(a|"} {
		for _, n := range []int{icuregex.DepthMax/2 - 10, icuregex.DepthMax + 10, 1 << 20} {
			end := map[byte]string{'(': ")", '[': "]"}[unit[0]]
			_, err := icuregex.Compile(strings.Repeat(unit, n)+"a"+strings.Repeat(end, n), icuregex.Flags{})
			if deep := errors.Is(err, icuregex.ErrTooBig); deep != (n > icuregex.DepthMax) {
				t.Errorf("%d times %q: %v", n, unit, err)
			}
		}
	}
	for _, pattern := range []string{"[a" + strings.Repeat("&&a", 10000) + "]", strings.Repeat("a", icuregex.PatternMax+1), strings.Repeat("$", icuregex.PatternMax)} {
		if _, err := icuregex.Compile(pattern, icuregex.Flags{}); !errors.Is(err, icuregex.ErrTooBig) {
			t.Errorf("%.10s…: %v", pattern, err)
		}
	}
	all, err := icuregex.Compile(".+", icuregex.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all.Replace([]rune(strings.Repeat("a", 1<<20)), strings.Repeat("$0", 1<<20), 0, 0); !errors.Is(err, icuregex.ErrTooLong) {
		t.Errorf("a terabyte: %v", err)
	}
	many, err := icuregex.Compile(`(x+x+)+y|a`, icuregex.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	slow := []rune(strings.Repeat("a"+strings.Repeat("x", 22), 2000))
	if _, err := many.Replace(slow, "b", 0, 0); !errors.Is(err, icuregex.ErrTimeout) {
		t.Errorf("many slow matches: %v", err)
	}
	re, err := icuregex.Compile(`^(?:(a)|b)*$`, icuregex.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.Match(strings.Repeat("a", 4<<20) + "!"); !errors.Is(err, icuregex.ErrStack) && !errors.Is(err, icuregex.ErrTimeout) {
		t.Errorf("a long text: %v", err)
	}
}

// No pattern makes the translation panic, or an accepted one the engine.
func FuzzCompile(f *testing.F) {
	for _, p := range []string{`^a(?=b)`, `[a-z&&[^aeiou]--x]`, `\Q.*\E\x{41}`, `(?<a>b)\k<a>\1{2,3}+`, `(?x-i) a # b`, `[[:^alpha:]\p{Lu}]`} {
		f.Add(p, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 100 || len(text) > 100 {
			return
		}
		re, err := icuregex.Compile(pattern, icuregex.Flags{})
		if err != nil {
			return
		}
		_, _ = re.Match(text)
		_, _, _, _ = re.Find([]rune(text), 0, 2)
		_, _ = re.Replace([]rune(text), "$0", 0, 0)
	})
}
