package function

import (
	"fmt"
	"strings"
)

// xmlKind is what a node of a document is.
type xmlKind int

const (
	xmlTag xmlKind = iota
	xmlAttribute
	xmlText
)

// xmlNode is a node of a document: an element, an attribute or a text, and where it is in the document's text.
type xmlNode struct {
	kind     xmlKind
	parent   int
	text     string // its name, or the text
	from, to int    // of an element from behind its <, without its last >; of an attribute with its value
}

// xmlParser reads a document as MySQL does: it need not have one root, entities stay as they are, and <?…> and <!…> are elements.
type xmlParser struct {
	text   string
	at     int
	nodes  []xmlNode // in the order of the document; the first is around them all
	parent int
}

// xmlToken is a token: its kind, as parse errors name it, and its text, of a string and CDATA without the signs around it.
type xmlToken struct{ kind, text string }

// parseXML returns the nodes of a document, or what is wrong with it.
func parseXML(text string) (nodes []xmlNode, fault string) {
	p := &xmlParser{text: text, nodes: []xmlNode{{to: len(text)}}}
	for p.at < len(text) && fault == "" {
		fault = p.next()
	}
	if fault == "" && p.parent != 0 {
		fault = "unexpected END-OF-INPUT"
	}
	if fault == "" {
		return p.nodes, ""
	}
	read := text[:min(p.at, len(text))]
	line := strings.LastIndexByte(read, '\n') + 1
	return nil, fmt.Sprintf("parse error at line %d pos %d: %s", strings.Count(read, "\n")+1, len(read)-line+1, fault)
}

// next reads a tag, a comment or a text, and returns what is wrong with it.
func (p *xmlParser) next() string {
	if p.text[p.at] != '<' {
		end := strings.IndexByte(p.text[p.at:], '<')
		if end < 0 {
			end = len(p.text) - p.at
		}
		p.add(xmlText, p.text[p.at:p.at+end])
		p.at += end
		return ""
	}
	switch t := p.scan(); t.kind {
	case "comment":
		return ""
	case "cdata":
		p.add(xmlText, t.text)
		return ""
	}
	t := p.scan()
	if t.kind == "'/'" {
		if t = p.scan(); t.kind != "ident" {
			return t.kind + " unexpected (ident wanted)"
		}
		if fault := p.close(t.text); fault != "" {
			return fault
		}
		return p.closing(p.scan())
	}
	mark := t.kind
	if mark == "'!'" || mark == "'?'" {
		t = p.scan()
	} else {
		mark = ""
	}
	if t.kind != "ident" {
		return t.kind + " unexpected (ident or '/' wanted)"
	}
	p.open(xmlTag, t.text)
	t = p.scan()
	for ; t.kind == "ident" || t.kind == "STRING" && mark == "'!'"; t = p.scan() {
		from := p.at - len(t.text)
		value := p.scan()
		if value.kind == "'='" {
			if value = p.scan(); value.kind != "ident" && value.kind != "STRING" {
				return value.kind + " unexpected (ident or string wanted)"
			}
			p.open(xmlAttribute, t.text)
			p.nodes[p.parent].from = from
			p.add(xmlText, value.text)
			_ = p.close("")
		} else if value.kind == "ident" || value.kind == "STRING" && mark == "'!'" {
			p.open(xmlAttribute, t.text)
			p.nodes[p.parent].from = from
			_ = p.close("")
		} else {
			t = value
			break
		}
	}
	if t.kind == "'/'" {
		_ = p.close("")
		t = p.scan()
	}
	if mark == "'?'" {
		if t.kind != mark {
			return t.kind + " unexpected ('?' wanted)"
		}
		_ = p.close("")
		t = p.scan()
	}
	if mark == "'!'" {
		_ = p.close("")
	}
	return p.closing(t)
}

// closing returns what is wrong with the last token of a tag.
func (p *xmlParser) closing(t xmlToken) string {
	if t.kind != "'>'" {
		return t.kind + " unexpected ('>' wanted)"
	}
	return ""
}

func (p *xmlParser) add(kind xmlKind, text string) {
	p.nodes = append(p.nodes, xmlNode{kind: kind, parent: p.parent, text: text})
}

func (p *xmlParser) open(kind xmlKind, name string) {
	p.add(kind, name)
	p.parent = len(p.nodes) - 1
	p.nodes[p.parent].from = p.at - len(name)
}

// close ends the element or attribute that is open; a name must be as long as its name, which is all that MySQL looks at.
func (p *xmlParser) close(name string) string {
	open := p.nodes[p.parent].text
	if p.parent == 0 {
		return "'</" + name + ">' unexpected (END-OF-INPUT wanted)"
	}
	if name != "" && len(name) != len(open) {
		return "'</" + name + ">' unexpected ('</" + open + ">' wanted)"
	}
	p.nodes[p.parent].to = p.at
	p.parent = p.nodes[p.parent].parent
	return ""
}

// scan reads a token.
func (p *xmlParser) scan() xmlToken {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	rest := p.text[p.at:]
	within := func(opening, closing, kind string) xmlToken {
		inner := rest[len(opening):]
		end := strings.Index(inner, closing)
		if end < 0 {
			p.at = len(p.text)
			return xmlToken{kind, inner}
		}
		p.at += len(opening) + end + len(closing)
		return xmlToken{kind, inner[:end]}
	}
	switch {
	case rest == "":
		return xmlToken{"END-OF-INPUT", ""}
	case strings.HasPrefix(rest, "<!--"):
		return within("<!--", "-->", "comment")
	case strings.HasPrefix(rest, "<![CDATA["):
		return within("<![CDATA[", "]]>", "cdata")
	case strings.IndexByte("?=/<>!", rest[0]) >= 0:
		p.at++
		return xmlToken{"'" + rest[:1] + "'", rest[:1]}
	case rest[0] == '"' || rest[0] == '\'':
		return within(rest[:1], rest[:1], "STRING")
	case xmlNameStart(rest[0]):
		end := 1
		for end < len(rest) && xmlNamePart(rest[end]) {
			end++
		}
		p.at += end
		return xmlToken{"ident", rest[:end]}
	}
	return xmlToken{"unknown token", ""}
}

// xmlNameStart reports whether a byte may begin a name, xmlNamePart whether it may stand in one.
func xmlNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
}

func xmlNamePart(c byte) bool { return xmlNameStart(c) || c >= '0' && c <= '9' || c == '-' || c == '.' }
