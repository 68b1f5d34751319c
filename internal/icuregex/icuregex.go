// Package icuregex matches regular expressions as MySQL 8 does: with the syntax and
// the meaning of ICU's engine, on a backtracking engine in Go.
//
// It translates a pattern to the syntax of regexp2, which differs in character sets
// (ICU has nested ones, with intersection and difference), back-references, line
// terminators, escapes and flags; and it bounds the time and the memory of a match.
// It decides nothing about SQL: positions are in code points from 0, and which error
// number a problem has is the caller's. Start with Compile.
//
// Deviations from ICU: word boundaries and \X follow Unicode 17; a dot under DotAll
// takes CR and LF of a CRLF one by one; \N{name} is refused; case is folded by
// Unicode's simple folding, so that ß does not match ss.
package icuregex

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/dlclark/regexp2/v2/syntax"
)

// Errors of patterns and matches, matched with errors.Is.
var (
	ErrArgument  = errors.New("illegal argument")                       // an empty pattern
	ErrSyntax    = errors.New("syntax error")                           // any that has no error of its own
	ErrEscape    = errors.New("unrecognized escape sequence")           //
	ErrParen     = errors.New("mismatched parenthesis")                 //
	ErrInterval  = errors.New("incorrect {min,max}")                    //
	ErrMaxLtMin  = errors.New("maximum below the minimum in {min,max}") //
	ErrBackRef   = errors.New("invalid back-reference")                 //
	ErrBracket   = errors.New("unclosed bracket expression")            //
	ErrRange     = errors.New("range in reverse order")                 //
	ErrGroupName = errors.New("invalid name of a capture group")        //
	ErrProperty  = errors.New("unknown property")                       //
	ErrTooBig    = errors.New("pattern too long or too deep")           //
	ErrStack     = errors.New("backtrack stack overflow")               // of a match
	ErrTimeout   = errors.New("time limit exceeded")                    // of a match
	ErrTooLong   = errors.New("result too long")                        // of a replacement
	ErrIndex     = errors.New("group does not exist")                   // of a replacement
)

// PatternError says which of the errors above a pattern has, and before which
// character, counted from 1, it was found.
type PatternError struct {
	Kind error
	At   int
}

func (e *PatternError) Error() string { return fmt.Sprintf("%v before character %d", e.Kind, e.At) }
func (e *PatternError) Unwrap() error { return e.Kind }

// Limits of a pattern, and of one call that matches.
const (
	PatternMax   = 32 << 10    // characters of a pattern; then ErrTooBig
	DepthMax     = 200         // of groups and sets in each other; then ErrTooBig
	MatchTimeMax = time.Second // then ErrTimeout
	ReplacedMax  = 64 << 20    // bytes of a text with replacements; then ErrTooLong

	translatedMax = 1 << 20 // bytes of a translated pattern; then ErrTooBig
	stackMax      = 1 << 20 // entries of the backtracking stack; then ErrStack
	repeatMax     = 1 << 20 // in {min,max}
)

// Flags change what a pattern means.
type Flags struct {
	IgnoreCase bool
	Multiline  bool // ^ and $ match at every line
	DotAll     bool // a dot matches line terminators too
	UnixLines  bool // LF alone is a line terminator
}

// Regexp is a compiled pattern. It may be used by several goroutines at once.
type Regexp struct {
	re     *regexp2.Regexp
	groups int
}

// Compile returns the pattern, ready to match. Returns ErrArgument or a PatternError.
func Compile(pattern string, f Flags) (*Regexp, error) {
	if pattern == "" {
		return nil, ErrArgument
	}
	t := translator{in: []rune(pattern), flags: []Flags{f}, extended: []bool{false}}
	if len(t.in) > PatternMax {
		return nil, &PatternError{Kind: ErrTooBig, At: PatternMax}
	}
	err := t.run()
	if err == nil && t.out.Len() > translatedMax {
		err = ErrTooBig
	}
	if err != nil {
		return nil, &PatternError{Kind: err, At: t.at + 1}
	}
	options := regexp2.None
	if f.IgnoreCase {
		options |= regexp2.IgnoreCase
	}
	return compile(t.out.String(), options, len(t.in), t.seen)
}

