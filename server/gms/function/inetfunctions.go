package function

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// inetFunctions are the functions of Internet addresses.
var inetFunctions = map[string]*expr.FunctionDef{
	"inet_aton":  {Name: "inet_aton", Args: 1, Pure: true, Typ: types.Uint64, EvalOf: inetAton},
	"inet_ntoa":  {Name: "inet_ntoa", Args: 1, Pure: true, Typ: types.MustCreateStringWithDefaults(sqltypes.VarChar, 15), EvalOf: inetNtoa},
	"inet6_aton": {Name: "inet6_aton", Args: 1, Pure: true, Typ: types.MustCreateBinary(sqltypes.VarBinary, 16), EvalOf: inet6Aton},
	"is_ipv4":    {Name: "is_ipv4", Args: 1, Pure: true, Typ: types.Boolean, Eval: address(func(text string, _ bool) bool { return fourBytes(text) != nil })},
	"is_ipv6":    {Name: "is_ipv6", Args: 1, Pure: true, Typ: types.Boolean, Eval: address(func(text string, _ bool) bool { return len(addressBytes(text)) == 16 })},
	"is_ipv4_compat": {Name: "is_ipv4_compat", Args: 1, Pure: true, Typ: types.Boolean, Eval: address(func(b string, binary bool) bool {
		return binary && len(b) == 16 && strings.HasPrefix(b, noBytes) && b[12:] > "\x00\x00\x00\x01"
	})},
	"is_ipv4_mapped": {Name: "is_ipv4_mapped", Args: 1, Pure: true, Typ: types.Boolean, Eval: address(func(b string, binary bool) bool {
		return binary && len(b) == 16 && strings.HasPrefix(b, noBytes[:10]+"\xFF\xFF")
	})},
	"inet6_ntoa": {Name: "inet6_ntoa", Args: 1, Pure: true, Typ: types.MustCreateStringWithDefaults(sqltypes.VarChar, 39), EvalOf: inet6Ntoa},
}

// noBytes are those before an address of four bytes in one of sixteen.
const noBytes = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// address returns a function that asks what a text or bytes are, NULL of NULL.
func address(is func(text string, binary bool) bool) func(*sql.Context, []any) (any, error) {
	return func(ctx *sql.Context, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		text, err := value.TextOf(ctx, args[0])
		_, binary := args[0].([]byte)
		return is(text, binary), err
	}
}

// notAddress warns of an argument that is none, and is NULL.
func notAddress(ctx *sql.Context, kind string, e sql.Expression, function string) (any, error) {
	ctx.Warn(1411, "Incorrect %s value: '%s' for function %s", kind, expr.MySQLText(e), function)
	return nil, nil
}

// inetAton is INET_ATON: the parts that are missing stand before the last one.
func inetAton(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	parts := strings.Split(text, ".")
	n := uint64(0)
	for i, p := range parts {
		digits, v := value.LeadingDigits(p, len(p))
		if digits != len(p) || v > 255 || len(parts) > 4 || p == "" && i == len(parts)-1 {
			return notAddress(ctx, "string", exprs[0], "inet_aton")
		}
		if i > 0 && i == len(parts)-1 {
			n <<= 8 * (4 - len(parts))
		}
		n = n<<8 + uint64(v)
	}
	return n, nil
}

func inetNtoa(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	n, err := expr.WholeOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	if n < 0 || n > 1<<32-1 {
		return notAddress(ctx, "integer", exprs[0], "inet_ntoa")
	}
	return fmt.Sprintf("%d.%d.%d.%d", n>>24, n>>16&255, n>>8&255, n&255), nil
}

func inet6Aton(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	_, binary := args[0].([]byte)
	if b := addressBytes(text); b != nil && !binary {
		return b, nil
	}
	return notAddress(ctx, "string", exprs[0], "inet6_aton")
}

// addressBytes are the 4 or 16 bytes of an address, nil of what is none.
func addressBytes(text string) []byte {
	if b := fourBytes(text); b != nil {
		return b
	}
	head, tail, gap := strings.Cut(text, "::")
	before, ok := addressGroups(head)
	behind, ok2 := addressGroups(tail)
	switch n := len(before) + len(behind); {
	case !ok || !ok2, strings.Contains(tail, "::"), gap && n > 14, !gap && n != 16, gap && len(before)%2 != 0, gap && strings.Contains(head, "."):
		return nil
	}
	return append(append(before, make([]byte, 16-len(before)-len(behind))...), behind...)
}

// addressGroups are the bytes of groups of digits with colons between them, of which the last may be an address of four bytes.
func addressGroups(text string) (out []byte, ok bool) {
	if text == "" {
		return nil, true
	}
	groups := strings.Split(text, ":")
	for i, g := range groups {
		if b := fourBytes(g); b != nil && i == len(groups)-1 {
			return append(out, b...), true
		}
		n, err := strconv.ParseUint(g, 16, 16)
		if err != nil || len(g) > 4 || g[0] == '+' {
			return nil, false
		}
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	}
	return out, true
}

// fourBytes are the bytes of four numbers with points between them, nil of what is none.
func fourBytes(text string) []byte {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return nil
	}
	var out []byte
	for _, p := range parts {
		n, v := value.LeadingDigits(p, 3)
		if n == 0 || n != len(p) || v > 255 {
			return nil
		}
		out = append(out, byte(v))
	}
	return out
}

func inet6Ntoa(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	b, bytes := args[0].([]byte)
	switch {
	case bytes && len(b) == 4:
		return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3]), nil
	case !bytes || len(b) != 16:
		return notAddress(ctx, "string", exprs[0], "inet6_ntoa")
	}
	from, length := -1, 0 // the longest run of zeros
	for i := 0; i < 16; i += 2 {
		n := 0
		for i+n < 16 && b[i+n] == 0 && b[i+n+1] == 0 {
			n += 2
		}
		if n > length {
			from, length = i, n
		}
		i += max(n-2, 0)
	}
	mapped := from == 0 && (length == 12 || length == 10 && b[10] == 255 && b[11] == 255)
	var out strings.Builder
	for i := 0; i < 16; i += 2 {
		switch {
		case i == from:
			out.WriteString("::")
			i += length - 2
			continue
		case i > 0 && i != from+length:
			out.WriteByte(':')
		}
		if mapped && i == 12 {
			fmt.Fprintf(&out, "%d.%d.%d.%d", b[12], b[13], b[14], b[15])
			break
		}
		fmt.Fprintf(&out, "%x", binary.BigEndian.Uint16(b[i:]))
	}
	return out.String(), nil
}
