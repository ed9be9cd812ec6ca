package ext4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// What the matrix tests share: an update as a list of operations, a prediction
// of the tree that it must lead to, and the comparison of that prediction with
// what the kernel and e2fsck say of the image.

// updateTime has nanoseconds, and a year that 32 signed bits cannot hold.
var updateTime = time.Unix(1<<32+1_234_567, 987_654_321)

// imageFile is an image file as an ext4.Device. The judges read it through the
// same page cache, so that there is nothing to wait for in Sync.
type imageFile struct{ *os.File }

func (f imageFile) Sync() error { return nil }

func (f imageFile) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

func openFile(tb testing.TB, path string) imageFile {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return imageFile{f}
}

func openFS(tb testing.TB, path string) *ext4.FS {
	tb.Helper()
	fsys, err := ext4.Open(openFile(tb, path))
	if err != nil {
		tb.Fatalf("ext4.Open: %v", err)
	}
	return fsys
}

// update opens the image anew and runs fn in an update of it.
func update(path string, at time.Time, fn func(tx *ext4.Tx) error, opts ...ext4.UpdateOption) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fsys, err := ext4.Open(imageFile{f})
	if err != nil {
		return fmt.Errorf("ext4.Open: %w", err)
	}
	return fsys.Update(fn, append(opts, ext4.WithTime(at), ext4.AcceptRisk())...)
}

// op is one operation of an update.
type op struct {
	do      string // "mkdir", "file" or "symlink"
	name    string
	content []byte
	target  string
	attr    ext4.Attr
}

func mkdir(name string, mode fs.FileMode) op {
	return op{do: "mkdir", name: name, attr: ext4.Attr{Mode: mode}}
}

func file(name string, content []byte, mode fs.FileMode) op {
	return op{do: "file", name: name, content: content, attr: ext4.Attr{Mode: mode}}
}

func symlink(target, name string) op {
	return op{do: "symlink", name: name, target: target, attr: ext4.Attr{Mode: 0o777}}
}

func (o op) owned(uid, gid uint32) op {
	o.attr.UID, o.attr.GID = uid, gid
	return o
}

func run(tx *ext4.Tx, ops []op) error {
	for _, o := range ops {
		var err error
		switch o.do {
		case "mkdir":
			err = tx.Mkdir(o.name, o.attr)
		case "file":
			err = tx.WriteFile(o.name, bytes.NewReader(o.content), o.attr)
		case "symlink":
			err = tx.Symlink(o.target, o.name, o.attr)
		default:
			err = errors.New("no such operation")
		}
		if err != nil {
			return fmt.Errorf("%s %.40q: %w", o.do, o.name, err)
		}
	}
	return nil
}

// touched stands for the size of a directory that got entries: how many blocks
// it takes is the writer's choice.
const touched = -1

// predict returns the tree that ops at that time make of a tree.
func predict(before map[string]testimage.Node, ops []op, at time.Time) map[string]testimage.Node {
	tree := make(map[string]testimage.Node, len(before)+len(ops))
	for name, node := range before {
		tree[name] = node
	}
	for _, o := range ops {
		node := testimage.Node{
			Mode:  unixMode(o.attr.Mode),
			UID:   o.attr.UID,
			GID:   o.attr.GID,
			Links: 1,
			Mtime: at.UnixNano(),
		}
		switch o.do {
		case "mkdir":
			node.Type, node.Size, node.Links = "dir", touched, 2
		case "file":
			node.Type, node.Size, node.Content = "file", int64(len(o.content)), sum(o.content)
		case "symlink":
			node.Type, node.Size, node.Content = "symlink", int64(len(o.target)), o.target
		}
		_, replaced := tree[o.name]
		tree[o.name] = node
		parent := tree[path.Dir(o.name)]
		parent.Size, parent.Mtime = touched, at.UnixNano()
		if node.Type == "dir" {
			parent.Links++
		}
		if replaced {
			// Whether replacing a file touches its directory is the writer's choice.
			parent.Mtime = touched
		}
		tree[path.Dir(o.name)] = parent
	}
	return tree
}

