package ext4_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Differential tests: the same random actions done by the kernel on one copy of
// an image, by us on another, and by both in turns on a third. What each action
// came to and the trees that they lead to must be the same, and e2fsck must find
// nothing.
//
//	BORINGBOOT_EXT4_SEED=n     this sequence
//	BORINGBOOT_EXT4_ROUNDS=n   so many sequences of each feature set
//	BORINGBOOT_EXT4_ACTIONS=n  so many actions in each
const defaultActions = 2000

type featureSet struct {
	name    string
	profile string
	without []string // features of the profile
	with    []string
	inode   int
	args    []string // further ones of mke2fs
	options testimage.Options
	// kernelWithout are features that this kernel does not have: its copy is of an image without them, and there are no turns.
	kernelWithout []string
	// blockSize, where not 0, is more than the kernel's pages: it works on blocks of 4 KiB, and ours are read by us and debugfs.
	blockSize int
	// noTurns: the kernel leaves in new directories what e2fsck complains of. (Without file types it does not set the byte for them in
	// "." and "..", and the block may have been another directory's.)
	noTurns bool
}

var featureSets = []featureSet{
	{name: "what nixpkgs makes", profile: "nixos-4k"},
	{name: "blocks of 1 KiB", profile: "nixos-1k"},
	{name: "descriptor checksums, inodes of 128 bytes", profile: "gdt-checksums-2k", inode: 128},
	{name: "no checksums, many groups", profile: "no-checksums-1k", options: testimage.Options{BlocksPerGroup: 1024}},
	{name: "no index, no file types", profile: "linear-1k", without: []string{"filetype"}, noTurns: true},
	{name: "no index", profile: "linear-1k"},
	{name: "indirect blocks, 1 KiB", profile: "no-checksums-1k", without: []string{"extent"}},
	{name: "data in inodes", profile: "nixos-4k", with: []string{"inline_data"}},
	{name: "data in inodes of 1024 bytes, values in inodes, 1 KiB", profile: "nixos-1k", with: []string{"inline_data", "ea_inode"}, inode: 1024},
	{name: "data in inodes, no checksums, no index, indirect blocks", profile: "linear-1k",
		without: []string{"extent", "64bit", "metadata_csum", "metadata_csum_seed", "orphan_file"}, with: []string{"inline_data", "ea_inode"}, inode: 512},
	{name: "indirect blocks, checksums", profile: "nixos-4k", without: []string{"extent", "64bit"}},
	{name: "values in inodes", profile: "nixos-1k", with: []string{"ea_inode", "large_dir"}},
	{name: "values in inodes, descriptors in each meta group", profile: "debian-4k", without: []string{"resize_inode"}, with: []string{"ea_inode", "meta_bg"}},
	{name: "fast commits, two backups", profile: "pi-gen-2k", without: []string{"resize_inode", "sparse_super"}, with: []string{"fast_commit", "sparse_super2"}},
	{name: "clusters of 16 KiB", profile: "nixos-1k", without: []string{"resize_inode"}, with: []string{"bigalloc"}, args: []string{"-C", "16384"}},
	{name: "clusters of 64 KiB, inodes of 1 KiB", profile: "debian-4k", without: []string{"resize_inode"}, with: []string{"bigalloc"}, inode: 1024,
		args: []string{"-C", "65536"}},
	{name: "clusters, data in inodes, values in inodes", profile: "nixos-1k", without: []string{"resize_inode"},
		with: []string{"bigalloc", "inline_data", "ea_inode"}, args: []string{"-C", "8192"}},
	{name: "quotas, data in inodes, values in inodes", profile: "nixos-1k", with: []string{"quota", "inline_data", "ea_inode"}, kernelWithout: []string{"quota"}},
	{name: "blocks of 64 KiB", profile: "nixos-4k", with: []string{"ea_inode"}, blockSize: 1 << 16},
	{name: "blocks of 8 KiB, indirect blocks", profile: "gdt-checksums-4k", without: []string{"extent"}, with: []string{"ea_inode"}, blockSize: 1 << 13},
	{name: "quotas", profile: "nixos-4k", with: []string{"quota", "project"}, kernelWithout: []string{"quota", "project"}},
	{name: "quotas, indirect blocks, values in inodes", profile: "debian-1k", without: []string{"extent", "64bit"}, with: []string{"quota", "ea_inode"},
		kernelWithout: []string{"quota"}},
	{name: "no journal", profile: "linear-4k", without: []string{"has_journal", "orphan_file"}},
}

