package ext4

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestWithoutAJournalTheRiskHasToBeAccepted(t *testing.T) {
	p := testimage.ProfileNamed("debian-1k")
	p.Features = strings.Replace(p.Features, "has_journal,", "", 1)
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 8 << 20})
	testimage.Check(t, path, 0)
	before, err := os.ReadFile(path)
	mustDo(t, err)
	fsys := openImage(t, path)
	update := func(tx *Tx) error { return tx.Mkdir("new", Attr{Mode: 0o755}) }
	if err := fsys.Update(update); !errors.Is(err, ErrNoJournal) {
		t.Errorf("Update: %v, want %v", err, ErrNoJournal)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v: the image has changed", err)
	}
	mustDo(t, fsys.Update(func(*Tx) error { return nil }), fsys.Update(update, AcceptRisk()), fsys.Update(func(tx *Tx) error {
		return tx.Mkdir("on a copy", Attr{Mode: 0o755})
	}, WithoutJournal()))
	for _, name := range []string{"new", "on a copy"} {
		if _, err := openImage(t, path).Stat(name); err != nil {
			t.Error(err)
		}
	}
}
