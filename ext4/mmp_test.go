package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// This file tests multiple mount protection: who is refused, and what others see while we write.

func mmpImage(tb testing.TB, profile, without string) string {
	p := testimage.ProfileNamed(profile)
	p.Features = strings.Replace(p.Features, without, "", 1) + ",mmp"
	return testimage.Ext4(tb, testimage.Options{Profile: p, StorePaths: -1, Linear: true, Size: 32 << 20, Inodes: 1000})
}

func mmpBlock(tb testing.TB, path string) format.MMP {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	sb := format.Superblock(b[1024:2048])
	return format.MMP(b[format.SMMPBlock.Get(sb)*1024<<format.SLogBlockSize.Get(sb):][:1024])
}

func writeOne(path string, opts ...UpdateOption) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fsys, err := Open(fileDevice{f})
	if err != nil {
		return err
	}
	return fsys.Update(func(tx *Tx) error {
		return tx.WriteFile("file", bytes.NewReader([]byte("content")), Attr{Mode: 0o600})
	}, append(opts, WithTime(writeTime))...)
}

func TestAFileSystemThatIsMountedIsRefused(t *testing.T) {
	path := mmpImage(t, "nixos-4k", "")
	testimage.Check(t, path, 0)
	dir := testimage.MountRW(t, path, 0)
	if err := writeOne(path); !errors.Is(err, ErrInUse) {
		t.Errorf("while the kernel has it mounted: %v", err)
	}
	testimage.Unmount(t, dir)
	if err := writeOne(path); err != nil {
		t.Errorf("after that: %v", err)
	}
	if m := mmpBlock(t, path); format.MMPSeq.Get(m) != format.MMPClean || m.Nodename() != "boringboot" || format.MMPTime.Get(m) != uint64(writeTime.Unix()) {
		t.Errorf("left behind: seq %#x, node %q, time %d", format.MMPSeq.Get(m), m.Nodename(), format.MMPTime.Get(m))
	}
	if err := testimage.MountErr(t, path); err != nil {
		t.Errorf("the kernel afterwards: %v", err)
	}
}

