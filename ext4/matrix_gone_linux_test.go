package ext4_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"golang.org/x/sys/unix"
)

// What was removed, replaced or cut off by us is nowhere in the image any more:
// not in blocks that became free, not behind the entries of a directory, not in
// slots of the inode table, not in the journal. It does not matter whether the
// kernel had written it or we.

// secret is a file, a name or an attribute that is not like anything else in the
// image, and what makes it go.
type secret struct {
	name string
	text string // what must not be found afterwards
	put  func(p planter) error
	gone func(tx *ext4.Tx, text string) error
}

// planter makes what is to be removed later: the kernel or we.
type planter interface {
	mkdir(name string) error
	write(name string, content []byte) error
	symlink(target, name string) error
	link(old, name string) error
	setxattr(name, attr, value string) error
}

type kernelPlants struct{ dir string }

func (k kernelPlants) path(name string) string           { return filepath.Join(k.dir, name) }
func (k kernelPlants) mkdir(name string) error           { return os.Mkdir(k.path(name), 0o755) }
func (k kernelPlants) symlink(target, name string) error { return os.Symlink(target, k.path(name)) }
func (k kernelPlants) link(old, name string) error       { return os.Link(k.path(old), k.path(name)) }
func (k kernelPlants) write(name string, content []byte) error {
	return os.WriteFile(k.path(name), content, 0o600)
}
func (k kernelPlants) setxattr(name, attr, value string) error {
	return unix.Setxattr(k.path(name), attr, []byte(value), 0)
}

type wePlant struct{ tx *ext4.Tx }

func (w wePlant) mkdir(name string) error { return w.tx.Mkdir(name, ext4.Attr{Mode: 0o755}) }
func (w wePlant) symlink(target, name string) error {
	return w.tx.Symlink(target, name, ext4.Attr{})
}
func (w wePlant) link(old, name string) error { return w.tx.Link(old, name) }
func (w wePlant) write(name string, content []byte) error {
	return w.tx.WriteFile(name, bytes.NewReader(content), ext4.Attr{Mode: 0o600})
}
func (w wePlant) setxattr(name, attr, value string) error {
	return w.tx.SetXattr(name, attr, []byte(value))
}

// filled is n bytes that are nothing but the text, again and again.
func filled(text string, n int) []byte { return []byte(strings.Repeat(text, n/len(text)+1)[:n]) }

func remove(name string) func(*ext4.Tx, string) error {
	return func(tx *ext4.Tx, _ string) error { return tx.Remove(name) }
}

func over(old, name string) func(*ext4.Tx, string) error {
	return func(tx *ext4.Tx, _ string) error { return tx.Rename(old, name) }
}

