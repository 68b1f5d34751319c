package uca

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// A tailoring moves characters, in the syntax of Unicode's CLDR (UTS 35, part 5): "&a<b<<c<<<d=e" places b
// behind a as another letter, c as another accent of it, d as another case, e as the same; "&[before 1]a" is the place
// in front of a; "x/y" expands to what x is placed at and y; of several characters it is a contraction.

// old are the tailorings of the collations on 4.0.0 and 5.2.0, by what the collation's name has behind its character set.
var old = map[string]string{
	"unicode_ci":     "",
	"unicode_520_ci": "",
	"german2_ci":     "&AE<<æ<<<Æ<<ä<<<Ä&OE<<œ<<<Œ<<ö<<<Ö&UE<<ü<<<Ü",
	"icelandic_ci":   "&A<á<<<Á&D<ð<<<Ð&E<é<<<É&I<í<<<Í&O<ó<<<Ó&U<ú<<<Ú&Y<ý<<<Ý&Z<þ<<<Þ<æ<<<Æ<<ä<<<Ä<ö<<<Ö<<ø<<<Ø<å<<<Å",
	"latvian_ci":     "&C<č<<<Č&G<ģ<<<Ģ&I<y<<<Y&K<ķ<<<Ķ&L<ļ<<<Ļ&N<ņ<<<Ņ&R<ŗ<<<Ŗ&S<š<<<Š&Z<ž<<<Ž",
	"romanian_ci":    "&A<ă<<<Ă<â<<<Â&I<î<<<Î&S<ș<<<Ș<<ş<<<Ş&T<ț<<<Ț<<ţ<<<Ţ",
	"slovenian_ci":   "&C<č<<<Č&S<š<<<Š&Z<ž<<<Ž",
	"polish_ci":      polish,
	"estonian_ci":    "&S<š<<<Š<z<<<Z<ž<<<Ž&W<õ<<<Õ<ä<<<Ä<ö<<<Ö<ü<<<Ü",
	"spanish_ci":     "&N<ñ<<<Ñ",
	"swedish_ci":     "&Y<<ü<<<Ü&Z<å<<<Å<ä<<<Ä<<æ<<<Æ<ö<<<Ö<<ø<<<Ø",
	"turkish_ci":     "&C<ç<<<Ç&G<ğ<<<Ğ&H<ı<<<I&O<ö<<<Ö&S<ş<<<Ş&U<ü<<<Ü",
	"czech_ci":       "&C<č<<<Č&H<ch<<<Ch<<<CH&R<ř<<<Ř&S<š<<<Š&Z<ž<<<Ž",
	"danish_ci":      "&Y<<ü<<<Ü<<ű<<<Ű&Z<æ<<<Æ<<ä<<<Ä<ø<<<Ø<<ö<<<Ö<<ő<<<Ő<å<<<Å<<aa<<<Aa<<<AA",
	"lithuanian_ci":  "&C<<ch<<<Ch<<<CH<č<<<Č&E<<ę<<<Ę<<ė<<<Ė&I<<y<<<Y&S<š<<<Š&Z<ž<<<Ž",
	"slovak_ci":      "&A<ä<<<Ä&C<č<<<Č&H<ch<<<Ch<<<CH&O<ô<<<Ô&S<š<<<Š&Z<ž<<<Ž",
	"spanish2_ci":    "&C<ch<<<Ch<<<CH&L<ll<<<Ll<<<LL&N<ñ<<<Ñ",
	"roman_ci":       roman,
	"esperanto_ci":   "&C<ĉ<<<Ĉ&G<ĝ<<<Ĝ&H<ĥ<<<Ĥ&J<ĵ<<<Ĵ&S<ŝ<<<Ŝ&U<ŭ<<<Ŭ",
	"hungarian_ci":   "&O<ö<<<Ö<<ő<<<Ő&U<ü<<<Ü<<ű<<<Ű",
	"croatian_ci": "&C<č<<<Č<ć<<<Ć&D<dž=ǆ<<<dŽ<<<Dž=ǅ<<<DŽ=Ǆ<đ<<<Đ&L<lj=ǉ<<<lJ<<<Lj=ǈ<<<LJ=Ǉ" +
		"&N<nj=ǌ<<<nJ<<<Nj=ǋ<<<NJ=Ǌ&S<š<<<Š&Z<ž<<<Ž",
	"sinhala_ci": "&ඖ<ං<ඃ<ක<ඛ<ග<ඝ<ඞ<ඟ<ච<ඡ<ජ<ඣ<ඥ<ඤ<ඦ<ට<ඨ<ඩ<ඪ<ණ<ඬ<ත<ථ<ද<ධ<න<ඳ<ප<ඵ<බ<භ<ම<ඹ<ය<ර<ල<ව<ශ<ෂ<ස<හ<ළ<ෆ" +
		"<\u0DCF<\u0DD0<\u0DD1<\u0DD2<\u0DD3<\u0DD4<\u0DD6<\u0DD8<\u0DF2<\u0DDF<\u0DF3<\u0DD9<\u0DDA<\u0DDB<\u0DDC<\u0DDD<\u0DDE<\u0DCA",
	"vietnamese_ci": vietnamese,
	"persian_ci": "&\u066D<\u064E<\uFE76<\uFE77<\u0650<\uFE7A<\uFE7B<\u064F<\uFE78<\uFE79<\u064B<\uFE70<\uFE71<\u064D<\uFE74<\u064C<\uFE72" +
		"&\uFE7F<\u0653<\u0654<\u0655<\u0670&\u0669<\u0622<\u0627<\u0671<\u0621<\u0623<\u0625<\u0624<\u0626&\u0642<\u06A9<\u0643" +
		"&\u0648<\u0647<\u0629<\u06C0<\u06CC<\u0649<\u064A&\uFE80<\uFE81<\uFE82<\uFE8D<\uFE8E<\uFB50<\uFB51<\uFE80" +
		"&\uFE80<\uFE83<\uFE84<\uFE87<\uFE88<\uFE85<\uFE86<\u0689<\u068A&\uFEAE<\uFDFC" +
		"&\uFED8<\uFB8E<\uFB8F<\uFB90<\uFB91<\uFED9<\uFEDA<\uFEDB<\uFEDC" +
		"&\uFEEE<\uFEE9<\uFEEA<\uFEEB<\uFEEC<\uFE93<\uFE94<\uFBA4<\uFBA5<\uFBFC<\uFBFD<\uFBFE<\uFBFF<\uFEEF<\uFEF0<\uFEF1<\uFEF2<\uFEF3<\uFEF4" +
		"<\uFEF5<\uFEF6<\uFEF7<\uFEF8<\uFEF9<\uFEFA<\uFEFB<\uFEFC",
}