// CompileECMAScript returns a pattern of ECMAScript, which those of JSON Schema are, ready to match. The classes of POSIX are
// known within brackets, as to C++. Returns a PatternError.
func CompileECMAScript(pattern string) (*Regexp, error) {
	n := utf8.RuneCountInString(pattern)
	if n > PatternMax {
		return nil, &PatternError{Kind: ErrTooBig, At: PatternMax}
	}
	return compile(posixRanges(pattern), regexp2.ECMAScript, n, 0)
}

// asciiClasses are the classes of POSIX as the inside of a set of ECMAScript, which has no properties of Unicode.
var asciiClasses = map[string]string{
	"[:alnum": "0-9A-Za-z", "[:alpha": "A-Za-z", "[:blank": `\t `, "[:cntrl": `\x00-\x1f\x7f`, "[:digit": "0-9", "[:graph": "!-~",
	"[:lower": "a-z", "[:print": " -~", "[:punct": "!-/:-@\\[-`{-~", "[:space": `\t-\r `, "[:upper": "A-Z", "[:xdigit": "0-9A-Fa-f",
}

// posixRanges returns a pattern with the characters of classes of POSIX in their places within brackets.
func posixRanges(pattern string) string {
	var out strings.Builder
	within := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			out.WriteByte(c)
			i++
		case c == '[' && within:
			name, _, _ := strings.Cut(pattern[i:], ":]")
			if ranges := asciiClasses[name]; ranges != "" {
				out.WriteString(ranges)
				i += len(name) + 1
				continue
			}
		case c == '[', c == ']':
			within = c == '['
		}
		out.WriteByte(pattern[i])
	}
	return out.String()
}

// compile returns a pattern in the syntax of regexp2, made of one with so many characters and groups.
func compile(pattern string, options regexp2.RegexOptions, characters, groups int) (*Regexp, error) {
	re, err := regexp2.Compile(pattern, options, regexp2.OptionMaintainCaptureOrder(), regexp2.OptionMaxBacktrackingStackSize(stackMax))
	if err != nil {
		return nil, &PatternError{Kind: compileError(err), At: characters + 1} // found when all had been read
	}
	re.MatchTimeout = MatchTimeMax
	return &Regexp{re: re, groups: groups}, nil
}

// compileError is the error for one of regexp2.
func compileError(err error) error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	kind := ErrSyntax
	switch e.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen:
		kind = ErrParen
	case syntax.ErrUnterminatedBracket:
		kind = ErrBracket
	case syntax.ErrReversedCharRange:
		kind = ErrRange
	case syntax.ErrUndefinedBackRef, syntax.ErrUndefinedNameRef:
		kind = ErrBackRef
	case syntax.ErrInvalidGroupName, syntax.ErrDuplicateGroupName, syntax.ErrMalformedNameRef:
		kind = ErrGroupName
	case syntax.ErrUnknownSlashP, syntax.ErrMalformedSlashP, syntax.ErrIncompleteSlashP:
		kind = ErrProperty
	case syntax.ErrIllegalEndEscape, syntax.ErrUnrecognizedEscape, syntax.ErrMissingControl, syntax.ErrUnrecognizedControl:
		kind = ErrEscape
	}
	return fmt.Errorf("%w: %s", kind, e.Code)
}

// matchError is the error for one that regexp2 gives while it matches.
func matchError(err error) error {
	if errors.Is(err, regexp2.ErrBacktrackingStackLimit) {
		return ErrStack
	}
	return fmt.Errorf("%w: a match took longer than %v", ErrTimeout, MatchTimeMax)
}

// Match reports whether the pattern matches anywhere in text. Returns ErrStack and
// ErrTimeout.
func (r *Regexp) Match(text string) (bool, error) {
	ok, err := r.re.MatchString(text)
	if err != nil {
		return false, matchError(err)
	}
	return ok, nil
}

