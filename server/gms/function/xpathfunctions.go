package function

import "math"

// xpathArguments are how many arguments the functions have, at least and at most.
var xpathArguments = map[string][2]int{
	"sum": {1, 1}, "not": {1, 1}, "last": {0, 0}, "true": {0, 0}, "false": {0, 0}, "count": {1, 1}, "floor": {1, 1}, "ceiling": {1, 1},
	"round": {1, 1}, "concat": {1, math.MaxInt}, "number": {0, 1}, "boolean": {1, 1}, "position": {0, 0}, "contains": {2, 2},
	"substring": {2, 3}, "string-length": {0, 1},
}

// call reads a call of a function.
func (x *xpath) call() any {
	name := x.token
	x.next()
	from := x.from
	bounds, known := xpathArguments[name]
	if !known {
		x.wrong()
		return nil
	}
	x.next()
	var args []any
	for x.token != ")" || x.kind == 's' {
		if x.err != nil {
			return ""
		}
		args = append(args, x.or())
		if x.token != ")" {
			x.expect(",")
		}
	}
	x.next()
	if len(args) < bounds[0] || len(args) > bounds[1] || (name == "last" || name == "position" || bounds[0] == 0 && bounds[1] == 1 && len(args) == 0) && !x.inside {
		x.wrong()
		return ""
	}
	if len(args) == 0 {
		args = append(args, x.context)
	}
	number := func(f func(float64) float64) any { return f(x.number(args[0])) }
	switch name {
	case "last":
		return int64(x.context[0].size)
	case "position":
		return int64(x.context[0].place + 1)
	case "true", "false":
		return name == "true"
	case "not":
		return !x.truth(args[0])
	case "boolean":
		return x.truth(args[0])
	case "floor":
		return number(math.Floor)
	case "ceiling":
		return number(math.Ceil)
	case "round":
		return number(math.Round)
	case "number":
		return x.number(args[0])
	case "concat":
		out := ""
		for _, a := range args {
			out += x.string(a)
		}
		return out
	case "string-length":
		return int64(len([]rune(x.string(args[0]))))
	case "contains":
		return x.contains(x.string(args[0]), x.string(args[1]))
	case "substring":
		return x.substring(args)
	}
	set, ok := args[0].([]xpathNode)
	if !ok {
		x.fail("XPATH syntax error: '%s'", from)
		return ""
	}
	if name == "count" {
		if len(set) == 1 && set[0].size > 0 {
			return int64(set[0].size)
		}
		return int64(len(set))
	}
	sum := 0.0
	for _, t := range x.texts(set) {
		sum += x.number(t)
	}
	return sum
}

// contains reports whether a part of a text is equal to another.
func (x *xpath) contains(text, part string) bool {
	runes, n := []rune(text), len([]rune(part))
	for i := 0; i+n <= len(runes); i++ {
		if order, err := x.text.Compare(x.ctx, string(runes[i:i+n]), part); err == nil && order == 0 {
			return true
		}
	}
	return false
}

// substring is a part of a text, from a character on and of a length.
func (x *xpath) substring(args []any) string {
	runes := []rune(x.string(args[0]))
	from, length := int(x.number(args[1]))-1, len(runes)
	if len(args) > 2 {
		length = int(x.number(args[2]))
	}
	if from < 0 || from >= len(runes) || length <= 0 {
		return ""
	}
	return string(runes[from:min(len(runes), from+length)])
}
