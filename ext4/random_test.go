package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// model is what random operations should have made: by path, without what directories have of sizes and links.
type model struct {
	rand  *rand.Rand
	nodes map[string]testimage.Node
	dirs  []string
	files []string
}

func (m *model) attr() Attr {
	return Attr{Mode: fs.FileMode(m.rand.IntN(0o1000)), UID: m.rand.Uint32N(1 << 20), GID: m.rand.Uint32N(1 << 20)}
}

// newName is a name in a random directory, short or long, that is not there yet.
func (m *model) newName() string {
	for {
		name := fmt.Sprintf("%x", m.rand.Uint64N(1<<20))
		for range m.rand.IntN(4) * m.rand.IntN(20) {
			name += "-ö"
		}
		name = path.Join(m.dirs[m.rand.IntN(len(m.dirs))], name)
		if _, there := m.nodes[name]; !there {
			return name
		}
	}
}

func (m *model) step(tx *Tx) error {
	a := m.attr()
	node := testimage.Node{Mode: uint32(a.Mode), UID: a.UID, GID: a.GID}
	switch k := m.rand.IntN(20); {
	case k < 4:
		name := m.newName()
		node.Type = "dir"
		m.nodes[name] = node
		m.dirs = append(m.dirs, name)
		return tx.Mkdir(name, a)
	case k < 6:
		name, target := m.newName(), string(bytes.Repeat([]byte("t"), 1+m.rand.IntN(120)))
		node.Type, node.Mode, node.Content = "symlink", 0o777, target
		m.nodes[name] = node
		return tx.Symlink(target, name, a)
	case k < 8 && len(m.files) > 0:
		name := m.files[m.rand.IntN(len(m.files))]
		n := m.nodes[name]
		n.Mode, n.UID, n.GID = node.Mode, node.UID, node.GID
		m.nodes[name] = n
		return errors.Join(tx.Chmod(name, a.Mode), tx.Chown(name, a.UID, a.GID))
	default:
		name := m.newName()
		if k < 11 && len(m.files) > 0 {
			name = m.files[m.rand.IntN(len(m.files))]
		} else {
			m.files = append(m.files, name)
		}
		size := m.rand.IntN(1 << (1 + m.rand.IntN(17)))
		content := pattern(size, byte(size))
		want := fileNode(content, node.Mode, node.UID, node.GID)
		node.Type, node.Content = want.Type, want.Content
		m.nodes[name] = node
		return tx.WriteFile(name, bytes.NewReader(content), a)
	}
}

// remove lets the kernel remove about a third of the files.
func (m *model) remove(t *testing.T, image string) {
	t.Helper()
	dir := testimage.MountRW(t, image, 0)
	defer testimage.Unmount(t, dir)
	m.files = slices.DeleteFunc(m.files, func(name string) bool {
		if m.rand.IntN(3) > 0 {
			return false
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
		delete(m.nodes, name)
		return true
	})
}

// TestRandomUpdates does what comes, in many updates of one image: e2fsck finds nothing after any of them, and in the end the
// kernel sees what was to be. BORINGBOOT_EXT4_ROUNDS makes it longer.
func TestRandomUpdates(t *testing.T) {
	rounds := 1
	if s := os.Getenv("BORINGBOOT_EXT4_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nixos-1k", "gdt-checksums-1k", "no-checksums-2k", "linear-1k", "pi-gen-4k"} {
		t.Run(name, func(t *testing.T) {
			for range rounds {
				seed := rand.Uint64()
				if !randomUpdates(t, name, seed) {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func randomUpdates(t *testing.T, profile string, seed uint64) bool {
	t.Helper()
	m := &model{rand: rand.New(rand.NewPCG(seed, 0)), nodes: map[string]testimage.Node{}, dirs: []string{"."}}
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 24 << 20, Inodes: 3000,
		BlocksPerGroup: 1024 * (1 + m.rand.IntN(8)), Stale: true})
	old := kernelTree(t, path)
	fsys := openImage(t, path)
	for round := range 12 {
		if m.rand.IntN(4) == 0 { // the kernel's turn, which leaves gaps
			m.remove(t, path)
			fsys = openImage(t, path)
		}
		var opts []UpdateOption
		if m.rand.IntN(2) == 0 {
			opts = append(opts, WithoutJournal())
		}
		steps := 1 + m.rand.IntN(80)
		err := fsys.Update(func(tx *Tx) error {
			for range steps {
				if err := m.step(tx); err != nil {
					return err
				}
			}
			return nil
		}, opts...)
		if err != nil {
			t.Errorf("round %d: %v", round, err)
			return false
		}
		if err := testimage.FsckErr(path, 0); err != nil {
			t.Errorf("round %d: %v", round, err)
			return false
		}
	}
	got := kernelTree(t, path)
	if diff := cmp.Diff(got, ourTree(t, fsys)); diff != "" {
		t.Errorf("the kernel's tree (-) and ours (+) differ:\n%.3000s", diff)
		return false
	}
	for name, n := range got {
		if _, there := old[name]; there {
			delete(got, name)
			continue
		}
		n.Size, n.Links, n.Mtime = 0, 0, 0
		got[name] = n
	}
	if diff := cmp.Diff(m.nodes, got); diff != "" {
		t.Errorf("what was done (-) and what the kernel reads (+) differ:\n%.3000s", diff)
		return false
	}
	return true
}