const (
	roman      = "&I<<j<<<J&V<<u<<<U"
	polish     = "&A<ą<<<Ą&C<ć<<<Ć&E<ę<<<Ę&L<ł<<<Ł&N<ń<<<Ń&O<ó<<<Ó&S<ś<<<Ś&Z<ź<<<Ź<ż<<<Ż"
	vietnamese = "&A<<à<<<À<<ả<<<Ả<<ã<<<Ã<<á<<<Á<<ạ<<<Ạ<ă<<<Ă<<ằ<<<Ằ<<ẳ<<<Ẳ<<ẵ<<<Ẵ<<ắ<<<Ắ<<ặ<<<Ặ<â<<<Â<<ầ<<<Ầ<<ẩ<<<Ẩ<<ẫ<<<Ẫ<<ấ<<<Ấ<<ậ<<<Ậ" +
		"&D<đ<<<Đ&E<<è<<<È<<ẻ<<<Ẻ<<ẽ<<<Ẽ<<é<<<É<<ẹ<<<Ẹ<ê<<<Ê<<ề<<<Ề<<ể<<<Ể<<ễ<<<Ễ<<ế<<<Ế<<ệ<<<Ệ" +
		"&I<<ì<<<Ì<<ỉ<<<Ỉ<<ĩ<<<Ĩ<<í<<<Í<<ị<<<Ị&O<<ò<<<Ò<<ỏ<<<Ỏ<<õ<<<Õ<<ó<<<Ó<<ọ<<<Ọ<ô<<<Ô<<ồ<<<Ồ<<ổ<<<Ổ<<ỗ<<<Ỗ<<ố<<<Ố<<ộ<<<Ộ" +
		"<ơ<<<Ơ<<ờ<<<Ờ<<ở<<<Ở<<ỡ<<<Ỡ<<ớ<<<Ớ<<ợ<<<Ợ&U<<ù<<<Ù<<ủ<<<Ủ<<ũ<<<Ũ<<ú<<<Ú<<ụ<<<Ụ<ư<<<Ư<<ừ<<<Ừ<<ử<<<Ử<<ữ<<<Ữ<<ứ<<<Ứ<<ự<<<Ự" +
		"&Y<<ỳ<<<Ỳ<<ỷ<<<Ỷ<<ỹ<<<Ỹ<<ý<<<Ý<<ỵ<<<Ỵ"
	nordic = "&D<<đ<<<Đ<<ð<<<Ð&t<<<þ/h&T<<<Þ/H&Y<<ü<<<Ü<<ű<<<Ű"
)

