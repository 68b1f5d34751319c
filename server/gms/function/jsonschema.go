package function

import (
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/internal/icuregex"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// schemaFunctions are the functions of JSON Schema.
var schemaFunctions = map[string]*expr.FunctionDef{
	"json_schema_valid": {Name: "json_schema_valid", Args: 2, Pure: true, Typ: types.Int64,
		Eval: func(ctx *sql.Context, args []any) (any, error) {
			fault, err := schemaFault(ctx, args, "json_schema_valid")
			if fault == nil {
				return nil, err
			}
			return int64(value.BoolInt(fault.keyword == "")), err
		}},
	"json_schema_validation_report": {Name: "json_schema_validation_report", Args: 2, Pure: true, Typ: types.JSON,
		Eval: func(ctx *sql.Context, args []any) (any, error) {
			fault, err := schemaFault(ctx, args, "json_schema_validation_report")
			switch {
			case fault == nil:
				return nil, err
			case fault.keyword == "":
				return value.NewDocument(map[string]any{"valid": true}), nil
			}
			return value.NewDocument(map[string]any{
				"valid": false, "schema-location": fault.schema, "document-location": fault.document, "schema-failed-keyword": fault.keyword,
				"reason": fmt.Sprintf("The JSON document location '%s' failed requirement '%s' at JSON Schema location '%s'", fault.document, fault.keyword, fault.schema),
			}), nil
		}},
}

// schemaFailure is what a document has that its schema does not allow: where both are, as URI fragments, and the keyword of
// the schema, "" if it is allowed.
type schemaFailure struct{ keyword, schema, document string }

// schemaFault returns the first fault of a document (the second argument) by a schema, nil if one of them is NULL.
func schemaFault(ctx *sql.Context, args []any, function string) (*schemaFailure, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	schema, err := value.JSONOf(ctx, args[0], 1, function)
	if err != nil {
		return nil, err
	}
	object, ok := schema.(map[string]any)
	if !ok {
		return nil, mysql.NewSQLError(3853, "22032", "Invalid JSON type in argument 1 to function %s; an object is required.", function)
	}
	document, err := value.JSONOf(ctx, args[1], 2, function)
	if err != nil {
		return nil, err
	}
	c := schemaCheck{ctx: ctx, root: object, visited: map[schemaVisit]bool{}, enums: map[uintptr]map[string]bool{}, patterns: map[string]*icuregex.Regexp{}}
	c.valid(object, "#", document, "#")
	if c.err != nil {
		return nil, c.err
	}
	return &c.fault, nil
}

// schemaDepth is how many schemas within each other are followed. A document has fewer levels, so that more are references to
// references.
const schemaDepth = 1000

// schemaCheck compares a document with a schema.
//
// Source: JSON Schema Draft 4; the order in which keywords are looked at is MySQL's.
type schemaCheck struct {
	ctx      *sql.Context
	root     map[string]any
	depth    int
	quiet    int           // how many schemas whose faults are not kept are around the one that is looked at
	fault    schemaFailure // the first one
	err      error
	visited  map[schemaVisit]bool
	enums    map[uintptr]map[string]bool // the canonical texts of a schema's enum
	patterns map[string]*icuregex.Regexp // nil for what is no pattern
}

// schemaVisit is a schema that a reference has led to, and the value that it was compared with: the comparison is not made
// again. Without references a schema meets a value once.
type schemaVisit struct {
	schema uintptr
	value  any
}

// identity returns what tells a map, an array or a scalar from others.
func identity(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return reflect.ValueOf(v).Pointer()
	case []any:
		if len(v) == 0 {
			return [0]any{}
		}
		return &v[0]
	}
	return v
}

// stopped reports whether the comparison has failed, or its statement was ended.
func (c *schemaCheck) stopped() bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err != nil
}

// valid reports whether a schema allows a value. It is false, and err set, if the comparison was stopped.
func (c *schemaCheck) valid(schema map[string]any, at string, v any, document string) bool {
	if c.stopped() {
		return false
	}
	if c.depth++; c.depth > schemaDepth {
		c.depth--
		return true
	}
	defer func() { c.depth-- }()
	if ref, ok := schema["$ref"].(string); ok {
		to, ok := c.referred(ref)
		return !ok || c.visit(to, ref, v, document)
	}
	fails := func(keyword, document string) bool {
		if c.quiet == 0 {
			c.fault = schemaFailure{keyword, at, document}
		}
		return false
	}
	if t, ok := schema["type"]; ok && !slices.ContainsFunc(jsonArray(t), func(t any) bool { return schemaType(t, v) }) {
		return fails("type", document)
	}
	switch v := v.(type) {
	case string:
		if n := float64(utf8.RuneCountInString(v)); below(n, schema["minLength"]) {
			return fails("minLength", document)
		} else if above(n, schema["maxLength"]) {
			return fails("maxLength", document)
		}
		if p, ok := schema["pattern"].(string); ok && !c.matches(p, v) {
			return fails("pattern", document)
		}
	case map[string]any:
		if !c.members(schema, at, v, document, fails) {
			return false
		}
	case []any:
		if !c.elements(schema, at, v, document, fails) {
			return false
		}
	default:
		if n, ok := schemaNumber(v); ok {
			if keyword := beyondLimits(n, schema); keyword != "" {
				return fails(keyword, document)
			}
		}
	}
	return c.combined(schema, v, document, fails)
}

