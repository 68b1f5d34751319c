package engine

import "strings"

// fold returns the form of a name that names are compared by.
func fold(name string) string { return strings.ToLower(name) }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// spaceID says which pages a tree lives in: the volume's, or this instance's unlogged ones.
type spaceID uint8

const (
	spaceVolume spaceID = iota
	spaceTemporary
)
