package function

import (
	"bytes"
	"compress/zlib"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// cryptoFunctions are AES_ENCRYPT, AES_DECRYPT and RANDOM_BYTES.
var cryptoFunctions = map[string]*expr.FunctionDef{
	"aes_encrypt":  {Name: "aes_encrypt", Args: expr.AnyArgs, Typ: types.LongBlob, Eval: aesEncrypt},
	"aes_decrypt":  {Name: "aes_decrypt", Args: expr.AnyArgs, Typ: types.LongBlob, Eval: aesDecrypt},
	"random_bytes": {Name: "random_bytes", Args: 1, Typ: types.LongBlob, Eval: randomBytes},
	"uncompress":   {Name: "uncompress", Args: 1, Pure: true, Typ: types.LongBlob, Eval: uncompress},
}

// blockCipher is what block_encryption_mode and a key make.
type blockCipher struct {
	block cipher.Block
	mode  string
	iv    []byte
}

// newBlockCipher returns the cipher of a call, nil if an argument is NULL.
func newBlockCipher(ctx *sql.Context, name string, args []any) (*blockCipher, error) {
	if len(args) < 2 || len(args) > 3 {
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function '%s'", name)
	}
	v, err := ctx.GetSessionVariable(ctx, "block_encryption_mode")
	if err != nil {
		return nil, err
	}
	setting, _ := v.(string)
	parts := strings.SplitN(setting, "-", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("gms: block_encryption_mode %q", setting)
	}
	bits, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, fmt.Errorf("gms: block_encryption_mode %q: %w", setting, err)
	}
	c := &blockCipher{mode: strings.ToLower(parts[2])}
	switch {
	case c.mode == "ecb" && len(args) == 3:
		ctx.Warn(1618, "<IV> option ignored")
		args = args[:2]
	case c.mode != "ecb" && len(args) == 2:
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function '%s'", name)
	}
	for _, a := range args {
		if a == nil {
			return nil, nil
		}
	}
	if c.mode != "ecb" {
		if c.iv, err = binaryOf(ctx, args[2]); err != nil {
			return nil, err
		}
		if len(c.iv) < aes.BlockSize {
			return nil, mysql.NewSQLError(1882, "HY000",
				"The initialization vector supplied to %s is too short. Must be at least %d bytes long", name, aes.BlockSize)
		}
		c.iv = c.iv[:aes.BlockSize]
	}
	password, err := binaryOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	key := make([]byte, bits/8)
	for i, b := range password {
		key[i%len(key)] ^= b
	}
	c.block, err = aes.NewCipher(key)
	return c, err
}

// binaryOf returns the bytes of a value.
func binaryOf(ctx *sql.Context, v any) ([]byte, error) {
	u, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	if b, ok := u.([]byte); ok {
		return b, nil
	}
	s, err := value.TextOf(ctx, u)
	return []byte(s), err
}

// streamed reports whether a mode takes texts of any length.
func (c *blockCipher) streamed() bool { return c.mode != "ecb" && c.mode != "cbc" }

// stream encrypts or decrypts in a mode of streams.
func (c *blockCipher) stream(data []byte, decrypt bool) []byte {
	out := make([]byte, len(data))
	feedback, pad := bytes.Clone(c.iv), make([]byte, aes.BlockSize)
	if width := map[string]int{"cfb1": 1, "cfb8": 8}[c.mode]; width > 0 {
		for at := 0; at < 8*len(data); at += width { // bits
			c.block.Encrypt(pad, feedback)
			shift := 8 - width - at%8
			in := data[at/8] >> shift & byte(1<<width-1)
			made := in ^ pad[0]>>(8-width)
			out[at/8] |= made << shift
			if decrypt {
				made = in
			}
			for i := range feedback[1:] {
				feedback[i] = feedback[i]<<width | feedback[i+1]>>(8-width)
			}
			feedback[len(feedback)-1] = feedback[len(feedback)-1]<<width | made
		}
		return out
	}
	for at := 0; at < len(data); at += aes.BlockSize {
		c.block.Encrypt(pad, feedback)
		end := min(at+aes.BlockSize, len(data))
		for i := at; i < end; i++ {
			out[i] = data[i] ^ pad[i-at]
		}
		switch {
		case c.mode == "ofb":
			copy(feedback, pad)
		case decrypt:
			copy(feedback, data[at:end])
		default:
			copy(feedback, out[at:end])
		}
	}
	return out
}