func (f featureSet) image(t *testing.T, without []string, blockSize int) string {
	t.Helper()
	p := testimage.ProfileNamed(f.profile)
	features := append(strings.Split(p.Features, ","), f.with...)
	features = slices.DeleteFunc(features, func(name string) bool { return slices.Contains(f.without, name) || slices.Contains(without, name) })
	p.Name, p.Features, p.InodeSize, p.Args = f.name, strings.Join(features, ","), f.inode, f.args
	if blockSize != 0 {
		p.BlockSize = blockSize
	}
	o := f.options
	o.Profile, o.StorePaths, o.Inodes = p, -1, 3000
	if o.Size == 0 {
		o.Size = 48 << 20
	}
	if slices.Contains(f.with, "inline_data") {
		// Linux 6.18 waits for itself where data leaves an inode while the log is full: a larger one does not fill.
		o.Profile.Args = append(slices.Clone(p.Args), "-J", "size=24")
		o.Size = max(o.Size, 72<<20)
	}
	o.Fill = func(dir string) error { // a directory of several blocks, with an index where there are such
		if err := errors.Join(os.Mkdir(dir+"/big", 0o755), os.Mkdir(dir+"/other", 0o755)); err != nil {
			return err
		}
		for i := range 400 {
			name := fmt.Sprintf("%s/big/%d-%s", dir, i, strings.Repeat("x", i%60))
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				return err
			}
			if i%4 == 0 { // what loses a name here has not been touched before
				if err := os.Link(name, fmt.Sprintf("%s/other/%d", dir, i)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return testimage.Ext4(t, o)
}

func TestTheKernelAndWeDoTheSame(t *testing.T) {
	testimage.RequireRoot(t)
	rounds, length := number(t, "BORINGBOOT_EXT4_ROUNDS", 1), number(t, "BORINGBOOT_EXT4_ACTIONS", defaultActions)
	seeds := rand.Uint64
	if s := os.Getenv("BORINGBOOT_EXT4_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = func() uint64 { return seed }
	}
	for _, f := range featureSets {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			d := newDifference(t, f)
			for range rounds {
				seed := seeds()
				d.judge(t, seed, newWorld(seed, d.block, d.known).actions(length/2, false))
				d.judge(t, seed, newWorld(seed+1, d.block, d.known).actions(length/2, !f.noTurns && f.kernelWithout == nil && f.blockSize == 0))
				if t.Failed() {
					return
				}
			}
		})
	}
}

// difference is one feature set's image and what is in it before.
type difference struct {
	original string
	kernels  string // its own original, which is the same but for features that the kernel does not have
	large    bool   // the kernel cannot mount original
	work     string
	block    int
	known    map[string]byte
	start    time.Time // of this test: what is later was touched
}

func newDifference(t *testing.T, f featureSet) *difference {
	t.Helper()
	d := &difference{original: f.image(t, nil, f.blockSize), large: f.blockSize != 0, work: filepath.Join(t.TempDir(), "work"), known: map[string]byte{}}
	d.kernels = d.original
	if f.kernelWithout != nil || d.large {
		d.kernels = f.image(t, f.kernelWithout, 0)
	}
	d.block = openFS(t, d.kernels).Info().BlockSize
	for name, n := range kernelTree(t, d.kernels) {
		if kind, ok := map[string]byte{"dir": 'd', "file": 'f'}[n.Type]; ok && name != "." && name != "lost+found" {
			d.known[name] = kind
		}
	}
	// Inodes of 128 bytes keep whole seconds.
	d.start = time.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(time.Until(d.start))
	return d
}

func (d *difference) judge(t *testing.T, seed uint64, list []action) {
	t.Helper()
	if t.Failed() {
		return
	}
	fault := d.compare(t, list)
	if fault == "" {
		return
	}
	short := d.shrink(t, list)
	var b strings.Builder
	for _, a := range short {
		fmt.Fprintf(&b, "  %v\n", a)
	}
	t.Errorf("BORINGBOOT_EXT4_SEED=%d BORINGBOOT_EXT4_ACTIONS=%d: %.3000s\nor, with %d actions: %.3000s\n%.3000s",
		seed, number(t, "BORINGBOOT_EXT4_ACTIONS", defaultActions), fault, len(short), d.compare(t, short), b.String())
}

// compare does the actions on two copies and says where they differ.
func (d *difference) compare(t *testing.T, list []action) string {
	t.Helper()
	kernel := slices.Clone(list)
	for i := range kernel {
		kernel[i].byKernel = true
	}
	wantKinds, err := d.do(t, d.kernels, kernel)
	if err != nil {
		return "the kernel's side: " + err.Error()
	}
	want := d.tree(t)
	kinds, err := d.do(t, d.original, list)
	if err != nil {
		return err.Error()
	}
	for i, a := range list {
		if kinds[i] != wantKinds[i] {
			return fmt.Sprintf("action %d, %v: the kernel says %q, we %q", i, a, wantKinds[i], kinds[i])
		}
	}
	var options []string
	if slices.ContainsFunc(list, func(a action) bool { return a.byKernel }) {
		options = testimage.KernelLeaves
	}
	if err := testimage.FsckErr(d.work, 0, options...); err != nil {
		return err.Error()
	}
	if d.large {
		return d.compareDump(t, want)
	}
	got := d.tree(t)
	if diff := cmp.Diff(want, got); diff != "" {
		return "the kernel's tree (-) and ours (+) differ:\n" + diff
	}
	return d.readBack(t)
}

// do does the actions on a new copy, each by the side that it says.
func (d *difference) do(t *testing.T, original string, list []action) (kinds []string, err error) {
	t.Helper()
	if err := copyFile(d.work, original); err != nil {
		t.Fatal(err)
	}
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(a action) bool { return a.byKernel != list[0].byKernel })
		if n < 0 {
			n = len(list)
		}
		turn := d.weDo
		if list[0].byKernel {
			turn = d.kernelDoes
		}
		part, err := turn(t, list[:n])
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, part...)
		list = list[n:]
	}
	return kinds, nil
}