// tailoring is one on 9.0.0.
type tailoring struct {
	rules string
	// groups are the scripts that come first among the letters, in this order.
	groups     []script
	upperFirst bool
	normalized bool // characters that have a tailored accent follow it
}

// languages are the tailorings on 9.0.0, by what the collation's name has between its character set and "_0900".
var languages = map[string]tailoring{
	"":      {},
	"de_pb": {rules: "&AE<<ä<<<Ä&OE<<ö<<<Ö&UE<<ü<<<Ü"},
	"is": {rules: "&[before 1]b<á<<<Á&d<<đ<<<Đ<ð<<<Ð&[before 1]f<é<<<É&[before 1]j<í<<<Í&[before 1]p<ó<<<Ó&[before 1]v<ú<<<Ú" +
		"&[before 1]z<ý<<<Ý&[before 1]ǀ<æ<<<Æ<<ä<<<Ä<ö<<<Ö<<ø<<<Ø<å<<<Å"},
	"lv": {rules: "&[before 1]D<č<<<Č&[before 1]H<ģ<<<Ģ&I<<y<<<Y&[before 1]L<ķ<<<Ķ&[before 1]M<ļ<<<Ļ&[before 1]O<ņ<<<Ņ" +
		"&[before 1]S<ŗ<<<Ŗ&[before 1]T<š<<<Š&[before 1]Ʒ<ž<<<Ž"},
	"ro": {rules: "&A<ă<<<Ă<â<<<Â&I<î<<<Î&S<ş=ș<<<Ş=Ș&T<ţ=ț<<<Ţ=Ț"},
	"sl": {rules: "&C<č<<<Č<ć<<<Ć&D<đ<<<Đ&S<š<<<Š&Z<ž<<<Ž"},
	"pl": {rules: polish},
	"et": {rules: "&[before 1]T<š<<<Š<z<<<Z<ž<<<Ž&[before 1]X<õ<<<Õ<ä<<<Ä<ö<<<Ö<ü<<<Ü"},
	"es": {rules: "&N<ñ<<<Ñ"},
	"sv": {rules: nordic + "&[before 1]ǀ<å<<<Å<ä<<<Ä<<æ<<<Æ<<ę<<<Ę<ö<<<Ö<<ø<<<Ø<<ő<<<Ő<<œ<<<Œ<<ô<<<Ô"},
	"tr": {rules: "&C<ç<<<Ç&G<ğ<<<Ğ&[before 1]i<ı<<<I&i<<<İ&O<ö<<<Ö&S<ş<<<Ş&U<ü<<<Ü"},
	"cs": {rules: "&C<č<<<Č&H<ch<<<cH<<<Ch<<<CH&R<ř<<<Ř&S<š<<<Š&Z<ž<<<Ž"},
	"da": {rules: nordic + "&[before 1]ǀ<æ<<<Æ<<ä<<<Ä<ø<<<Ø<<ö<<<Ö<<ő<<<Ő<<œ<<<Œ<å<<<Å<<<aa<<<Aa<<<AA", upperFirst: true},
	"lt": {rules: "&\u0300=\u0307\u0300&\u0301=\u0307\u0301&\u0303=\u0307\u0303&A<<ą<<<Ą&C<č<<<Č&E<<ę<<<Ę<<ė<<<Ė" +
		"&I<<į<<<Į<<y<<<Y&S<š<<<Š&U<<ų<<<Ų<<ū<<<Ū&Z<ž<<<Ž"},
	"sk":      {rules: "&A<ä<<<Ä&C<č<<<Č&H<ch<<<cH<<<Ch<<<CH&O<ô<<<Ô&R<ř<<<Ř&S<š<<<Š&Z<ž<<<Ž"},
	"es_trad": {rules: "&N<ñ<<<Ñ&C<ch<<<Ch<<<CH&l<ll<<<Ll<<<LL"},
	"la":      {rules: roman},
	"eo":      {rules: "&C<ĉ<<<Ĉ&G<ĝ<<<Ĝ&H<ĥ<<<Ĥ&J<ĵ<<<Ĵ&S<ŝ<<<Ŝ&U<ŭ<<<Ŭ"},
	"hu": {rules: "&C<cs<<<Cs<<<CS&D<dz<<<Dz<<<DZ&DZ<dzs<<<Dzs<<<DZS&G<gy<<<Gy<<<GY&L<ly<<<Ly<<<LY&N<ny<<<Ny<<<NY&S<sz<<<Sz<<<SZ" +
		"&T<ty<<<Ty<<<TY&Z<zs<<<Zs<<<ZS&O<ö<<<Ö<<ő<<<Ő&U<ü<<<Ü<<ű<<<Ű&cs<<<ccs/cs&Cs<<<Ccs/cs&CS<<<CCS/CS&dz<<<ddz/dz&Dz<<<Ddz/dz&DZ<<<DDZ/DZ" +
		"&dzs<<<ddzs/dzs&Dzs<<<Ddzs/dzs&DZS<<<DDZS/DZS&gy<<<ggy/gy&Gy<<<Ggy/gy&GY<<<GGY/GY&ly<<<lly/ly&Ly<<<Lly/ly&LY<<<LLY/LY" +
		"&ny<<<nny/ny&Ny<<<Nny/ny&NY<<<NNY/NY&sz<<<ssz/sz&Sz<<<Ssz/sz&SZ<<<SSZ/SZ&ty<<<tty/ty&Ty<<<Tty/ty&TY<<<TTY/TY" +
		"&zs<<<zzs/zs&Zs<<<Zzs/zs&ZS<<<ZZS/ZS"},
	"hr": {rules: "&C<č<<<Č<ć<<<Ć&D<dž<<<ǆ<<<Dž<<<ǅ<<<DŽ<<<Ǆ<đ<<<Đ&L<lj<<<ǉ<<<Lj<<<ǈ<<<LJ<<<Ǉ&N<nj<<<ǌ<<<Nj<<<ǋ<<<NJ<<<Ǌ&S<š<<<Š&Z<ž<<<Ž",
		groups: []script{latin, cyrillic}},
	"vi": {rules: "&\u0300<<\u0309<<\u0303<<\u0301<<\u0323&a<ă<<<Ă<â<<<Â&d<đ<<<Đ&e<ê<<<Ê&o<ô<<<Ô<ơ<<<Ơ&u<ư<<<Ư", normalized: true},
	"ru": {groups: []script{cyrillic}},
	"ja": {groups: []script{latin, kanas, kanji}},
	"zh": {groups: []script{han}},
}

