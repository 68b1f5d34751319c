//go:build !faults

package node

// slowDisk does nothing in a program that is not built with the tag faults.
func slowDisk(string) {}
