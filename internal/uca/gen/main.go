// Command gen makes weights.bin of Unicode's collation element tables, allkeys.txt of
// the versions 4.0.0, 5.2.0 and 9.0.0 (https://www.unicode.org/Public/UCA/<version>/allkeys.txt),
// which are its arguments in this order:
//
//	go run ./internal/uca/gen allkeys-4.0.0.txt allkeys-5.2.0.txt allkeys-9.0.0.txt > internal/uca/weights.bin
//
// For each version it writes, compressed, the number of characters, and for each the
// distance from the one before, the number of elements, and of each the primary weight (as
// the distance from the element before), and for 9.0.0 the secondary and the tertiary weight.
// All are varints. Contractions are left out, as MySQL does, and elements without a
// primary weight before 9.0.0, whose collations in MySQL have no other.
package main

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

// longest is how many elements of a character count, in MySQL too (U+FDFA has 18).
const longest = 8

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "gen: three files are needed")
		os.Exit(2)
	}
	z, err := flate.NewWriter(os.Stdout, flate.BestCompression)
	check(err)
	for i, name := range os.Args[1:] {
		levels := 1
		if i == 2 {
			levels = 3
		}
		chars, err := read(name, levels)
		check(err)
		if i == 0 {
			for r := range chars { // MySQL does not have those, nor the one of 18 elements
				if r > 0xFFFF || r == 0xFDFA {
					delete(chars, r)
				}
			}
		}
		_, err = z.Write(code(chars, levels))
		check(err)
	}
	check(z.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// read returns the elements of all characters of a table.
func read(name string, levels int) (map[rune][][3]int, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	chars := make(map[rune][][3]int)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line, _, _ = strings.Cut(line, "%")
		points, elements, ok := strings.Cut(line, ";")
		points = strings.TrimSpace(points)
		if !ok || strings.HasPrefix(line, "@") || strings.Contains(points, " ") {
			continue
		}
		r, err := strconv.ParseUint(points, 16, 32)
		if err != nil {
			return nil, err
		}
		list := [][3]int{}
		for _, e := range strings.Split(elements, "[")[1:] {
			e, _, _ = strings.Cut(e, "]")
			var w [3]int
			for i, x := range strings.Split(e[1:], ".")[:3] {
				v, err := strconv.ParseUint(x, 16, 32)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", line, err)
				}
				w[i] = int(v)
			}
			if levels == 1 && w[0] == 0 {
				continue
			}
			if len(list) < longest {
				list = append(list, w)
			}
		}
		chars[rune(r)] = list
	}
	return chars, lines.Err()
}

// code returns the characters as they are stored.
func code(chars map[rune][][3]int, levels int) []byte {
	order := make([]rune, 0, len(chars))
	for r := range chars {
		order = append(order, r)
	}
	sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
	out := binary.AppendUvarint(nil, uint64(len(order)))
	last, primary := rune(0), 0
	for _, r := range order {
		out = binary.AppendUvarint(out, uint64(r-last))
		out = binary.AppendUvarint(out, uint64(len(chars[r])))
		for _, w := range chars[r] {
			out = binary.AppendVarint(out, int64(w[0]-primary))
			for _, w := range w[1:levels] {
				out = binary.AppendUvarint(out, uint64(w))
			}
			primary = w[0]
		}
		last = r
	}
	return out
}
