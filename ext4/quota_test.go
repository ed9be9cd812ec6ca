package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// Quotas: e2fsck counts for itself what every user, group and project has and
// says so where a quota file differs, or has too few entries or too many.

func quotaImage(t *testing.T, profile string, changes ...string) string {
	t.Helper()
	o := of(profile, testimage.Options{Extended: "quotatype=usrquota:grpquota:prjquota", Inodes: 12000}, append(changes, "quota", "project")...)
	return testimage.Ext4(t, o)
}

var quotaLine = regexp.MustCompile(`(?m)^\s*(\d+)\s+(\d+)\s+\d+\s+\d+\s+(\d+)\s+\d+\s+\d+\s*$`)

// quotas are the entries of a quota file as debugfs lists them: bytes and inodes.
func quotas(t *testing.T, path, typ string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range quotaLine.FindAllStringSubmatch(testimage.Debugfs(t, path, 0, "list_quota "+typ), -1) {
		all[m[1]] = m[2] + " bytes, " + m[3] + " inodes"
	}
	return all
}

func mustSucceed(t *testing.T, path string, fn func(tx *ext4.Tx) error) {
	t.Helper()
	if err := update(path, updateTime, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
	testimage.Fsck(t, path, 0)
}

func TestQuotasFollowEveryOperation(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "debian-1k", "no-checksums-2k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := quotaImage(t, profile)
			testimage.Check(t, path, 0)
			bs := testimage.ProfileNamed(profile).BlockSize
			before := quotas(t, path, "user")
			data := func(n int) ext4.Content { return bytes.NewReader(noise(n)) }
			mustSucceed(t, path, func(tx *ext4.Tx) error {
				return errors.Join(
					tx.Mkdir("home", ext4.Attr{Mode: 0o755}),
					tx.Mkdir("home/a", ext4.Attr{Mode: 0o755, UID: 1000, GID: 100}),
					tx.WriteFile("home/a/f", data(10*bs), ext4.Attr{Mode: 0o644, UID: 1000, GID: 100}),
					tx.WriteFile("home/a/g", data(1), ext4.Attr{Mode: 0o644, UID: 1<<32 - 2, GID: 100}),
					tx.Symlink(strings.Repeat("l", 100), "home/a/l", ext4.Attr{UID: 1000, GID: 100}))
			})
			want := map[string]string{
				"0":          before["0"], // its own growth is compared by e2fsck
				"1000":       fmt.Sprintf("%d bytes, 3 inodes", 12*bs),
				"4294967294": fmt.Sprintf("%d bytes, 1 inodes", bs),
			}
			got := quotas(t, path, "user")
			want["0"] = got["0"]
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
			steps := []struct {
				name string
				do   func(tx *ext4.Tx) error
			}{
				{"given away", func(tx *ext4.Tx) error { return tx.Chown("home/a/f", 1001, 101) }},
				{"replaced with another owner", func(tx *ext4.Tx) error {
					return tx.WriteFile("home/a/g", data(3*bs+1), ext4.Attr{Mode: 0o600, UID: 7, GID: 8})
				}},
				{"cut", func(tx *ext4.Tx) error { return tx.Truncate("home/a/f", int64(bs)) }},
				{"linked and renamed", func(tx *ext4.Tx) error {
					return errors.Join(tx.Link("home/a/f", "home/f"), tx.Rename("home/a/l", "home/l"))
				}},
				{"an attribute in a block", func(tx *ext4.Tx) error {
					return tx.SetXattr("home/a/f", "user.large", noise(bs/2))
				}},
				{"given away with its block of attributes", func(tx *ext4.Tx) error { return tx.Chown("home/a/f", 1002, 102) }},
				{"removed", func(tx *ext4.Tx) error { return tx.RemoveAll("home") }},
			}
			for _, step := range steps {
				if err := update(path, updateTime, step.do); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				if err := testimage.FsckErr(path, 0); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
			}
			if diff := cmp.Diff(before, quotas(t, path, "user")); diff != "" {
				t.Errorf("users after all is removed (-want +got):\n%s", diff)
			}
		})
	}
}

