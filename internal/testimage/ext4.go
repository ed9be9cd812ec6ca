package testimage

// A bare ext4 file system, made as nixpkgs' make-ext4-fs makes it: filled,
// shrunk to what it holds, and grown by 16 MiB.

import (
	"bufio"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Options say what an image looks like. The zero value is a small NixOS image.
type Options struct {
	Profile    Profile // zero: NixOS()
	StorePaths int     // paths below /nix/store; 0 means 300, negative an empty file system
	Free       int64   // bytes by which the shrunk file system is grown; 0 means 16 MiB, negative none
	Size       int64   // bytes; not 0: the file system has this size and is not shrunk

	Inodes         int    // mke2fs -N; 0 means 128 more than the tree needs
	BlocksPerGroup int    // mke2fs -g; 0 means as many as a bitmap block has bits
	Label          string // empty: NIXOS_SD

	// Linear leaves directories as mke2fs -d makes them, without an index.
	// Otherwise e2fsck -D indexes them, as the kernel would have.
	Linear bool
	// Stale fills the image with garbage before the file system is made: inode
	// tables and bitmaps that are initialised lazily then hold garbage.
	// It needs Size, as shrinking would cut the garbage off.
	Stale        bool
	HashAlg      string // directory hash: "legacy", "half_md4" or "tea"; empty: half_md4
	UnsignedHash bool   // hash names as unsigned char, as file systems made on ARM do

	Extended string   // further extended options of mke2fs: what -E takes
	Env      []string // of mke2fs ("MKE2FS_FIRST_META_BG=2")
	// After are tools that are run on the image when it is done, before e2fsck
	// looks at it; an argument "@" is the image.
	After [][]string

	// Fill, where not nil, adds to the tree before the image is made. Images
	// with a Fill are not cached.
	Fill func(dir string) error

	Layout Layout // of NixOSDisk
}

// Fixed identifiers, so that the same options give the same image.
const (
	// UUID of every file system that this package makes; nixpkgs' choice.
	UUID     = "44444444-4444-4444-8888-888888888888"
	hashSeed = "b0f1b0f1-0000-4000-8000-000000000001"
)

const mebibyte = 1 << 20

func (o Options) withDefaults() Options {
	if o.Profile.isZero() {
		o.Profile = NixOS()
	}
	if o.StorePaths == 0 {
		o.StorePaths = 300
	}
	if o.Free == 0 {
		o.Free = 16 * mebibyte
	}
	if o.Label == "" {
		o.Label = "NIXOS_SD"
	}
	return o
}

// Ext4 makes a file system image and returns its path, below tb.TempDir().
// Without the tools the test is skipped, as by Require.
func Ext4(tb testing.TB, o Options) string {
	tb.Helper()
	Require(tb, "mke2fs", "e2fsck", "resize2fs", "tune2fs", "debugfs", "dumpe2fs")
	o = o.withDefaults()
	path := filepath.Join(tb.TempDir(), "root.ext4")
	key := ""
	if o.Fill == nil {
		key = fmt.Sprintf("ext4 %+v", o)
	}
	if err := cached(key, path, func(path string) error { return buildExt4(path, o) }); err != nil {
		tb.Fatalf("making an ext4 image: %v", err)
	}
	return path
}

func buildExt4(path string, o Options) (err error) {
	work, err := os.MkdirTemp("", "testimage-")
	if err != nil {
		return err
	}
	defer func() {
		if rerr := removeTree(work); err == nil {
			err = rerr
		}
	}()
	tree := filepath.Join(work, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	if o.StorePaths > 0 {
		if err := storeTree(tree, o.StorePaths); err != nil {
			return err
		}
	}
	if o.Fill != nil {
		if err := o.Fill(tree); err != nil {
			return err
		}
	}
	need, err := measure(tree, o.Profile.BlockSize)
	if err != nil {
		return err
	}
	if err := makeExt4(path, work, tree, need, o); err != nil {
		return err
	}
	if err := dressExt4(path, o); err != nil {
		return err
	}
	if o.Size == 0 {
		if err := shrinkAndGrow(path, o); err != nil {
			return err
		}
	}
	for _, tool := range o.After {
		args := make([]string, 0, len(tool))
		for _, arg := range tool[1:] {
			args = append(args, strings.ReplaceAll(arg, "@", path))
		}
		var fine []int
		if tool[0] == "e2fsck" {
			fine = []int{1} // something was changed
		}
		if _, err := run("", tool[0], args, fine...); err != nil {
			return err
		}
	}
	return FsckErr(path, 0)
}

func (o Options) extended() string {
	if o.Extended == "" {
		return ""
	}
	return "," + o.Extended
}

// treeNeeds is what a tree will take in a file system.
type treeNeeds struct{ inodes, bytes int64 }

func measure(dir string, blockSize int) (treeNeeds, error) {
	var need treeNeeds
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		need.inodes++
		bs := int64(blockSize)
		need.bytes += (info.Size() + bs - 1) / bs * bs
		return nil
	})
	return need, err
}