// script is the primary weights of a script's letters in 9.0.0: the first and the last.
type script [2]uint32

var (
	latin    = script{0x1C47, 0x1FB8}
	cyrillic = script{0x2022, 0x21E4}
	kanas    = script{0x3D5A, 0x3D8B}
	han      = script{}  // by rank
	kanji    = script{1} // the same, of Japanese, which has a table of some alone
)

// sets are the character sets whose collations are Unicode's.
var sets = []string{"utf8mb4_", "utf8mb3_", "utf16_", "utf32_", "ucs2_"}

var made sync.Map // name -> *Table

// New returns what MySQL's collation of a name weighs by, nil if it is none of Unicode's. rank is the order of
// single characters in the collation; it is asked for those of Han alone, which Japanese and Chinese order by tables of their own.
func New(name string, rank func(rune) int32) *Table {
	set := slices.IndexFunc(sets, func(s string) bool { return strings.HasPrefix(name, s) })
	if set < 0 {
		return nil
	}
	name = name[len(sets[set]):]
	if t, there := made.Load(name); there {
		return t.(*Table)
	}
	t := build(name, rank)
	if t != nil {
		t.finish()
		made.Store(name, t)
	}
	return t
}

func build(name string, rank func(rune) int32) *Table {
	if rules, ok := old[name]; ok {
		base := versions()[v400]
		if name == "unicode_520_ci" {
			base = versions()[v520]
		}
		t := base.clone(1)
		t.apply(parse(rules))
		return t
	}
	language, sensitive, ok := strings.Cut("_"+name, "_0900_")
	l, there := languages[strings.TrimPrefix(language, "_")]
	levels, known := map[string]int{"ai_ci": 1, "as_ci": 2, "as_cs": 3, "as_cs_ks": 4}[sensitive]
	if !ok || !there || !known {
		return nil
	}
	t := versions()[v900].clone(levels)
	t.UpperFirst = l.upperFirst && levels > 2
	rules := parse(l.rules)
	rules = append(rules, inherited(rules)...)
	if l.normalized {
		rules = append(rules, normalized(rules)...)
	}
	if language == "_ja" {
		rules = japanese()
	}
	t.apply(rules)
	t.reorder(l.groups, rank)
	return t
}

