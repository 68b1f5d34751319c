package function

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// path reads a path, or an operand with a path behind it.
func (x *xpath) path() any {
	switch {
	case x.kind == 's':
		v := x.token
		x.next()
		return x.alone(v)
	case x.kind == '0':
		v, err := strconv.ParseFloat(x.token, 64)
		if err != nil {
			x.wrong()
		}
		x.next()
		return x.alone(v)
	case x.token == "$":
		return x.alone(x.variable())
	case x.token == "(":
		x.next()
		v := x.or()
		x.expect(")")
		set, ok := v.([]xpathNode)
		if !ok {
			return x.alone(v)
		}
		return x.steps(x.conditions(set))
	case x.kind == 'n' && x.followed("(") && !nodeTests[x.token]:
		return x.alone(x.call())
	case x.token == "//":
		x.next()
		return x.steps(x.step(x.axis([]xpathNode{{}}, "descendant-or-self", "*")))
	case x.token == "/":
		x.next()
		if x.kind != 'n' && x.token != "@" && x.token != "*" && x.token != "." && x.token != ".." {
			return []xpathNode{{}}
		}
		return x.steps(x.step([]xpathNode{{}}))
	}
	return x.steps(x.step(x.context))
}

// alone returns a value that no path may follow.
func (x *xpath) alone(v any) any {
	if x.token == "/" || x.token == "//" || x.token == "[" {
		x.wrong()
	}
	return v
}

// nodeTests are the tests of a node's type. EXTRACTVALUE takes the texts of what is found, so that they change nothing.
var nodeTests = map[string]bool{"text": true, "node": true, "comment": true, "processing-instruction": true}

// steps reads the steps behind a set.
func (x *xpath) steps(set []xpathNode) any {
	for x.kind == ' ' {
		if x.accept("//") {
			set = x.step(x.axis(set, "descendant-or-self", "*"))
		} else if x.accept("/") {
			set = x.step(set)
		} else {
			break
		}
	}
	return set
}

// step reads a step and takes it from each node of a set.
func (x *xpath) step(from []xpathNode) []xpathNode {
	axis := "child"
	switch {
	case x.kind == 's' || x.kind == '0':
		x.wrong()
		return nil
	case x.accept("."):
		return from
	case x.accept(".."):
		return x.axis(from, "parent", "*")
	case x.accept("@"):
		axis = "attribute"
	case x.kind == 'n' && x.followed("::"):
		axis = x.token
		x.next()
		x.next()
	}
	if x.kind == 'n' && nodeTests[x.token] && x.followed("(") {
		x.next()
		x.next()
		x.expect(")")
		return x.conditions(from)
	}
	if x.kind != 'n' && x.token != "*" {
		x.wrong()
		return nil
	}
	name := x.token
	x.next()
	if x.kind == ' ' && strings.HasSuffix(name, ":") && x.accept("*") {
		name = "*"
	}
	return x.conditions(x.axis(from, axis, name))
}

// axis returns the nodes of a name on an axis.
func (x *xpath) axis(from []xpathNode, axis, name string) (out []xpathNode) {
	if x.err == nil {
		x.err = x.ctx.Err()
	}
	is := func(i int) bool {
		kind := xmlTag
		if axis == "attribute" {
			kind = xmlAttribute
		}
		return x.nodes[i].kind == kind && (name == "*" || x.nodes[i].text == name)
	}
	switch axis {
	case "self":
		for _, n := range from {
			if is(n.number) {
				out = append(out, xpathNode{number: n.number, place: len(out)})
			}
		}
		return out
	case "child", "attribute":
		for _, n := range from {
			place := 0
			for i := n.number + 1; x.below(i, n.number); i++ {
				if x.nodes[i].parent == n.number && is(i) {
					out = append(out, xpathNode{number: i, place: place})
					place++
				}
			}
		}
		return out
	case "descendant", "descendant-or-self":
		for _, n := range from {
			place := 0
			if axis != "descendant" && is(n.number) {
				out = append(out, xpathNode{number: n.number})
				place++
			}
			for i := n.number + 1; x.below(i, n.number); i++ {
				if is(i) {
					out = append(out, xpathNode{number: i, place: place})
					place++
				}
			}
		}
		if len(from) > 1 {
			return x.inOrder(out)
		}
		return out
	case "parent", "ancestor", "ancestor-or-self":
		for _, n := range from {
			i := n.number
			if axis != "ancestor-or-self" {
				i = x.nodes[i].parent
			}
			for ; i != 0; i = x.nodes[i].parent {
				if is(i) {
					out = append(out, xpathNode{number: i})
				}
				if axis == "parent" {
					break
				}
			}
			if i == 0 && axis == "parent" && name == "*" { // of the first
				out = append(out, xpathNode{})
			}
		}
		return x.inOrder(out)
	}
	x.wrong()
	return nil
}

// below reports whether there is a node of a number and it is below another: those are the ones that follow it.
func (x *xpath) below(i, above int) bool { return i < len(x.nodes) && x.nodes[i].parent >= above }

// inOrder returns a set in the order of the document.
func (x *xpath) inOrder(set []xpathNode) []xpathNode {
	slices.SortFunc(set, func(a, b xpathNode) int { return a.number - b.number })
	set = slices.CompactFunc(set, func(a, b xpathNode) bool { return a.number == b.number })
	for i := range set {
		set[i].place, set[i].size = i, 0
	}
	return set
}

// conditions reads the conditions behind a set and returns the nodes that meet them.
func (x *xpath) conditions(set []xpathNode) []xpathNode {
	for x.kind == ' ' && x.token == "[" {
		outer := *x
		var out []xpathNode
		if len(set) == 0 { // it is read all the same
			x.inside, x.context = true, []xpathNode{{}}
			x.condition()
		}
		for _, n := range set {
			*x = outer
			x.inside, x.context = true, []xpathNode{{n.number, n.place, len(set)}}
			if x.condition() {
				out = append(out, xpathNode{number: n.number, place: len(out)})
			}
			if x.err != nil {
				break
			}
		}
		x.inside, x.context = outer.inside, outer.context
		set = out
	}
	return set
}

// condition reads a condition: a number is a place, also as a text.
func (x *xpath) condition() bool {
	x.next()
	v := x.or()
	x.expect("]")
	switch v := v.(type) {
	case float64:
		return v == float64(x.context[0].place+1)
	case int64:
		return v == int64(x.context[0].place+1)
	case string:
		return math.Trunc(x.number(v)) == float64(x.context[0].place+1)
	}
	return x.truth(v)
}