func makeExt4(path, work, tree string, need treeNeeds, o Options) error {
	inodes := int64(o.Inodes)
	if inodes == 0 {
		inodes = need.inodes + 128
	}
	size := o.Size
	if size == 0 {
		// A journal of 4 MiB and the tables come on top of the tree. What is too
		// much goes when the file system is shrunk, but for groups whose inodes
		// are needed: so it must not be much too much.
		size = need.bytes*11/10 + inodes*256 + 8*mebibyte
		size = size / mebibyte * mebibyte
	}
	if err := blank(path, size, o.Stale); err != nil {
		return err
	}
	conf := filepath.Join(work, "mke2fs.conf")
	if err := os.WriteFile(conf, []byte(mke2fsConf), 0o644); err != nil {
		return err
	}
	args := append([]string{"-F", "-q", "-t", "ext4"}, o.Profile.mke2fsArgs()...)
	args = append(args, "-U", UUID, "-L", o.Label, "-N", strconv.FormatInt(inodes, 10),
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0,hash_seed="+hashSeed+o.extended())
	if o.BlocksPerGroup != 0 {
		args = append(args, "-g", strconv.Itoa(o.BlocksPerGroup))
	}
	args = append(args, "-d", tree, path)
	cmd, err := command("mke2fs", args...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "MKE2FS_CONFIG="+conf)
	cmd.Env = append(cmd.Env, o.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// mke2fsConf stands in for the host's configuration: nothing but what mke2fs
// would complain about.
const mke2fsConf = `[defaults]
	enable_periodic_fsck = 0
	default_mntopts = acl,user_xattr
[fs_types]
	ext4 = {
		inode_size = 256
	}
	small = {
		inode_size = 256
	}
	floppy = {
		inode_size = 256
	}
`

// blank makes a file of size bytes: a hole, or garbage that no structure of a
// file system is mistaken for.
func blank(path string, size int64, stale bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if !stale {
		return f.Truncate(size)
	}
	rnd := rand.New(rand.NewPCG(2, 3))
	w := bufio.NewWriterSize(f, 1<<16)
	for i := int64(0); i < size; i++ {
		// No byte is 0, so that a table that is taken for initialised shows
		// inodes in use.
		if err := w.WriteByte(byte(1 + rnd.IntN(255))); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// dressExt4 sets what mke2fs has no option for: the directory hash, an extended
// attribute, and the index of directories.
func dressExt4(path string, o Options) error {
	if o.HashAlg != "" {
		if _, err := run("", "tune2fs", []string{"-E", "hash_alg=" + o.HashAlg, path}); err != nil {
			return err
		}
	}
	if o.UnsignedHash {
		// EXT2_FLAGS_UNSIGNED_HASH is 2, EXT2_FLAGS_SIGNED_HASH is 1.
		if _, err := debugfs(path, 0, true, "set_super_value flags 2"); err != nil {
			return err
		}
	}
	if o.StorePaths > 0 {
		if _, err := debugfs(path, 0, true,
			"ea_set /nix-path-registration user.boringboot in-the-inode",
			"ea_set /boot user.boringboot "+strings.Repeat("in-a-block-", 40)); err != nil {
			return err
		}
	}
	if o.Linear || !strings.Contains(o.Profile.Features, "dir_index") {
		return nil
	}
	_, err := run("", "e2fsck", []string{"-fyD", path}, 1) // 1: something was changed
	return err
}

// shrinkAndGrow takes all free space out of the file system and gives it
// o.Free back, as nixpkgs does with 16 MiB.
func shrinkAndGrow(path string, o Options) error {
	if _, err := run("", "resize2fs", []string{"-f", "-M", path}); err != nil {
		return err
	}
	blocks, err := superblockNumber(path, "Block count")
	if err != nil {
		return err
	}
	if o.Free > 0 {
		blocks += o.Free / int64(o.Profile.BlockSize)
		if _, err := run("", "resize2fs", []string{"-f", path, strconv.FormatInt(blocks, 10)}); err != nil {
			return err
		}
	}
	return os.Truncate(path, blocks*int64(o.Profile.BlockSize))
}

func superblockNumber(path, field string) (int64, error) {
	out, err := run("", "dumpe2fs", []string{"-h", path})
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("dumpe2fs says nothing of %s", field)
}
