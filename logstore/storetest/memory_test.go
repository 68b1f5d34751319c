package storetest_test

import (
	"testing"

	"sextant/logstore/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return storetest.NewMemory() },
		func(_ *testing.T, s storetest.Store) storetest.Store { return s })
}