// Find returns the bounds of the n-th match, counted from 1, at or behind from; ok is
// false if there are fewer. Returns ErrStack and ErrTimeout.
func (r *Regexp) Find(text []rune, from, n int) (start, end int, ok bool, err error) {
	began := time.Now()
	m, err := r.re.FindRunesMatchStartingAt(text, from)
	for ; err == nil && m != nil && n > 1; n-- {
		m, err = r.next(m, began)
	}
	if err != nil {
		return 0, 0, false, matchError(err)
	}
	if m == nil {
		return 0, 0, false, nil
	}
	return m.RuneIndex, m.RuneIndex + m.RuneLength, true, nil
}

// Replace returns text with the n-th match at or behind from replaced, or every one
// if n is 0. In the replacement $1 and ${name} are what a group has matched, and a
// backslash takes the next character as it is, or is \uhhhh. Returns ErrStack, ErrTimeout,
// ErrTooLong, ErrIndex, ErrEscape and ErrGroupName.
func (r *Regexp) Replace(text []rune, replacement string, from, n int) (string, error) {
	var out strings.Builder
	done, began, with := 0, time.Now(), []rune(replacement)
	m, err := r.re.FindRunesMatchStartingAt(text, from)
	for i := 1; err == nil && m != nil && (n == 0 || i <= n); i++ {
		if n == 0 || i == n {
			out.WriteString(string(text[done:m.RuneIndex]))
			if err := r.expand(&out, with, m); err != nil {
				return "", err
			}
			done = m.RuneIndex + m.RuneLength
		}
		m, err = r.next(m, began)
	}
	if err != nil {
		return "", matchError(err)
	}
	out.WriteString(string(text[done:]))
	return out.String(), nil
}

// next finds the match behind m, for a call that began then.
func (r *Regexp) next(m *regexp2.Match, began time.Time) (*regexp2.Match, error) {
	if time.Since(began) > MatchTimeMax {
		return nil, ErrTimeout
	}
	return r.re.FindNextMatch(m)
}

// expand writes the replacement for one match.
func (r *Regexp) expand(out *strings.Builder, with []rune, m *regexp2.Match) error {
	t := translator{in: with}
	for t.more() {
		if out.Len() > ReplacedMax {
			return ErrTooLong
		}
		c := t.in[t.at]
		t.at++
		switch {
		case c == '\\' && (t.rest("u") || t.rest("U")):
			c, err := t.character()
			if err != nil {
				return err
			}
			out.WriteRune(c)
		case c == '\\' && t.more():
			out.WriteRune(t.in[t.at])
			t.at++
		case c == '\\':
		case c == '$':
			g, err := r.reference(&t, m)
			if err != nil {
				return err
			}
			if g != nil {
				out.WriteString(g.String())
			}
		default:
			out.WriteRune(c)
		}
	}
	if out.Len() > ReplacedMax {
		return ErrTooLong
	}
	return nil
}

// reference reads the number or {name} behind a $ and returns the group, nil if it
// has matched nothing.
func (r *Regexp) reference(t *translator, m *regexp2.Match) (*regexp2.Group, error) {
	if t.rest("{") {
		t.at++
		name, err := t.name('}')
		if err != nil || r.re.GroupNumberFromName(name) < 1 {
			return nil, ErrGroupName
		}
		return m.GroupByName(name), nil
	}
	if !t.more() || !digit(t.in[t.at]) {
		return nil, ErrGroupName
	}
	n, first := 0, t.at
	for t.more() && digit(t.in[t.at]) && 10*n+int(t.in[t.at]-'0') <= r.groups {
		n = 10*n + int(t.in[t.at]-'0')
		t.at++
	}
	if t.at == first {
		return nil, ErrIndex
	}
	return m.GroupByNumber(n), nil
}

func digit(c rune) bool { return c >= '0' && c <= '9' }