// Thousands of ids: leaves fill, the tree and the file grow, and all of it is
// given back and used again.
func TestManyIDsEnterTheQuotaFilesAndLeaveThem(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "debian-1k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := quotaImage(t, profile)
			testimage.Check(t, path, 0)
			id := func(i int) uint32 { return uint32(i) * 2654435761 } // spread over all leaves and levels
			const n = 3000
			write := func(from, to int) func(tx *ext4.Tx) error {
				return func(tx *ext4.Tx) error {
					for i := from; i < to; i++ {
						a := ext4.Attr{Mode: 0o600, UID: id(i), GID: uint32(i)}
						if err := tx.WriteFile(fmt.Sprintf("%d", i), bytes.NewReader([]byte("x")), a); err != nil {
							return err
						}
					}
					return nil
				}
			}
			for from := 0; from < n; from += 500 {
				mustSucceed(t, path, write(from, from+500))
			}
			size := sizeOf(t, path, "<3>")
			for from := 0; from < n; from += 500 {
				mustSucceed(t, path, func(tx *ext4.Tx) error {
					for i := from; i < from+500; i++ {
						if i%3 == 0 {
							continue
						}
						if err := tx.Remove(fmt.Sprintf("%d", i)); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if got := len(quotas(t, path, "user")); got != n/3 {
				t.Errorf("%d users are left, want %d", got, n/3) // 0, which owns the root, is one of them
			}
			for from := 0; from < n; from += 500 {
				mustSucceed(t, path, func(tx *ext4.Tx) error {
					for i := from; i < from+500; i++ {
						if i%3 == 0 {
							continue
						}
						if err := tx.Mknod(fmt.Sprintf("%d", i), fs.ModeNamedPipe, 0, ext4.Attr{Mode: 0o600, UID: id(i), GID: uint32(i)}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if diff := cmp.Diff(size, sizeOf(t, path, "<3>")); diff != "" {
				t.Errorf("the same ids take more room the second time:\n%s", diff)
			}
		})
	}
}

var sizeField = regexp.MustCompile(`Size: (\d+)`)

func sizeOf(t *testing.T, path, inode string) string {
	t.Helper()
	m := sizeField.FindStringSubmatch(testimage.Debugfs(t, path, 0, "stat "+inode))
	if m == nil {
		t.Fatalf("debugfs says nothing of the size of %s", inode)
	}
	return m[1]
}

// A directory gives its flags, and if it says so its project, to what is made
// in it. This kernel mounts no file system with projects for writing: what it
// does is compared on one without.
func TestFlagsAndProjectsAreInherited(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes []string
		project int64
	}{
		{"project quotas", []string{"project", "quota"}, 77},
		{"projects without quotas", []string{"project"}, 77},
		{"flags as the kernel gives them", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := testimage.Options{After: [][]string{{"debugfs", "-w", "-R", "mkdir /p", "@"}, {"debugfs", "-w", "-R", "sif /p projid 77", "@"},
				{"debugfs", "-w", "-R", "sif /p flags 0x200900C8", "@"}, {"e2fsck", "-fy", "@"}}}
			if len(test.changes) == 2 {
				o.Extended = "quotatype=usrquota:grpquota:prjquota"
			}
			path := testimage.Ext4(t, of("nixos-4k", o, test.changes...))
			testimage.Check(t, path, 0)
			const projInherit, sync, nodump, noatime, dirsync = 0x20000000, 0x8, 0x40, 0x80, 0x10000
			a := ext4.Attr{Mode: 0o755}
			content := func() ext4.Content { return bytes.NewReader([]byte("x")) }
			if test.project == 0 {
				kernelMakes(t, path, "p/k")
			}
			mustSucceed(t, path, func(tx *ext4.Tx) error {
				return errors.Join(tx.Mkdir("p/o", a), tx.Mkdir("p/o/dir", a), tx.WriteFile("p/o/file", content(), a), tx.Symlink("x", "p/o/symlink", a),
					tx.Mknod("p/o/fifo", fs.ModeNamedPipe, 0, ext4.Attr{Mode: 0o644}), tx.WriteFile("outside", content(), a))
			})
			dir := int64(projInherit | sync | nodump | noatime | dirsync)
			for name, want := range map[string]int64{"": dir, "/dir": dir, "/file": sync | nodump | noatime, "/symlink": nodump | noatime, "/fifo": nodump | noatime} {
				got := flagsAndProject(t, path, "/p/o"+name)
				if got[0]&^0x80000 != want || got[1] != test.project {
					t.Errorf("p/o%s: flags %#x, project %d; want flags %#x", name, got[0], got[1], want)
				}
				if test.project == 0 {
					if diff := cmp.Diff(flagsAndProject(t, path, "/p/k"+name), got); diff != "" {
						t.Errorf("p/o%s: flags and project (-kernel's +ours):\n%s", name, diff)
					}
				}
			}
			if got := flagsAndProject(t, path, "/outside"); got[1] != 0 {
				t.Errorf("outside: project %d", got[1])
			}
			if test.project != 0 {
				mustRefuse(t, path, func(tx *ext4.Tx) error { return tx.Rename("outside", "p/inside") }, ext4.ErrUnsupported)
				mustRefuse(t, path, func(tx *ext4.Tx) error { return tx.Link("outside", "p/inside") }, ext4.ErrUnsupported)
			}
			mustSucceed(t, path, func(tx *ext4.Tx) error { return tx.Rename("p/o/file", "from-inside") })
		})
	}
}

func kernelMakes(t *testing.T, path, dir string) {
	t.Helper()
	root := testimage.MountRW(t, path, 0)
	defer testimage.Unmount(t, root)
	at := filepath.Join(root, dir)
	err := errors.Join(os.Mkdir(at, 0o755), os.Mkdir(at+"/dir", 0o755), os.WriteFile(at+"/file", []byte("x"), 0o755), os.Symlink("x", at+"/symlink"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := testimage.Command(t, "mkfifo", at+"/fifo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

var flagsLine = regexp.MustCompile(`Flags: (0x[0-9a-f]+)[^§]*Project: +(\d+)`)

func flagsAndProject(t *testing.T, path, name string) [2]int64 {
	t.Helper()
	m := flagsLine.FindStringSubmatch(testimage.Debugfs(t, path, 0, "stat "+name))
	if m == nil {
		t.Fatalf("debugfs says nothing of the flags of %s", name)
	}
	var got [2]int64
	if _, err := fmt.Sscanf(m[1]+" "+m[2], "%v %d", &got[0], &got[1]); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDamagedQuotaFilesAreRefused(t *testing.T) {
	path := quotaImage(t, "no-checksums-4k")
	clean, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^(\d+)`).FindString(testimage.Debugfs(t, path, 0, "blocks <3>"))
	first, err := strconv.ParseInt(m, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	le16, le32, le64 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	// The root leads to block 2, that to 3, that to 4, that to the leaf, 5.
	tests := []struct {
		name  string
		spoil func(q []byte)
	}{
		{"no magic", func(q []byte) { q[0] ^= 1 }},
		{"another revision", func(q []byte) { le32(q[4:], 0) }},
		{"no blocks", func(q []byte) { le32(q[20:], 0) }},
		{"more blocks than the file has", func(q []byte) { le32(q[20:], 1000) }},
		{"fewer blocks than are in use", func(q []byte) { le32(q[20:], 3) }},
		{"free blocks begin beyond the end", func(q []byte) { le32(q[24:], 1<<31) }},
		{"leaves with room begin beyond the end", func(q []byte) { le32(q[28:], 6) }},
		{"leaves with room begin at the root", func(q []byte) { le32(q[28:], 1) }},
		{"leaves with room begin at a node", func(q []byte) { le32(q[28:], 4) }},
		{"the root leads beyond the end", func(q []byte) { le32(q[1024:], 6) }},
		{"the root leads to the header", func(q []byte) { le32(q[1024:], 1) }},
		{"a node leads to its parent", func(q []byte) { le32(q[3072:], 2) }},
		{"a leaf with too many entries", func(q []byte) { le16(q[5*1024+8:], 15) }},
		{"a leaf that counts wrong", func(q []byte) { le16(q[5*1024+8:], 13) }},
		{"an entry is gone", func(q []byte) { clear(q[5*1024+16:][:72]) }},
		{"an entry of another id", func(q []byte) { le32(q[5*1024+16:], 5) }},
		{"less in use than is removed", func(q []byte) { le64(q[5*1024+16+48:], 0) }},
		{"fewer inodes than are removed", func(q []byte) { le64(q[5*1024+16+24:], 0) }},
		{"more in use than there can be", func(q []byte) { le64(q[5*1024+16+48:], 1<<63) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bytes.Clone(clean)
			test.spoil(b[first*4096:])
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, path, func(tx *ext4.Tx) error {
				return errors.Join(tx.RemoveAll("nix"), tx.WriteFile("new", bytes.NewReader(nil), ext4.Attr{UID: 5}))
			}, ext4.ErrCorrupt)
		})
	}
}