// vowels are the small kana, and the kana that end in their vowels.
var vowels = map[rune]string{
	'ぁ': "ぁあかゕがさざただなはばぱまゃやらゎわァｧアｱカｶガサｻザタﾀダナﾅハﾊㇵバパマﾏャｬヤﾔラﾗㇻヮワﾜヵヷ",
	'ぃ': "ぃいきぎしじちぢにひびぴみりゐィｨイｲキｷギシｼㇱジチﾁヂニﾆヒﾋㇶビピミﾐリﾘㇼヰヸ",
	'ぅ': "ぅうくぐすずっつづぬふぶぷむゅゆるゔゥｩウｳクｸㇰグスｽㇲズッｯツﾂヅヌﾇㇴフﾌㇷブプムﾑㇺュｭユﾕルﾙㇽヴ",
	'ぇ': "ぇえけゖげせぜてでねへべぺめれゑェｪエｴケｹゲセｾゼテﾃデネﾈヘﾍㇸベペメﾒレﾚㇾヱヶヹ",
	'ぉ': "ぉおこごそぞとどのほぼぽもょよろをォｫオｵコｺゴソｿゾトﾄㇳドノﾉホﾎㇹボポモﾓョｮヨﾖロﾛㇿヲｦヺ",
}

// japanese returns the tailoring of Japanese: kana are equal but for the fourth level, and so are the characters that are others but for their width; the
// mark that makes a vowel long is the vowel.
func japanese() []rule {
	rules := parse("&より<<ゟ&コト<<ヿ")
	same := func(a, b rune) { rules = append(rules, rule{base: []rune{a}, text: []rune{b}}) }
	same('ゝ', 'ヽ')
	for r := 'ぁ'; r <= 'ゖ'; r++ {
		if decompositions()[r] == nil {
			same(r, r+'ァ'-'ぁ')
		}
	}
	rules = append(rules, inherited(rules)...)
	narrow := func(from, to rune) {
		for r := from; r <= to; r++ {
			if d := []rune(norm.NFKC.String(string(r))); len(d) == 1 && d[0] != r && class(d[0]) == 0 && !strings.ContainsRune("･ｰ｟｠", r) {
				same(d[0], r)
			}
		}
	}
	same(' ', '\u3000')
	same(' ', '￣')
	narrow('ㄱ', 'ㅤ')
	narrow('！', '￮')
	for _, v := range sortedKeys(vowels) {
		for _, r := range vowels[v] {
			rules = append(rules, rule{base: []rune{r, v}, text: []rune{r, 'ー'}, above: [3]int{2: 1}, before: 3})
		}
	}
	return rules
}

// clone returns a table that may be changed.
func (t *Table) clone(levels int) *Table {
	c := *t
	c.Levels = levels
	c.elements = slices.Clone(t.elements)
	return &c
}

// rule places one character, or a contraction, at a base with what it is above it on each level.
type rule struct {
	before int // the level on which the base's last element is the one before it, 0 for none
	base   []rune
	text   []rune
	above  [3]int
}

// parse reads a tailoring.
func parse(text string) []rule {
	var out []rule
	if text == "" {
		return nil
	}
	for _, part := range strings.Split(text, "&")[1:] {
		before := 0
		if rest, found := strings.CutPrefix(part, "[before 1]"); found {
			part, before = rest, 1
		}
		at := strings.IndexAny(part, "<=")
		base, above := []rune(part[:at]), [3]int{}
		for part = part[at:]; part != ""; {
			moved := strings.TrimLeft(part, "<=")
			level := len(part) - len(moved)
			if part[0] != '=' {
				above[level-1]++
				clear(above[level:])
			}
			if at = strings.IndexAny(moved, "<="); at < 0 {
				at = len(moved)
			}
			char, more, _ := strings.Cut(moved[:at], "/")
			out = append(out, rule{before, slices.Concat(base, []rune(more)), []rune(char), above})
			part = moved[at:]
		}
	}
	return out
}