func TestWhatTheBlockOfMultipleMountProtectionSaysIsHonoured(t *testing.T) {
	seq := func(seq uint32) func(format.Superblock, format.MMP) {
		return func(_ format.Superblock, m format.MMP) { format.MMPSeq.Set(m, seq) }
	}
	at := func(block uint64) func(format.Superblock, format.MMP) {
		return func(sb format.Superblock, _ format.MMP) { format.SMMPBlock.Set(sb, block) }
	}
	for _, profile := range []string{"nixos-4k", "no-checksums-1k"} {
		path := mmpImage(t, profile, "")
		for _, test := range []struct {
			name  string
			spoil func(format.Superblock, format.MMP)
			want  error
		}{
			{"nobody uses it", seq(format.MMPClean), nil},
			{"mounted elsewhere", seq(0x1234), ErrInUse},
			{"the last number of one that is mounted", seq(format.MMPMaxSeq), ErrInUse},
			{"e2fsck at work", seq(format.MMPFsck), ErrInUse},
			{"a number of no meaning", seq(format.MMPFsck + 1), ErrCorrupt},
			{"no magic", func(_ format.Superblock, m format.MMP) { m[0] ^= 1 }, ErrCorrupt},
			{"a block beyond the end", at(32 << 20), ErrCorrupt},
			{"a block number of 64 bits", at(1<<63 + 1), ErrCorrupt},
			{"no block", at(0), ErrCorrupt},
		} {
			t.Run(test.name+" on "+profile, func(t *testing.T) {
				r := newRecorder(t, path)
				sb := format.Superblock(r.now[1024:2048])
				m := format.MMP(r.now[format.SMMPBlock.Get(sb)*1024<<format.SLogBlockSize.Get(sb):][:1024])
				test.spoil(sb, m)
				if sb.HasROCompat(format.ROCompatMetadataCsum) {
					sb.SetChecksum()
					m.KeepChecksum(sb.Seed())
				}
				if _, err := Open(r); !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			})
		}
	}
	t.Run("wrong checksum", func(t *testing.T) {
		r := newRecorder(t, mmpImage(t, "nixos-4k", ""))
		sb := format.Superblock(r.now[1024:2048])
		r.now[format.SMMPBlock.Get(sb)*4096+100] ^= 1
		if _, err := Open(r); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

// Whatever part of our writes reaches the disk, sector by sector, the kernel and e2fsck find a block that is valid, and says that
// the file system is in use from before the first change until after the last.
func TestTheFileSystemIsClaimedWhileItIsWritten(t *testing.T) {
	for _, test := range []struct {
		profile, without string
		option           UpdateOption
	}{{"nixos-4k", "", WithTime(writeTime)}, {"debian-1k", "has_journal,", AcceptRisk()}, {"no-checksums-1k", "", WithTime(writeTime)}} {
		t.Run(test.profile+" without "+test.without, func(t *testing.T) {
			path := mmpImage(t, test.profile, test.without)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			err = fsys.Update(func(tx *Tx) error { return tx.Mkdir("dir", Attr{Mode: 0o755}) }, WithTime(writeTime), test.option)
			if err != nil {
				t.Fatal(err)
			}
			at := int64(format.SMMPBlock.Get(fsys.view.sb)) * int64(fsys.view.blockSize)
			claimed := false
			for i, w := range r.log {
				if w.off == at {
					claimed = !claimed
					if len(w.data) != 512 || r.durable(i) != i || r.durable(i+1) != i+1 && i+1 < len(r.log) {
						t.Errorf("write %d, of the mark: %d bytes, %d and %d writes are durable", i, len(w.data), r.durable(i), r.durable(i+1))
					}
				} else if !claimed {
					t.Errorf("write %d, at %d, before the file system is claimed", i, w.off)
				}
				m := format.MMP(r.image(i+1, func(int) bool { return true })[at:][:1024])
				if fsys.view.metadataCsum && !m.ChecksumOK(fsys.view.seed) {
					t.Errorf("after write %d the mark's checksum is wrong", i)
				}
				if inUse := format.MMPSeq.Get(m) <= format.MMPMaxSeq; inUse != claimed {
					t.Errorf("after write %d the mark says %#x", i, format.MMPSeq.Get(m))
				}
			}
			if claimed || len(r.log) < 4 {
				t.Errorf("%d writes, and still claimed: %v", len(r.log), claimed)
			}
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			writes := len(r.log)
			if err := fsys.Update(func(tx *Tx) error { return nil }); err != nil || len(r.log) != writes {
				t.Errorf("an update of nothing: %v, %d writes", err, len(r.log)-writes)
			}
		})
	}
}

// The kernel takes over a file system that we were cut off from, after it has waited for the mark to move.
func TestTheKernelTakesOverWhatWeWereCutOffFrom(t *testing.T) {
	if testing.Short() {
		t.Skip("the kernel waits for more than 20 seconds")
	}
	testimage.RequireRoot(t)
	path := mmpImage(t, "debian-4k", "")
	r := newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.Update(func(tx *Tx) error { return tx.Mkdir("dir", Attr{Mode: 0o755}) }, WithTime(writeTime)); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, len(r.log) - 2} {
		t.Run(fmt.Sprintf("after write %d of %d", cut, len(r.log)), func(t *testing.T) {
			t.Parallel()
			image := path + fmt.Sprint(cut)
			writeImage(t, image, r.image(cut, func(int) bool { return true }))
			if err := writeOne(image); !errors.Is(err, ErrInUse) {
				t.Errorf("we ourselves: %v", err)
			}
			start := time.Now()
			if err := testimage.MountErr(t, image); err != nil {
				t.Errorf("the kernel: %v", err)
			}
			if time.Since(start) < 5*time.Second {
				t.Error("the kernel did not wait: is there no mark?")
			}
			testimage.Fsck(t, image, 0)
		})
	}
}

func TestACopyIsNotClaimed(t *testing.T) {
	path := mmpImage(t, "nixos-4k", "")
	testimage.Check(t, path, 0)
	before := string(mmpBlock(t, path))
	if err := writeOne(path, WithoutJournal()); err != nil {
		t.Fatal(err)
	}
	if string(mmpBlock(t, path)) != before {
		t.Error("the mark was changed")
	}
}

// A claim that comes too late: somebody else was faster.
func TestWhoIsFasterHasTheFileSystem(t *testing.T) {
	path := mmpImage(t, "nixos-4k", "")
	r := newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(format.SMMPBlock.Get(fsys.view.sb)) * int64(fsys.view.blockSize)
	m := format.MMP(r.now[at:][:1024])
	format.MMPSeq.Set(m, 77)
	m.KeepChecksum(fsys.view.seed)
	err = fsys.Update(func(tx *Tx) error { return tx.Mkdir("dir", Attr{Mode: 0o755}) })
	if !errors.Is(err, ErrInUse) || len(r.log) != 0 {
		t.Errorf("%v, %d writes", err, len(r.log))
	}
}
