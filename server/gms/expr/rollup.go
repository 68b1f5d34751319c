package expr

// Truth returns 1 for true and 0 for false.
func Truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
