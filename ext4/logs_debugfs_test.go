package ext4

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// Logs that another writer made, debugfs: transactions at random over the blocks of one file, with copies that the same or a later
// transaction revokes and that come again, with blocks that begin with the journal's magic number, and at times without the last
// commit block. What is not the log or the superblock is then the same to the byte, whoever replays it.

// scripted is a sequence of transactions, as commands of debugfs.
type scripted struct {
	commands []string
	dir      string
	random   *rand.Rand
	blocks   []FSBlock
	size     int
}

// transaction adds one.
func (s *scripted) transaction(commit bool) {
	list := slices.Clone(s.blocks)
	s.random.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	write, revoke := list[:1+s.random.IntN(len(list))], list[:0:0]
	if s.random.IntN(2) == 0 {
		revoke = list[s.random.IntN(len(list)):] // some of which this transaction has, perhaps
	}
	var content []byte
	for range write {
		b := make([]byte, s.size)
		for i := range b {
			b[i] = byte(s.random.IntN(256))
		}
		if s.random.IntN(3) == 0 {
			format.JMagic.Set(b, format.JBD2Magic)
		}
		content = append(content, b...)
	}
	name := filepath.Join(s.dir, fmt.Sprint(len(s.commands)))
	if err := os.WriteFile(name, content, 0o600); err != nil {
		panic(err)
	}
	command := "journal_write -b " + commas(write)
	if len(revoke) > 0 {
		command += " -r " + commas(revoke)
	}
	if !commit {
		command += " -c"
	}
	s.commands = append(s.commands, command+" "+name)
	if len(revoke) > 0 { // debugfs forgets the revoke block when it looks for the log's end, unless it reads the log
		s.commands = append(s.commands, "journal_close", "journal_open")
	}
}

func commas(list []FSBlock) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ",")
}

// scriptedLog is an image with a log of random transactions.
func scriptedLog(t *testing.T, path, open string, random *rand.Rand) {
	t.Helper()
	v := openImage(t, path).view
	n, err := v.inode(Ino(inodeNumber(t, path, "f")))
	mustDo(t, err)
	s := &scripted{commands: []string{open}, dir: t.TempDir(), random: random, size: v.blockSize}
	for fb := FileBlock(0); uint64(fb)*uint64(v.blockSize) < n.Size(); fb++ {
		run, err := v.lookup(n, fb)
		mustDo(t, err)
		s.blocks = append(s.blocks, run.start)
	}
	count := 2 + random.IntN(8)
	for i := range count {
		s.transaction(i < count-1 || random.IntN(2) == 0)
	}
	testimage.DebugfsWrite(t, path, 0, append(s.commands, "journal_close")...)
}

// besidesLog is an image without its superblock's block and its log's.
func besidesLog(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	mustDo(t, err)
	v := openImage(t, path).view
	j, n, err := v.readJournal()
	mustDo(t, err, j.mapUpTo(v, n, j.Length))
	for at := range j.Length {
		p, err := j.place(at)
		mustDo(t, err)
		clear(b[int(p)*v.blockSize:][:v.blockSize])
	}
	clear(b[1024:2048])
	return b
}

func TestALogThatDebugfsWroteIsReplayedAsOthersDo(t *testing.T) {
	seed := rand.Uint64()
	var ran, revoked, escaped int
	for i, c := range []struct{ profile, features, open string }{
		{"no-checksums-1k", "", "journal_open"},
		{"no-checksums-4k", "64bit", "journal_open"},
		{"pi-gen-1k", "", "journal_open -c -v 2"},
		{"debian-2k", "", "journal_open -c -v 2"},
		{"pi-gen-1k", "", "journal_open -c -v 3"},
		{"nixos-4k", "", "journal_open -c -v 3"},
	} {
		for round := range 4 {
			t.Run(fmt.Sprint(c.profile, " ", c.open, " ", round), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, uint64(i*10+round)))
				path := testimage.Ext4(t, testimage.Options{Profile: changed(c.profile, c.features), StorePaths: -1, Size: 10 << 20, Inodes: 200, Fill: func(dir string) error {
					return os.WriteFile(filepath.Join(dir, "f"), pattern(40_000, 1), 0o644)
				}})
				scriptedLog(t, path, c.open, random)
				r := openImage(t, path).recovery
				if r.log == nil || r.log.Transactions == 0 {
					t.Fatalf("seed %d: there is no log", seed)
				}
				ran, revoked = ran+1, revoked+r.log.Revoked
				for _, copied := range r.log.Copies {
					if copied.Escaped {
						escaped++
					}
				}
				results := map[string][]byte{}
				for _, by := range []string{"we", "kernel", "e2fsck -p"} {
					its := snapshot(t, path)
					if err := judged(its, by); err != nil {
						t.Fatalf("seed %d: %s: %v", seed, by, err)
					}
					results[by] = besidesLog(t, its)
				}
				for _, by := range []string{"kernel", "e2fsck -p"} {
					if at := differFrom(results[by], results["we"]); at >= 0 {
						t.Errorf("seed %d: %s and we differ from byte %d on", seed, by, at)
					}
				}
			})
		}
	}
	if ran == 24 && (revoked == 0 || escaped == 0) {
		t.Errorf("seed %d: %d copies were revoked, %d escaped: nothing is shown of one of them", seed, revoked, escaped)
	}
}

// differFrom is where two images differ first, −1 where they do not.
func differFrom(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