func (d *difference) kernelDoes(t *testing.T, list []action) ([]string, error) {
	t.Helper()
	dir := testimage.MountRW(t, d.work, 0)
	defer testimage.Unmount(t, dir)
	// Reading a directory to remove what is in it is no access of ours.
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOATIME, ""); err != nil {
		t.Fatal(err)
	}
	return kernelDoes(dir, list)
}

var errRolledBack = errors.New("rolled back")

// weDo does the actions in as many updates as they say. Some of them are done
// and given up first, which must leave nothing.
func (d *difference) weDo(t *testing.T, list []action) (kinds []string, err error) {
	t.Helper()
	fsys, err := ext4.Open(openFile(t, d.work))
	if err != nil {
		return nil, err
	}
	for len(list) > 0 {
		group := list[0].update
		n := slices.IndexFunc(list, func(a action) bool { return a.update != group })
		if n < 0 {
			n = len(list)
		}
		options := []ext4.UpdateOption{ext4.WithTime(d.start), ext4.AcceptRisk()}
		if group%3 == 0 {
			options = append(options, ext4.WithoutJournal())
		}
		var part []string
		perform := func(tx *ext4.Tx) error {
			part = part[:0]
			for _, a := range list[:n] {
				part = append(part, kindOf(a.ours(tx)))
			}
			return nil
		}
		if group%5 == 0 {
			err := fsys.Update(func(tx *ext4.Tx) error { return errors.Join(perform(tx), errRolledBack) }, options...)
			if !errors.Is(err, errRolledBack) {
				return nil, err
			}
		}
		if err := fsys.Update(perform, options...); err != nil {
			return nil, fmt.Errorf("update %d (%v): %w", group, list[0], err)
		}
		kinds = append(kinds, part...)
		list = list[n:]
	}
	return kinds, nil
}