func aesEncrypt(ctx *sql.Context, args []any) (any, error) {
	c, err := newBlockCipher(ctx, "aes_encrypt", args)
	if c == nil || err != nil {
		return nil, err
	}
	data, err := binaryOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	if c.streamed() {
		return c.stream(data, false), nil
	}
	fill := aes.BlockSize - len(data)%aes.BlockSize
	data = append(bytes.Clone(data), bytes.Repeat([]byte{byte(fill)}, fill)...)
	if c.mode == "cbc" {
		cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(data, data)
		return data, nil
	}
	for at := 0; at < len(data); at += aes.BlockSize {
		c.block.Encrypt(data[at:], data[at:])
	}
	return data, nil
}

// aesDecrypt returns NULL of what was not encrypted so.
func aesDecrypt(ctx *sql.Context, args []any) (any, error) {
	c, err := newBlockCipher(ctx, "aes_decrypt", args)
	if c == nil || err != nil {
		return nil, err
	}
	data, err := binaryOf(ctx, args[0])
	switch {
	case err != nil:
		return nil, err
	case c.streamed():
		return c.stream(data, true), nil
	case len(data) == 0 || len(data)%aes.BlockSize != 0:
		return nil, nil
	}
	data = bytes.Clone(data)
	if c.mode == "cbc" {
		cipher.NewCBCDecrypter(c.block, c.iv).CryptBlocks(data, data)
	} else {
		for at := 0; at < len(data); at += aes.BlockSize {
			c.block.Decrypt(data[at:], data[at:])
		}
	}
	fill := int(data[len(data)-1])
	if fill == 0 || fill > aes.BlockSize || !bytes.HasSuffix(data, bytes.Repeat([]byte{byte(fill)}, fill)) {
		return nil, nil
	}
	return data[:len(data)-fill], nil
}

// uncompress is UNCOMPRESS: of the length of a text in four bytes, and what zlib made of it.
func uncompress(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	data, err := expr.BytesOf(ctx, args[0])
	if err != nil || len(data) == 0 {
		return data, err
	}
	corrupted := func() (any, error) {
		ctx.Warn(1259, "ZLIB: Input data corrupted")
		return nil, nil
	}
	if len(data) <= 4 {
		return corrupted()
	}
	length := int64(binary.LittleEndian.Uint32(data) & 0x3FFFFFFF)
	limit, err := ctx.GetSessionVariable(ctx, "max_allowed_packet")
	if most, ok := limit.(int64); err == nil && ok && length > most {
		ctx.Warn(1256, "Uncompressed data size too large; the maximum size is %d (probably, length of uncompressed data was corrupted)", most)
		return nil, nil
	}
	r, err := zlib.NewReader(bytes.NewReader(data[4:]))
	if err != nil {
		return corrupted()
	}
	out, err := io.ReadAll(io.LimitReader(r, length+1))
	switch {
	case err != nil:
		return corrupted()
	case int64(len(out)) > length:
		ctx.Warn(1258, "ZLIB: Not enough room in the output buffer (probably, length of uncompressed data was corrupted)")
		return nil, nil
	}
	return out, nil
}

// randomBytesMax is the most that RANDOM_BYTES makes.
const randomBytesMax = 1024

func randomBytes(ctx *sql.Context, args []any) (any, error) {
	n, ok := value.Numbers(ctx, args)
	if !ok {
		return nil, nil
	}
	if n[0] < 1 || n[0] > randomBytesMax {
		return nil, mysql.NewSQLError(1690, "22003", "length value is out of range in 'random_bytes'")
	}
	out := make([]byte, n[0])
	_, err := rand.Read(out)
	return out, err
}