// secrets are made in the directory gone, which exists, as do gone/linear,
// gone/hashed with many names, and files a to e for what comes in their stead.
var secrets = func() []secret {
	file := func(name, path string, size int, gone func(*ext4.Tx, string) error) secret {
		return secret{name: name, text: "<data of " + path + ">", gone: gone,
			put: func(p planter) error { return p.write(path, filled("<data of "+path+">", size)) }}
	}
	attribute := func(name, path string, size int, gone func(*ext4.Tx, string) error) secret {
		return secret{name: name, text: "<value at " + path + ">", gone: gone, put: func(p planter) error {
			return errors.Join(p.write(path, []byte("x")), p.setxattr(path, "user.secret", string(filled("<value at "+path+">", size))))
		}}
	}
	named := func(name, path string, gone func(*ext4.Tx, string) error) secret {
		return secret{name: name, text: filepath.Base(path), gone: gone, put: func(p planter) error { return p.write(path, []byte("x")) }}
	}
	list := []secret{
		file("a file, removed", "gone/file", 20_000, remove("gone/file")),
		file("a small file, removed", "gone/small", 50, remove("gone/small")),
		file("a large file, removed", "gone/large", 700_000, remove("gone/large")),
		file("a file, replaced by name", "gone/replaced", 9000, over("gone/a", "gone/replaced")),
		file("a file, written anew", "gone/anew", 9000, func(tx *ext4.Tx, _ string) error { return wePlant{tx}.write("gone/anew", []byte("another")) }),
		file("a small file, written anew", "gone/tiny", 40, func(tx *ext4.Tx, _ string) error { return wePlant{tx}.write("gone/tiny", []byte("another")) }),
		file("a file, cut to nothing", "gone/nothing", 9000, func(tx *ext4.Tx, _ string) error { return tx.Truncate("gone/nothing", 0) }),
		{name: "the end of a file, cut off", text: "END OF A FILE",
			put: func(p planter) error {
				return p.write("gone/cut", append(bytes.Repeat([]byte{'x'}, 5000), filled("END OF A FILE", 9000)...))
			},
			gone: func(tx *ext4.Tx, _ string) error { return tx.Truncate("gone/cut", 5000) }},
		{name: "the end of a small file, cut off", text: "END OF A SMALL ONE",
			put:  func(p planter) error { return p.write("gone/cut-small", []byte("x END OF A SMALL ONE")) },
			gone: func(tx *ext4.Tx, _ string) error { return tx.Truncate("gone/cut-small", 2) }},
		named("a name, removed", "gone/linear/THE NAME OF A FILE THAT IS REMOVED", remove("gone/linear/THE NAME OF A FILE THAT IS REMOVED")),
		named("a name in a hashed directory, removed", "gone/hashed/A NAME BY ITS HASH", remove("gone/hashed/A NAME BY ITS HASH")),
		named("a name, changed", "gone/linear/THE OLD NAME", over("gone/linear/THE OLD NAME", "gone/linear/n")),
		named("a name, moved", "gone/hashed/A NAME FROM HERE TO THERE", over("gone/hashed/A NAME FROM HERE TO THERE", "gone/linear/moved")),
		named("a name in a directory that is removed", "gone/tree/below/A NAME DEEP DOWN",
			func(tx *ext4.Tx, _ string) error { return tx.RemoveAll("gone/tree") }),
		{name: "a directory's name", text: "THE NAME OF A DIRECTORY",
			put:  func(p planter) error { return p.mkdir("gone/THE NAME OF A DIRECTORY") },
			gone: remove("gone/THE NAME OF A DIRECTORY")},
		{name: "one of two names", text: "ONE OF TWO NAMES",
			put: func(p planter) error {
				return errors.Join(p.write("gone/two", []byte("x")), p.link("gone/two", "gone/linear/ONE OF TWO NAMES"))
			},
			gone: remove("gone/linear/ONE OF TWO NAMES")},
		attribute("an attribute in the inode, with its file", "gone/attribute", 25, remove("gone/attribute")),
		attribute("an attribute in a block, with its file", "gone/block", 500, remove("gone/block")),
		attribute("an attribute in the inode, removed", "gone/taken", 21,
			func(tx *ext4.Tx, _ string) error { return tx.RemoveXattr("gone/taken", "user.secret") }),
		attribute("an attribute in a block, removed", "gone/taken-block", 500,
			func(tx *ext4.Tx, _ string) error { return tx.RemoveXattr("gone/taken-block", "user.secret") }),
		attribute("an attribute, changed", "gone/changed", 23,
			func(tx *ext4.Tx, _ string) error { return tx.SetXattr("gone/changed", "user.secret", []byte("x")) }),
		attribute("an attribute in a block, changed", "gone/changed-block", 500,
			func(tx *ext4.Tx, _ string) error {
				return tx.SetXattr("gone/changed-block", "user.secret", bytes.Repeat([]byte("y"), 480))
			}),
		attribute("an attribute, with its file written anew", "gone/attribute-anew", 500,
			func(tx *ext4.Tx, _ string) error { return wePlant{tx}.write("gone/attribute-anew", nil) }),
		{name: "an attribute's name", text: "NAME OF AN ATTRIBUTE",
			put: func(p planter) error {
				return errors.Join(p.write("gone/named", nil), p.setxattr("gone/named", "user.NAME OF AN ATTRIBUTE", "v"))
			},
			gone: func(tx *ext4.Tx, _ string) error { return tx.RemoveXattr("gone/named", "user.NAME OF AN ATTRIBUTE") }},
	}
	for _, size := range []int{30, 59, 60, 300} {
		for _, way := range []string{"removed", "replaced"} {
			path := fmt.Sprintf("gone/link-%d-%s", size, way)
			s := secret{name: fmt.Sprintf("a symlink of %d bytes, %s", size, way), text: "<" + path, gone: remove(path)}
			if way == "replaced" {
				s.gone = over(fmt.Sprintf("gone/for-%d", size), path)
			}
			s.put = func(p planter) error { return p.symlink(string(filled(s.text, size)), path) }
			list = append(list, s)
		}
	}
	return list
}()

