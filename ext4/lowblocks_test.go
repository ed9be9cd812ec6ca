package ext4

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// A file of indirect blocks in a file system of 17 TiB, whose directory is behind the blocks that 32 bits can name.
func TestMapsOfIndirectBlocksNameLowBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err == nil {
		defer f.Close()
		err = f.Truncate(17 << 40)
	}
	if err != nil {
		t.Skipf("no file of 17 TiB here: %v", err)
	}
	out, err := testimage.Command(t, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^resize_inode,sparse_super2,^has_journal", "-i", "1048576",
		"-E", "lazy_itable_init=1,nodiscard,num_backup_sb=0", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fsys := openImage(t, path)
	content := pattern(5<<20, 1)
	mustUpdate(t, fsys, func(tx *Tx) error {
		root, err := tx.inode(format.RootIno)
		if err != nil {
			return err
		}
		far := node{Ino(uint64(tx.groups-10) * uint64(tx.inodesPerGroup)), root.Inode}
		n, err := tx.newInode(far, format.ModeRegular, Attr{Mode: 0o644})
		if err != nil {
			return err
		}
		if home := tx.homeOf(n); home < 1<<32 {
			t.Errorf("the inode's home is block %d, which 32 bits can name", home)
		}
		format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeExtents)
		clear(n.IBlock())
		c, err := tx.measure(bytes.NewReader(content))
		if err != nil {
			return err
		}
		if err := tx.fill(n, c); err != nil {
			return err
		}
		return tx.link(root, "old", n)
	})
	if n := fsys.view; n.lowGroups() >= n.groups || n.groupStart(n.lowGroups()) > 1<<32 {
		t.Errorf("%d of %d groups are low", n.lowGroups(), n.groups)
	}
	testimage.Fsck(t, path, 0)
	compareContents(t, path, map[string]Content{"old": bytes.NewReader(content)})
	mustUpdate(t, fsys, func(tx *Tx) error { return tx.Truncate("old", 1<<20) })
	testimage.Fsck(t, path, 0)
	compareContents(t, path, map[string]Content{"old": bytes.NewReader(content[:1<<20])})
}