// What elements have that follow the base's: weights above all that Unicode's table has.
const (
	abovePrimary   = 0x54A4
	aboveSecondary = 0x114
	aboveTertiary  = 0x20
)

// apply changes the table by rules, one after the other.
func (t *Table) apply(rules []rule) {
	for _, r := range rules {
		elements := t.sequence(r.base)
		if t.version == v900 {
			elements = r.behind(elements)
			if t.UpperFirst {
				t.caseOf(r.text, elements)
			}
		} else if n := len(elements); n > 0 {
			elements[n-1].Primary += uint32(r.above[0])
		} else if r.above[0] > 0 {
			elements = []Element{{Primary: uint32(r.above[0])}}
		}
		if len(r.text) == 1 {
			from := len(t.elements)
			t.elements = append(t.elements, elements...)
			p := page{}
			if old := t.pages[r.text[0]>>8]; old != nil {
				p = *old
			} else {
				for i := range p {
					p[i] = listless
				}
			}
			t.pages[r.text[0]>>8] = &p
			t.set(r.text[0], from)
			continue
		}
		if t.contractions == nil {
			t.contractions = make(map[rune][]contraction)
		}
		first := r.text[0]
		t.contractions[first] = append(t.contractions[first], contraction{r.text[1:], elements})
		slices.SortStableFunc(t.contractions[first], func(a, b contraction) int { return cmp.Compare(len(b.rest), len(a.rest)) })
	}
}

// sequence returns the elements of characters, in new memory.
func (t *Table) sequence(chars []rune) []Element {
	var out []Element
	var buf [3]Element
	for len(chars) > 0 {
		e, n := t.contracted(chars[0], []byte(string(chars[1:])))
		if n == 0 {
			e = t.of(chars[0], &buf)
		}
		out = append(out, e...)
		chars = chars[1+len([]rune(string(chars[1:])[:n])):]
	}
	return out
}

// behind returns a base's elements and the one that places the rule's character.
func (r rule) behind(elements []Element) []Element {
before:
	for i := len(elements) - 1; i >= 0; i-- {
		switch e := &elements[i]; {
		case r.before == 1 && e.Primary != 0:
			e.Primary--
			break before
		case r.before == 3 && e.Tertiary != 0:
			e.Tertiary--
			break before
		}
	}
	var e Element
	if r.above[0] > 0 {
		e.Primary = uint32(abovePrimary + r.above[0])
	}
	if r.above[1] > 0 {
		e.Secondary = uint16(aboveSecondary + r.above[1])
	}
	if r.above[2] > 0 {
		e.Tertiary = uint16(aboveTertiary + r.above[2])
	}
	if e == (Element{}) {
		return elements
	}
	return append(elements, e)
}

// caseOf gives the elements of a tailored character its case, which is that of its letters.
func (t *Table) caseOf(text []rune, elements []Element) {
	var upper, lower bool
	var buf [3]Element
	for _, r := range text {
		for _, e := range versions()[v900].of(r, &buf) {
			if e.Primary != 0 {
				u := caseOf(e.Tertiary) == upperFirst
				upper, lower = upper || u, lower || !u
			}
		}
	}
	mask := uint16(lowerLast)
	if upper && lower {
		mask = mixedSecond
	} else if upper {
		mask = upperFirst
	}
	for i, e := range elements {
		if e.Tertiary != 0 {
			elements[i].Tertiary = e.Tertiary&0xFF | mask
		}
	}
}

// decompositions are the characters of Unicode 9.0.0 that are others with accents, and those.
var decompositions = sync.OnceValue(func() map[rune][]rune {
	out := make(map[rune][]rune)
	t := versions()[v900]
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j := range p {
			r := rune(i<<8 + j)
			if d := norm.NFD.PropertiesString(string(r)).Decomposition(); p[j] != listless && len(d) > 0 {
				out[r] = []rune(string(d))
			}
		}
	}
	return out
})

func decomposed(r rune) []rune {
	if d := decompositions()[r]; d != nil {
		return d
	}
	return []rune{r}
}