// visit is valid for a schema that a reference leads to. One that leads back to a comparison that is being made adds nothing
// to it, and is allowed.
func (c *schemaCheck) visit(schema map[string]any, at string, v any, document string) bool {
	key := schemaVisit{reflect.ValueOf(schema).Pointer(), identity(v)}
	if ok, seen := c.visited[key]; seen && (ok || c.quiet > 0) { // else the fault is wanted
		return ok
	}
	c.visited[key] = true
	ok := c.valid(schema, at, v, document)
	c.visited[key] = ok
	return ok
}

// members looks at the members of an object, in their order, and at how many there are.
func (c *schemaCheck) members(schema map[string]any, at string, object map[string]any, document string, fails func(keyword, document string) bool) bool {
	properties, _ := schema["properties"].(map[string]any)
	patterns, _ := schema["patternProperties"].(map[string]any)
	expressions := sortedKeys(patterns)
	for _, k := range sortedKeys(object) {
		where := document + fragment(k)
		known := false
		within := func(keyword, name string, s any) bool {
			known = true
			sub, ok := s.(map[string]any)
			return !ok || c.valid(sub, at+"/"+keyword+fragment(name), object[k], where)
		}
		if s, ok := properties[k]; ok && !within("properties", k, s) {
			return false
		}
		for _, p := range expressions {
			if c.matches(p, k) && !within("patternProperties", p, patterns[p]) {
				return false
			}
		}
		if known {
			continue
		}
		switch s := schema["additionalProperties"].(type) {
		case bool:
			if !s {
				return fails("additionalProperties", where)
			}
		case map[string]any:
			if !c.valid(s, at+"/additionalProperties", object[k], where) {
				return false
			}
		}
	}
	lacks := func(names any) bool {
		list, _ := names.([]any)
		return slices.ContainsFunc(list, func(name any) bool {
			text, ok := name.(string)
			_, there := object[text]
			return ok && !there
		})
	}
	n := float64(len(object))
	switch {
	case lacks(schema["required"]):
		return fails("required", document)
	case below(n, schema["minProperties"]):
		return fails("minProperties", document)
	case above(n, schema["maxProperties"]):
		return fails("maxProperties", document)
	}
	dependencies, _ := schema["dependencies"].(map[string]any)
	for _, k := range sortedKeys(dependencies) {
		if _, there := object[k]; !there {
			continue
		}
		if s, ok := dependencies[k].(map[string]any); ok && !c.alone(s, object, document) || lacks(dependencies[k]) {
			return fails("dependencies", document)
		}
	}
	return true
}

// elements looks at the elements of an array, and at how many there are.
func (c *schemaCheck) elements(schema map[string]any, at string, array []any, document string, fails func(keyword, document string) bool) bool {
	for i, e := range array {
		where := document + "/" + strconv.Itoa(i)
		s, place := schema["items"], at+"/items"
		if list, ok := s.([]any); ok {
			if s, place = schema["additionalItems"], at+"/additionalItems"; i < len(list) {
				s, place = list[i], at+"/items/"+strconv.Itoa(i)
			} else if s == false {
				return fails("additionalItems", where)
			}
		}
		if sub, ok := s.(map[string]any); ok && !c.valid(sub, place, e, where) {
			return false
		}
	}
	n := float64(len(array))
	switch {
	case below(n, schema["minItems"]):
		return fails("minItems", document)
	case above(n, schema["maxItems"]):
		return fails("maxItems", document)
	case schema["uniqueItems"] == true:
		if len(c.distinct(array)) < len(array) {
			return fails("uniqueItems", document)
		}
	}
	return true
}