// plant makes all of it.
func plant(p planter) error {
	for _, dir := range []string{"gone", "gone/linear", "gone/hashed", "gone/tree", "gone/tree/below"} {
		if err := p.mkdir(dir); err != nil {
			return err
		}
	}
	for _, name := range []string{"a", "for-30", "for-59", "for-60", "for-300"} {
		if err := p.write("gone/"+name, []byte("instead")); err != nil {
			return err
		}
	}
	for i := range 100 {
		if err := p.write(fmt.Sprintf("gone/hashed/%d-%s", i, strings.Repeat("n", 100)), nil); err != nil {
			return err
		}
	}
	for _, s := range secrets {
		if err := s.put(p); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

var goneSets = []featureSet{
	{name: "what nixpkgs makes", profile: "nixos-4k"},
	{name: "indirect blocks", profile: "gdt-checksums-1k", without: []string{"extent"}},
	{name: "values in inodes", profile: "debian-1k", with: []string{"ea_inode"}},
	{name: "data in inodes", profile: "nixos-4k", with: []string{"inline_data"}},
	{name: "data in inodes of 1 KiB, values in inodes", profile: "debian-2k", with: []string{"inline_data", "ea_inode"}, inode: 1024},
	{name: "clusters", profile: "debian-1k", without: []string{"resize_inode"}, with: []string{"bigalloc"}, args: []string{"-C", "16384"}},
	{name: "no journal, no checksums", profile: "no-checksums-2k", without: []string{"has_journal"}},
}

func TestNothingOfWhatIsGoneStaysBehind(t *testing.T) {
	testimage.RequireRoot(t)
	for _, set := range goneSets {
		for _, by := range []string{"the kernel", "us"} {
			for _, way := range []string{"in place", "on a copy"} {
				t.Run(fmt.Sprintf("%s, written by %s, removed %s", set.name, by, way), func(t *testing.T) {
					t.Parallel()
					f := set
					f.options.Size = 16 << 20
					p := f.image(t, nil, 0)
					testimage.Check(t, p, 0)
					var opts []ext4.UpdateOption
					if way == "on a copy" {
						opts = append(opts, ext4.WithoutJournal())
					}
					if by == "us" {
						if err := update(p, updateTime, func(tx *ext4.Tx) error { return plant(wePlant{tx}) }, opts...); err != nil {
							t.Fatal(err)
						}
					} else {
						dir := testimage.MountRW(t, p, 0)
						if err := plant(kernelPlants{dir}); err != nil {
							t.Fatal(err)
						}
						testimage.Unmount(t, dir)
					}
					mustGo(t, p, opts)
				})
			}
		}
	}
}

// mustGo lets one secret after the other go, and looks for each while it is
// there and when it is not.
func mustGo(t *testing.T, path string, opts []ext4.UpdateOption) {
	t.Helper()
	image := readAll(t, path)
	for _, s := range secrets {
		if !bytes.Contains(image, []byte(s.text)) {
			t.Fatalf("%s is not found while it is there", s.name)
		}
	}
	before := freeBlocks(t, path)
	blockSize := openFS(t, path).Info().BlockSize
	for _, s := range secrets {
		if err := update(path, updateTime, func(tx *ext4.Tx) error { return s.gone(tx, s.text) }, opts...); err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		image = readAll(t, path)
		if at := bytes.Index(image, []byte(s.text)); at >= 0 {
			t.Errorf("%s: %q is still at byte %#x, in block %d", s.name, s.text, at, at/blockSize)
		}
	}
	freed := 0
	for b := range freeBlocks(t, path) {
		if before[b] {
			continue
		}
		freed++
		if block := image[b*blockSize:][:blockSize]; !bytes.Equal(block, make([]byte, blockSize)) {
			t.Errorf("block %d is free now and not zeroed: %.40x", b, block)
		}
	}
	if freed < 100 {
		t.Errorf("%d blocks became free", freed)
	}
}

var freeRange = regexp.MustCompile(`(\d+)(?:-(\d+))?`)

// freeBlocks are those that the bitmaps call free.
func freeBlocks(t *testing.T, path string) map[int]bool {
	t.Helper()
	free := map[int]bool{}
	for line := range strings.Lines(testimage.Dumpe2fs(t, path)) {
		list, ok := strings.CutPrefix(line, "  Free blocks: ")
		if !ok {
			continue
		}
		for _, m := range freeRange.FindAllStringSubmatch(list, -1) {
			first, err := strconv.Atoi(m[1])
			last := first
			if err == nil && m[2] != "" {
				last, err = strconv.Atoi(m[2])
			}
			if err != nil {
				t.Fatal(err)
			}
			for b := first; b <= last; b++ {
				free[b] = true
			}
		}
	}
	return free
}