func tailored(rules []rule, r rune) bool {
	return slices.ContainsFunc(rules, func(x rule) bool { return len(x.text) == 1 && x.text[0] == r })
}

// inherited returns the rules of the characters that are tailored ones with more accents.
func inherited(rules []rule) []rule {
	var out []rule
	for _, r := range rules {
		if len(r.text) > 1 {
			continue
		}
		has := decomposed(r.text[0])
		for _, c := range sortedKeys(decompositions()) {
			if more, ok := accentsBehind(has, decompositions()[c]); ok && !tailored(rules, c) && !tailored(out, c) {
				out = append(out, rule{base: append([]rune{r.text[0]}, more...), text: []rune{c}})
			}
		}
	}
	return out
}

// accentsBehind returns the accents that all has besides those of has, false if has is not in it.
func accentsBehind(has, all []rune) ([]rune, bool) {
	if has[0] != all[0] {
		return nil, false
	}
	var more []rune
	i := 1
	for _, r := range all[1:] {
		switch {
		case i < len(has) && has[i] == r:
			i++
		case i < len(has) && class(has[i]) == class(r):
			return nil, false
		default:
			more = append(more, r)
		}
	}
	return more, i == len(has)
}

// class returns the combining class of an accent.
func class(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }

// normalized returns the rules of the characters that have a tailored accent.
func normalized(rules []rule) []rule {
	var out []rule
	for _, c := range sortedKeys(decompositions()) {
		d := decompositions()[c]
		if !tailored(rules, c) && slices.ContainsFunc(d[1:], func(r rune) bool { return tailored(rules, r) }) {
			out = append(out, rule{base: d, text: []rune{c}})
		}
	}
	return out
}

// lettersFrom is the lowest primary weight of a letter in 9.0.0, lettersTo the highest.
const (
	lettersFrom = 0x1C47
	lettersTo   = 0x54A3
)

// lifted is added to the numbers of weights that are two, where Han are below other letters.
const lifted = 0x200000

// reorder moves the letters of scripts in front of the others.
func (t *Table) reorder(groups []script, rank func(rune) int32) {
	if len(groups) == 0 {
		return
	}
	moved := make(map[uint32]uint32) // of primary weights
	next := uint32(lettersFrom)
	for _, g := range groups {
		if g == han || g == kanji {
			next = t.orderHan(g, rank, moved)
			continue
		}
		for p := g[0]; p <= g[1]; p++ {
			moved[p] = next
			next++
		}
	}
	for p := uint32(lettersFrom); p <= lettersTo; p++ {
		if _, done := moved[p]; !done && slices.Contains(groups, kanji) {
			moved[p] = implied(0xFB86, int(p)) + lifted
		} else if !done {
			moved[p] = next
			next++
		}
	}
	lift := uint32(0)
	if slices.Contains(groups, han) || slices.Contains(groups, kanji) {
		lift, t.moved = lifted, moved
	}
	for i, e := range t.elements {
		if e.Primary >= paired && slices.Contains(groups, kanji) {
			t.elements[i].Primary += lift
			continue
		}
		t.elements[i].Primary = place(moved, e.Primary, lift)
	}
}

// place returns where a primary weight is moved to: one that is two by lift.
func place(moved map[uint32]uint32, primary, lift uint32) uint32 {
	if to, ok := moved[primary]; ok {
		return to
	}
	if primary >= paired {
		return primary + lift
	}
	return primary
}

// kanjis is how many characters Japanese's table has.
const kanjis = 6355

// orderHan moves Han, or kanji, by their rank to the weights from paired on, and returns the one behind them.
func (t *Table) orderHan(g script, rank func(rune) int32, moved map[uint32]uint32) uint32 {
	var chars []rune
	for r := rune(0x3400); r <= 0x2CEA1; r++ {
		if p := t.unlisted(r); p < implied(0xFBC0, 0) && p >= implied(0xFB40, 0) && (g == han || r >= 0x4E00 && r <= 0x9FFF) {
			chars = append(chars, r)
		}
	}
	slices.SortFunc(chars, func(a, b rune) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	if g == kanji {
		chars = chars[:kanjis]
	}
	for i, r := range chars {
		moved[t.unlisted(r)] = paired + uint32(i)
	}
	return paired + uint32(len(chars))
}

func sortedKeys[V any](m map[rune]V) []rune { return slices.Sorted(maps.Keys(m)) }