// state is what is compared of a path.
type state struct {
	testimage.Node
	Atime, Mtime, Ctime string
	Same                string // the first of the names of a file
	Flags               uint32
}

// tree reads the image through the kernel. Sizes of directories are a writer's
// choice; of times that are the clock's it is known that they are.
func (d *difference) tree(t *testing.T) map[string]state {
	t.Helper()
	dir := testimage.Mount(t, d.work, 0)
	defer testimage.Unmount(t, dir)
	nodes, fsys := testimage.Tree(t, dir), openFS(t, d.work)
	names := make([]string, 0, len(nodes))
	for name := range nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	tree := make(map[string]state, len(nodes))
	first := map[uint64]string{}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		if _, ok := first[st.Ino]; !ok {
			first[st.Ino] = name
		}
		s := state{Node: nodes[name], Same: first[st.Ino], Atime: d.when(st.Atim), Mtime: d.when(st.Mtim), Ctime: d.when(st.Ctim)}
		s.Node.Mtime = 0
		if s.Type == "dir" {
			s.Size = 0
		}
		info, err := fsys.Lstat(name) // the kernel tells flags of files and directories only
		if err != nil {
			t.Fatal(err)
		}
		s.Flags = info.Sys().(*ext4.Stat).Flags & flagsThatChange
		tree[name] = s
	}
	return tree
}

func (d *difference) when(ts unix.Timespec) string {
	at := time.Unix(ts.Unix())
	switch {
	case !at.Before(d.start):
		return "now"
	case at.After(d.start.Add(-24 * time.Hour)):
		return "before"
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// readBack compares the kernel's reading of the image with ours.
func (d *difference) readBack(t *testing.T) string {
	t.Helper()
	want := kernelTree(t, d.work)
	for name, n := range want {
		n.Device = 0
		if n.Type != "file" && n.Type != "dir" && n.Type != "symlink" {
			n.Type = "special"
		}
		want[name] = n
	}
	fsys := openFS(t, d.work)
	got := readerTree(t, fsys)
	for name, n := range got {
		if xattrs, err := xattrsOf(fsys, name); err != nil {
			return err.Error()
		} else {
			n.Xattrs = xattrs
		}
		if n.Type != "file" && n.Type != "dir" && n.Type != "symlink" {
			n.Type = "special"
		}
		got[name] = n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return "the kernel's reading (-) of what we wrote and ours (+) differ:\n" + diff
	}
	return ""
}

func xattrsOf(fsys *ext4.FS, name string) (map[string]string, error) {
	if info, err := fsys.Lstat(name); err != nil || info.Mode().Type() == fs.ModeSymlink {
		return nil, err
	}
	list, err := fsys.ListXattr(name)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	xattrs := map[string]string{}
	for _, attr := range list {
		value, err := fsys.Xattr(name, attr)
		if err != nil {
			return nil, err
		}
		xattrs[attr] = string(value)
	}
	return xattrs, nil
}

// shrink looks for a shorter sequence that fails as well, for a while.
func (d *difference) shrink(t *testing.T, list []action) []action {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for size := len(list) / 2; size > 0; {
		shorter := false
		for at := len(list) - size; at >= 0 && time.Now().Before(end); at -= size {
			without := slices.Concat(list[:at], list[at+size:])
			if d.compare(t, without) != "" {
				list, shorter = without, true
			}
		}
		if !shorter || size > len(list) {
			size = min(size, len(list)) / 2
		}
		if time.Now().After(end) {
			break
		}
	}
	return list
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
