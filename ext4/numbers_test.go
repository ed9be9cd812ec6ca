package ext4_test

// This file reads from the environment how much of the random tests is run: for long runs.

import (
	"os"
	"strconv"
	"testing"
)

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
