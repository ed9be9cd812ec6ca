package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Traces: nothing of what lay in a free block shows in a new file, and nothing
// of a replaced file stays behind.

// What lies behind a file's end in its last block is seen when the file grows.
func TestBehindAFilesEndThereAreZeros(t *testing.T) {
	testimage.RequireRoot(t)
	for _, name := range []string{"nixos-4k", "gdt-checksums-1k"} {
		t.Run(name, func(t *testing.T) {
			p := testimage.ProfileNamed(name)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8, Size: 32 << 20, Stale: true})
			testimage.Check(t, path, 0)
			sizes := []int{1, 61, 500, p.BlockSize - 1, p.BlockSize + 1, 3*p.BlockSize + 7, 1<<20 + 3}
			var ops []op
			for _, n := range sizes {
				ops = append(ops, file(fmt.Sprintf("boot/%d", n), noise(n), 0o600))
			}
			mustUpdate(t, path, ops)
			dir := testimage.MountRW(t, path, 0)
			for _, n := range sizes {
				name := filepath.Join(dir, fmt.Sprintf("boot/%d", n))
				if err := os.Truncate(name, int64(n+2*p.BlockSize)); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if want := append(noise(n), make([]byte, 2*p.BlockSize)...); !bytes.Equal(got, want) {
					t.Errorf("%d bytes, grown by two blocks: not zeros", n)
				}
			}
			testimage.Unmount(t, dir)
			image := readAll(t, path)
			s := &spoilt{path: path, b: image, blockSize: p.BlockSize}
			for _, n := range sizes {
				blocks := s.blocks(t, fmt.Sprintf("/boot/%d", n))
				last := s.block(blocks[(n-1)/p.BlockSize])
				if tail := last[(n-1)%p.BlockSize+1:]; !bytes.Equal(tail, make([]byte, len(tail))) {
					t.Errorf("%d bytes: the rest of the last block is not zeros", n)
				}
			}
		})
	}
}

func TestNothingOfAReplacedFileStaysBehind(t *testing.T) {
	for _, name := range []string{"nixos-4k", "no-checksums-1k"} {
		for _, opts := range [][]ext4.UpdateOption{nil, {ext4.WithoutJournal()}} {
			t.Run(fmt.Sprintf("%s, %d options", name, len(opts)), func(t *testing.T) {
				p := testimage.ProfileNamed(name)
				path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8})
				testimage.Check(t, path, 0)
				secret := noise(50_001)
				mustUpdate(t, path, []op{mkdir("d", 0o700), file("d/key", secret, 0o600)}, opts...)
				if !leaks(readAll(t, path), secret) {
					t.Fatal("the file is not found while it is there")
				}
				mustUpdate(t, path, []op{file("d/key", []byte("another"), 0o600)}, opts...)
				if leaks(readAll(t, path), secret) {
					t.Error("blocks of the replaced file hold what it held")
				}
			})
		}
	}
}

// leaks says whether any 64 bytes of the secret, at a distance of 512, are in
// the image.
func leaks(image, secret []byte) bool {
	for at := 0; at+64 <= len(secret); at += 512 {
		if bytes.Contains(image, secret[at:at+64]) {
			return true
		}
	}
	return false
}

// An update whose content cannot be read to the end leaves no part of it.
func TestNothingOfAnUpdateThatFailsStaysBehind(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	secret := noise(50_002)
	mustRefuse(t, path, func(tx *ext4.Tx) error {
		if err := run(tx, []op{mkdir("d", 0o700), file("d/key", secret, 0o600)}); err != nil {
			return err
		}
		return tx.WriteFile("d/unreadable", unreadable{}, ext4.Attr{Mode: 0o600})
	}, errUnreadable)
	if leaks(readAll(t, path), secret) {
		t.Error("the image holds a part of the update")
	}
}
