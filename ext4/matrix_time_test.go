package ext4_test

import (
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Times at the ends of what an inode holds: 34 bits of seconds from 1901.

func TestTimesThatExt4CannotHoldAreRefused(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	for _, at := range []time.Time{time.Unix(-1<<31-1, 999_999_999), time.Unix(3<<32+1<<31, 0)} {
		mustRefuse(t, path, func(tx *ext4.Tx) error {
			return tx.Chtimes("boot", at, at)
		})
	}
}
