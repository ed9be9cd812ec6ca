package ext4

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"boringboot/internal/testimage"
)

// What the log had is older than what was done after another one's recovery.
func TestARecoveryThatSomebodyElseWroteIsNotWrittenAgain(t *testing.T) {
	testimage.RequireRoot(t)
	path := dirtyImages[0].image(t)
	one, other := openImage(t, path), openImage(t, path)
	if one.Recovery() == nil {
		t.Fatal("there is nothing to recover")
	}
	mustUpdate(t, other, func(tx *Tx) error { return tx.Mkdir("other", Attr{Mode: 0o700}) })
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Recover(); !errors.Is(err, ErrInUse) {
		t.Errorf("Recover: got %v, want %v", err, ErrInUse)
	}
	if err := one.Update(func(tx *Tx) error { return tx.Mkdir("one", Attr{Mode: 0o700}) }); !errors.Is(err, ErrInUse) {
		t.Errorf("Update: got %v, want %v", err, ErrInUse)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(after, before) {
		t.Error("something was written")
	}
	testimage.Check(t, path, 0)
}
