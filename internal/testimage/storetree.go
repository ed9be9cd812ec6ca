package testimage

// The tree that images are filled with: what a NixOS root holds before its
// first boot, in small. The store has packages with programs, libraries, man
// pages and symlinks; sizes are chosen so that inline symlinks, files of no
// block, of one and of many are all there.

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// nixAlphabet is the alphabet of Nix' base 32 (no e, o, u, t).
const nixAlphabet = "0123456789abcdfghijklmnpqrsvwxyz"

// storeTime is the one modification time that a Nix store knows.
var storeTime = time.Unix(1, 0)

// storeTree writes the tree below dir. The same n gives the same tree.
func storeTree(dir string, n int) error {
	t := &treeWriter{root: dir, rnd: rand.New(rand.NewPCG(1, uint64(n)))}
	names := make([]string, n)
	for i := range names {
		names[i] = t.storeName(i)
	}
	for i, name := range names {
		t.storePath(i, name, names)
	}
	t.boot(names)
	var registration strings.Builder
	for i, name := range names {
		fmt.Fprintf(&registration, "/nix/store/%s\n%064x\n%d\n\n0\n", name, i, 1000+i)
	}
	t.file("nix-path-registration", []byte(registration.String()), 0o644)
	t.seal()
	return t.err
}

// treeWriter writes files until the first error and keeps it.
type treeWriter struct {
	root string
	rnd  *rand.Rand
	dirs []string
	err  error
}

func (t *treeWriter) storeName(i int) string {
	hash := make([]byte, 32)
	for j := range hash {
		hash[j] = nixAlphabet[t.rnd.IntN(len(nixAlphabet))]
	}
	return fmt.Sprintf("%s-package-%d.%d", hash, i, t.rnd.IntN(20))
}

// storePath writes one store path: every seventh is a single file, every 50th
// has a directory of many entries, the rest look like packages.
func (t *treeWriter) storePath(i int, name string, all []string) {
	base := "nix/store/" + name
	if i%7 == 3 {
		t.file(base, t.text(t.rnd.IntN(9000)), 0o444)
		return
	}
	t.dir(base, 0o555)
	t.dir(base+"/bin", 0o555)
	t.file(base+"/bin/run", t.text(1+t.rnd.IntN(30000)), 0o555)
	t.symlink("run", base+"/bin/alias")
	t.symlink("/nix/store/"+all[i-i%7]+"/bin/run", base+"/longer-than-an-inode-holds")
	t.dir(base+"/share", 0o555)
	t.file(base+"/share/empty", nil, 0o444)
	t.file(base+"/share/note", t.text(t.rnd.IntN(200)), 0o444)
	if i%10 == 0 {
		t.link(base+"/bin/run", base+"/share/hard-link")
	}
	if i%50 == 0 {
		t.dir(base+"/share/many", 0o555)
		for j := range 300 {
			t.symlink("../note", fmt.Sprintf("%s/share/many/entry-with-a-name-of-some-length-%04d", base, j))
		}
	}
}

func (t *treeWriter) boot(names []string) {
	t.dir("boot", 0o755)
	t.dir("boot/extlinux", 0o755)
	t.file("boot/extlinux/extlinux.conf", []byte("DEFAULT nixos\nLABEL nixos\n  LINUX ../nixos/kernel\n  APPEND init=/nix/store/"+names[0]+"/init\n"), 0o644)
	t.dir("boot/nixos", 0o755)
	t.file("boot/nixos/kernel", t.text(1<<20), 0o644)
}

// text is content of which every block is its own and nothing compresses to
// nothing.
func (t *treeWriter) text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = nixAlphabet[t.rnd.IntN(len(nixAlphabet))]
	}
	return b
}

func (t *treeWriter) do(op func() error) {
	if t.err == nil {
		t.err = op()
	}
}

func (t *treeWriter) path(name string) string { return filepath.Join(t.root, filepath.FromSlash(name)) }

func (t *treeWriter) dir(name string, mode fs.FileMode) {
	t.do(func() error {
		if err := os.MkdirAll(t.path(name), 0o755); err != nil {
			return err
		}
		t.dirs = append(t.dirs, name)
		if mode&0o200 == 0 {
			return nil // seal takes the write bit away, when the directory is full
		}
		return os.Chmod(t.path(name), mode)
	})
}

func (t *treeWriter) file(name string, content []byte, mode fs.FileMode) {
	t.do(func() error {
		if err := os.MkdirAll(filepath.Dir(t.path(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(t.path(name), content, 0o644); err != nil {
			return err
		}
		if err := os.Chmod(t.path(name), mode); err != nil {
			return err
		}
		return os.Chtimes(t.path(name), storeTime, storeTime)
	})
}

func (t *treeWriter) symlink(target, name string) {
	t.do(func() error { return os.Symlink(target, t.path(name)) })
}

func (t *treeWriter) link(old, name string) {
	t.do(func() error { return os.Link(t.path(old), t.path(name)) })
}

// seal gives directories of the store their mode and time, deepest first.
func (t *treeWriter) seal() {
	for i := len(t.dirs) - 1; i >= 0; i-- {
		t.do(func() error {
			path := t.path(t.dirs[i])
			if strings.HasPrefix(t.dirs[i], "nix/store/") {
				if err := os.Chmod(path, 0o555); err != nil {
					return err
				}
			}
			return os.Chtimes(path, storeTime, storeTime)
		})
	}
}

// removeTree removes a tree that holds directories without write permission.
func removeTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
