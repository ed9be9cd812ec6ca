package ext4_test

import (
	"bytes"
	"errors"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Each of two that have a file system open believes to know what is free.
func TestAFileSystemThatSomebodyElseChangedIsNotChanged(t *testing.T) {
	for name, opts := range map[string][]ext4.UpdateOption{"in place": nil, "at once": {ext4.WithoutJournal()}} {
		t.Run(name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
			testimage.Check(t, path, 0)
			write := func(fsys *ext4.FS, name string) error {
				return fsys.Update(func(tx *ext4.Tx) error {
					return tx.WriteFile(name, bytes.NewReader(noise(20_000)), ext4.Attr{Mode: 0o600})
				}, opts...)
			}
			one := openFS(t, path)
			for _, name := range []string{"boot/1", "boot/2"} {
				if err := write(one, name); err != nil {
					t.Fatal(err)
				}
			}
			if err := write(openFS(t, path), "boot/3"); err != nil {
				t.Fatal(err)
			}
			before := readAll(t, path)
			if err := write(one, "boot/4"); !errors.Is(err, ext4.ErrInUse) {
				t.Errorf("the first one's update: got %v, want %v", err, ext4.ErrInUse)
			}
			if !bytes.Equal(readAll(t, path), before) {
				t.Error("something was written")
			}
			if err := write(openFS(t, path), "boot/4"); err != nil {
				t.Errorf("after it was opened again: %v", err)
			}
		})
	}
}