func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// compareTrees fails the test where got is not what was predicted.
func compareTrees(tb testing.TB, want, got map[string]testimage.Node) {
	tb.Helper()
	wrong := 0
	report := func(format string, args ...any) {
		tb.Helper()
		if wrong++; wrong <= 10 {
			tb.Errorf(format, args...)
		}
	}
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			report("%.80q is missing", name)
			continue
		}
		if w.Size == touched && w.Type == "dir" {
			if g.Size <= 0 || g.Size%4 != 0 {
				report("directory %.80q has %d bytes", name, g.Size)
			}
			g.Size = touched
		}
		if w.Mtime == touched {
			g.Mtime = touched
		}
		if diff := cmp.Diff(w, g); diff != "" {
			report("%.80q (-want +got):\n%s", name, diff)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			report("%.80q is there and should not be", name)
		}
	}
	if wrong > 10 {
		tb.Errorf("and %d more differences", wrong-10)
	}
}

// kernelTree mounts the image, reads all of it and unmounts it.
func kernelTree(tb testing.TB, path string) map[string]testimage.Node {
	tb.Helper()
	dir := testimage.Mount(tb, path, 0)
	defer testimage.Unmount(tb, dir)
	return testimage.Tree(tb, dir)
}

// mustUpdate runs ops in one update and has e2fsck, the kernel and our own
// reader look at what came of it.
func mustUpdate(t *testing.T, path string, ops []op, opts ...ext4.UpdateOption) {
	t.Helper()
	testimage.RequireRoot(t)
	before := kernelTree(t, path)
	if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, ops) }, opts...); err != nil {
		t.Fatalf("Update: %v", err)
	}
	testimage.Fsck(t, path, 0)
	compareTrees(t, predict(before, ops, updateTime), kernelTree(t, path))
	readBack(t, path, ops)
}

// readBack reads the last state of everything that ops wrote through ext4.FS.
func readBack(t *testing.T, path string, ops []op) {
	t.Helper()
	fsys := openFS(t, path)
	last := map[string]op{}
	for _, o := range ops {
		last[o.name] = o
	}
	for name, o := range last {
		switch o.do {
		case "file":
			got, err := fsys.ReadFile(name)
			if err != nil || !bytes.Equal(got, o.content) {
				t.Errorf("ReadFile(%.80q): %d bytes, %v; want %d bytes", name, len(got), err, len(o.content))
			}
		case "symlink":
			got, err := fsys.ReadLink(name)
			if err != nil || got != o.target {
				t.Errorf("ReadLink(%.80q) = %.80q, %v; want %.80q", name, got, err, o.target)
			}
		case "mkdir":
			info, err := fsys.Lstat(name)
			if err != nil || !info.IsDir() || info.Mode().Perm() != o.attr.Mode.Perm() {
				t.Errorf("Lstat(%.80q): %v, %v", name, info, err)
			}
		}
	}
}

// mustRefuse expects an update to fail with one of the errors and to leave every
// byte of the image as it was. It returns the error.
func mustRefuse(t *testing.T, path string, fn func(tx *ext4.Tx) error, kinds ...error) error {
	t.Helper()
	before := testimage.Snapshot(t, path)
	err := update(path, updateTime, fn)
	if err == nil {
		t.Errorf("no error, want one of %v", kinds)
	} else if !isOneOf(err, kinds) {
		t.Errorf("error %q, want one of %v", err, kinds)
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
	return err
}

func isOneOf(err error, kinds []error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return len(kinds) == 0
}

// noise is n bytes without a pattern, the same for the same n.
func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	src.Read(b)
	return b
}

var statField = regexp.MustCompile(`(Mode|User|Group|Size|Links): +(\d+)`)

// debugfsStat is what debugfs says of an inode, as far as it is compared.
func debugfsStat(tb testing.TB, path, name string) map[string]int64 {
	tb.Helper()
	out := testimage.Debugfs(tb, path, 0, "stat \"/"+name+"\"")
	fields := map[string]int64{}
	for _, m := range statField.FindAllStringSubmatch(out, -1) {
		base := 10
		if m[1] == "Mode" {
			base = 8
		}
		n, err := strconv.ParseInt(m[2], base, 64)
		if err != nil {
			tb.Fatal(err)
		}
		if _, ok := fields[m[1]]; !ok { // "Fragment: … Size: 0" comes later
			fields[m[1]] = n
		}
	}
	return fields
}

// superblock returns a number that debugfs' stats command shows ("Free blocks").
func superblock(tb testing.TB, path, field string) int {
	tb.Helper()
	for line := range strings.Lines(testimage.Debugfs(tb, path, 0, "stats -h")) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Fatalf("debugfs says nothing of %q", field)
	return 0
}
