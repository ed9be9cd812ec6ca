package audit_test

// This file cuts images off, and lets them go on behind their end.

import (
	"os"
	"path/filepath"
	"testing"

	"boringboot/verify/internal/audit"
)

// e2fsck says of an image that is too short that the superblock is likely to be corrupt, and may go on to end with exit code 0. The kernel
// does not mount it: for us that is an error.
func TestAnImageThatWasCutOffIsNotClean(t *testing.T) {
	for i, r := range recipes {
		if i%5 != 0 {
			continue // it is the same in all of them
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			data := r.image(t)
			path := filepath.Join(t.TempDir(), "image")
			for _, size := range []int{0, 100, 1024, 1500, 2048, 3000, 8192, len(data) / 2, len(data)/4*3 + 512, len(data) - r.blockSize, len(data) - 1, len(data), len(data) + 5000} {
				cut := make([]byte, size)
				copy(cut, data)
				if err := os.WriteFile(path, cut, 0o600); err != nil {
					t.Fatal(err)
				}
				v := judge(t, path, cut, audit.Options{})
				agree := v.agree()
				if size < len(data)/r.blockSize*r.blockSize {
					agree = !v.oursClean()
				}
				if !agree || v.took > tooLong {
					t.Errorf("%d of %d bytes, in %v:\n%s", size, len(data), v.took, v.said())
				}
			}
		})
	}
}