// combined looks at the keywords that are of values of every type.
func (c *schemaCheck) combined(schema map[string]any, v any, document string, fails func(keyword, document string) bool) bool {
	if list, ok := schema["enum"].([]any); ok {
		key := reflect.ValueOf(schema).Pointer()
		values, known := c.enums[key]
		if !known {
			values = c.distinct(list)
			c.enums[key] = values
		}
		if !values[c.canonical(v)] {
			return fails("enum", document)
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		list, ok := schema[keyword].([]any)
		if !ok {
			continue
		}
		n := 0
		for _, s := range list {
			if sub, ok := s.(map[string]any); !ok || c.alone(sub, v, document) {
				n++
			}
		}
		if keyword == "allOf" && n < len(list) || n == 0 || keyword == "oneOf" && n != 1 {
			return fails(keyword, document)
		}
	}
	if s, ok := schema["not"].(map[string]any); ok && c.alone(s, v, document) {
		return fails("not", document)
	}
	return true
}

// alone reports whether a schema allows a value, and keeps no fault.
func (c *schemaCheck) alone(schema map[string]any, v any, document string) bool {
	c.quiet++
	defer func() { c.quiet-- }()
	return c.valid(schema, "", v, document)
}

// canonical returns what equal values have in common, and no others.
func (c *schemaCheck) canonical(v any) string {
	text, err := value.AppendDocument(nil, v)
	if err != nil {
		c.err = err
	}
	return string(text)
}

// distinct returns the canonical texts of a list.
func (c *schemaCheck) distinct(list []any) map[string]bool {
	texts := map[string]bool{}
	for _, v := range list {
		if c.stopped() {
			break
		}
		texts[c.canonical(v)] = true
	}
	return texts
}

// matches reports whether a pattern of a schema is found in a text. What is no pattern allows all.
func (c *schemaCheck) matches(pattern, text string) bool {
	if c.stopped() {
		return false
	}
	re, known := c.patterns[pattern]
	if !known {
		re, _ = icuregex.CompileECMAScript(pattern)
		c.patterns[pattern] = re
	}
	if re == nil {
		return true
	}
	ok, err := re.Match(text)
	if err != nil {
		c.err = regexpError(err)
	}
	return ok
}

// referred returns the schema that a reference within the document of schemas means. Others are not read.
func (c *schemaCheck) referred(ref string) (map[string]any, bool) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		c.err = mysql.NewSQLError(mysql.ERNotSupportedYet, "42000", "This version of MySQL doesn't yet support 'references in JSON schema'")
		return nil, false
	}
	at := any(c.root)
	for _, token := range strings.Split(path, "/")[1:] {
		if text, err := url.PathUnescape(token); err == nil {
			token = text
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch in := at.(type) {
		case map[string]any:
			at = in[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			at = in[i]
		}
	}
	to, ok := at.(map[string]any)
	return to, ok
}

// fragment is a member's part of a URI fragment.
func fragment(name string) string {
	var out strings.Builder
	for _, b := range []byte(strings.NewReplacer("~", "~0", "/", "~1").Replace(name)) {
		if b < utf8.RuneSelf && (syntax.WordByte(b) && b != '$' || strings.IndexByte("-.~", b) >= 0) {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return "/" + out.String()
}

// schemaType reports whether a value is of a type of JSON Schema.
func schemaType(t, v any) bool {
	kind := value.TypeOfJSON(v)
	switch t {
	case "integer":
		return kind == "INTEGER" || kind == "UNSIGNED INTEGER"
	case "number":
		_, ok := schemaNumber(v)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean", "null", "object", "array":
		return strings.EqualFold(kind, t.(string))
	}
	return true
}

// schemaNumber returns a number of a document.
func schemaNumber(v any) (float64, bool) {
	switch value.TypeOfJSON(v) {
	case "INTEGER", "UNSIGNED INTEGER", "DOUBLE", "DECIMAL":
	default:
		return 0, false
	}
	text := fmt.Sprint(v)
	switch v := v.(type) {
	case float64:
		return v, true
	case value.TypedScalar:
		text = v.Text
	case *apd.Decimal:
		text = v.Text('f')
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// below reports whether a number is less than a limit, if that is a number.
func below(n float64, limit any) bool {
	l, ok := schemaNumber(limit)
	return ok && n < l
}

// above reports whether a number is greater than a limit, if that is a number.
func above(n float64, limit any) bool {
	l, ok := schemaNumber(limit)
	return ok && n > l
}

// beyondLimits returns the keyword of a schema that does not allow a number, "" if all do.
func beyondLimits(n float64, schema map[string]any) string {
	if l, ok := schemaNumber(schema["minimum"]); ok && (n < l || n == l && schema["exclusiveMinimum"] == true) {
		return "minimum"
	}
	if l, ok := schemaNumber(schema["maximum"]); ok && (n > l || n == l && schema["exclusiveMaximum"] == true) {
		return "maximum"
	}
	if m, ok := schemaNumber(schema["multipleOf"]); ok && m > 0 && math.Abs(n-m*math.Round(n/m)) > 1e-9*math.Max(1, math.Abs(n)) {
		return "multipleOf"
	}
	return ""
}
