package main_test

// What we change of an image is explained by its files, on every kind of file system: verify-image compares it with the original, and
// looks for the secrets everywhere.

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestWhatWeChangeIsExplained(t *testing.T) {
	profiles := append([]testimage.Profile{}, testimage.Profiles...)
	for _, more := range []string{"inline_data", "bigalloc", "quota", "meta_bg,^resize_inode", "fast_commit", "ea_inode", "^flex_bg"} {
		p := testimage.ProfileNamed("debian-4k")
		p.Name, p.Features = "debian-4k with "+more, p.Features+","+more
		if more == "bigalloc" {
			p.Args = []string{"-C", "16384"}
		}
		profiles = append(profiles, p)
	}
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20, Size: 64 << 20, Inodes: 2000})
			w := newWorkplace(t)
			explained := func(what, changed string) {
				t.Helper()
				testimage.Fsck(t, w.path(changed), 0)
				f := w.run("verify-image", changed, "--secrets", "secrets/bastet.yaml", "--before", image)
				if f.code != 0 {
					t.Errorf("%s: exit code %d\n%s%s", what, f.code, f.stdout, f.stderr)
				}
			}
			w.sh("cp", "--sparse=always", image, "work.img")
			w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml")
			explained("in place", "work.img")
			w.must(0, "boringboot", "inject", image, "-o", "copy.img", "--secrets", "secrets/bastet.yaml")
			explained("on a copy", "copy.img")
			// A file that was replaced: the original has another host's.
			w.write("stale", []byte(strings.Repeat("stale\n", 1000)))
			w.must(0, "boringboot", "inject", image, "-o", "stale.img", "--file", "stale:/var/lib/networkmanager/system-connections.env:0600")
			w.sh("cp", "--sparse=always", "stale.img", "new.img")
			w.must(0, "boringboot", "inject", "new.img", "--overwrite", "--secrets", "secrets/bastet.yaml")
			testimage.Fsck(t, w.path("new.img"), 0)
			f := w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", "stale.img")
			if f.code != 0 {
				t.Errorf("replaced in place: exit code %d\n%s%s", f.code, f.stdout, f.stderr)
			}
		})
	}
}

// Files that become one leave inodes that are freed: also where an inode is no longer than 128 bytes.
func TestInodesThatAreGoneAreExplained(t *testing.T) {
	for _, size := range []int{128, 256} {
		p := testimage.Profile{Name: "gone", Features: "has_journal,filetype,sparse_super,extent,64bit", BlockSize: 4096, InodeSize: size}
		image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
		w := newWorkplace(t)
		w.write("old", []byte("old"))
		testimage.DebugfsWrite(t, image, 0, "mkdir /srv", "mkdir /srv/q", "write "+w.path("old")+" /srv/q/a", "write "+w.path("old")+" /srv/q/b", "write "+w.path("old")+" /srv/c")
		w.write("root/srv/q/a", []byte("new"))
		for _, name := range []string{"root/srv/q/b", "root/srv/c"} {
			if err := os.Link(w.path("root/srv/q/a"), w.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		w.sh("cp", "--sparse=always", image, "new.img")
		w.must(0, "boringboot", "inject", "new.img", "--tree", "root", "--overwrite")
		w.write("files.yaml", []byte("version: 1\nfiles:\n"+
			"  - { path: /srv/q/a, mode: \"0600\", from: { file: root/srv/q/a } }\n"+
			"  - { path: /srv/q/b, mode: \"0600\", from: { file: root/srv/q/a } }\n"+
			"  - { path: /srv/c, mode: \"0600\", from: { file: root/srv/q/a } }\n"))
		f := w.run("verify-image", "new.img", "--manifest", "files.yaml", "--before", image)
		if f.code != 0 {
			t.Errorf("inodes of %d bytes: exit code %d\n%s%s", size, f.code, f.stdout, f.stderr)
		}
	}
}

// A file that was there keeps its attributes as they were, but for what an access control list has of its mode; so do directories above,
// also where they are in their inode.
func TestAnAttributeThatIsKeptHasItsValue(t *testing.T) {
	const key = "/var/lib/bootstrap/ssh_host_ed25519_key"
	for _, c := range []struct {
		name, features string
		inodeSize      int
	}{{"in the inode", "", 256}, {"in a block", "", 128}, {"beside data in the inode", ",inline_data", 256}} {
		t.Run(c.name, func(t *testing.T) {
			p := testimage.Profile{Name: "kept", Features: "has_journal,ext_attr,filetype,sparse_super,extent,64bit,metadata_csum" + c.features, BlockSize: 4096, InodeSize: c.inodeSize}
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
			w := newWorkplace(t)
			testimage.DebugfsWrite(t, image, 0, "mkdir /var", "mkdir /srv")
			w.must(0, "boringboot", "inject", image, "-o", "old.img", "--secrets", "secrets/bastet.yaml")
			// user::rw- user:5:rwx group::r-- mask::rwx other::r--
			w.write("acl", []byte("\x01\x00\x00\x00\x01\x00\x06\x00\x02\x00\x07\x00\x05\x00\x00\x00\x04\x00\x04\x00\x10\x00\x07\x00\x20\x00\x04\x00"))
			w.write("evil", []byte("\x01\x00\x00\x00\x01\x00\x06\x00\x02\x00\x07\x00\x06\x00\x00\x00\x04\x00\x04\x00\x10\x00\x00\x00\x20\x00\x00\x00"))
			testimage.DebugfsWrite(t, w.path("old.img"), 0, "ea_set "+key+" user.x AAAAAAAA", "ea_set -r -f "+w.path("acl")+" "+key+" system.posix_acl_access",
				"set_inode_field "+key+" mode 0100674", "ea_set /srv user.x AAAAAAAA",
				"rm /var/lib/networkmanager/system-connections.env", "rmdir /var/lib/networkmanager", "ea_set /var/lib user.x AAAAAAAA")
			testimage.Fsck(t, w.path("old.img"), 0)
			w.sh("cp", "--sparse=always", "old.img", "new.img")
			w.must(0, "boringboot", "inject", "new.img", "--overwrite", "--secrets", "secrets/bastet.yaml")
			testimage.Fsck(t, w.path("new.img"), 0)
			for _, change := range []struct{ command, want string }{
				{"", ""},
				{"ea_set " + key + " user.x BBBBBBBB", "the extended attributes of inode"},
				{"ea_set " + key + " user.x BBBB", "the extended attributes of inode"},
				{"ea_rm " + key + " user.x", ""},
				{"ea_set -r -f " + w.path("evil") + " " + key + " system.posix_acl_access", "the extended attributes of inode"},
				{"ea_set " + key + " security.capability abcdefgh", "the extended attributes of inode"},
				{"ea_set /var/lib user.y value", "nothing explains"},
				{"ea_set /var/lib user.x BBBBBBBB", "nothing explains"},
				{"ea_set /srv user.x BBBBBBBB", "nothing explains"},
			} {
				w.sh("cp", "--sparse=always", "new.img", "changed.img")
				if change.command != "" {
					testimage.DebugfsWrite(t, w.path("changed.img"), 0, change.command)
					w.clearLog("changed.img")
				}
				testimage.Fsck(t, w.path("changed.img"), 0)
				f := w.run("verify-image", "changed.img", "--secrets", "secrets/bastet.yaml", "--before", "old.img")
				if want := min(len(change.want), 1); strings.Contains(f.stdout, "nothing explains") != (want == 1) || !strings.Contains(f.stdout, change.want) {
					t.Errorf("%q: exit code %d, want %q\n%s%s", change.command, f.code, change.want, f.stdout, f.stderr)
				}
			}
		})
	}
}

// What a transaction before the last one has left behind that is explained; what only looks like it, in blocks that no transaction has reached, is not.
func TestWhatTransactionsBeforeTheLastLeaveIsExplained(t *testing.T) {
	for _, c := range []struct{ name, journal string }{{"without checksums", ""}, {"with checksums of version 2", "2"}, {"with checksums of version 3", "3"}} {
		t.Run(c.name, func(t *testing.T) {
			const directories = 150 // more blocks than one descriptor names
			p := testimage.Profile{Name: "several", Features: "has_journal,filetype,sparse_super,extent,64bit,metadata_csum", BlockSize: 1024, InodeSize: 256}
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
			w := newWorkplace(t)
			var commands []string
			files := "version: 1\nfiles:\n"
			for i := range directories {
				dir := "/d" + strconv.Itoa(i)
				commands = append(commands, "mkdir "+dir)
				files += "  - { path: " + dir + "/file, mode: \"0600\", from: { file: root" + dir + "/file } }\n"
				w.write("root"+dir+"/file", []byte(dir))
			}
			if c.journal != "" {
				commands = append(commands, "jo -c -v "+c.journal, "jc")
			}
			testimage.DebugfsWrite(t, image, 0, commands...)
			w.write("more/d0/more", []byte("more"))
			w.write("files.yaml", []byte(files+"  - { path: /d0/more, mode: \"0600\", from: { file: more/d0/more } }\n"))
			w.sh("cp", "--sparse=always", image, "new.img")
			w.must(0, "boringboot", "inject", "new.img", "--tree", "root")
			w.must(0, "boringboot", "inject", "new.img", "--tree", "more")
			l := w.logOf("new.img", 1024)
			old, frames := l.read(1), []int{}
			for at := 1; at < directories*2; at++ {
				if bytes.HasPrefix(l.read(at), old[:4]) {
					frames = append(frames, at)
				}
			}
			if len(frames) < 4 {
				t.Fatalf("descriptors and commit blocks at %d: nothing is left of the first transaction", frames)
			}
			descriptor, commit := l.read(frames[2]), l.read(frames[len(frames)-1])
			for _, change := range []struct {
				name  string
				at    int
				bytes []byte
				want  int
			}{
				{"nothing", 1000, nil, 0},
				{"its descriptor again", frames[len(frames)-1] + 1, descriptor, 1},
				{"its descriptor elsewhere", 800, descriptor, 1},
				{"its commit block again", frames[len(frames)-1] + 1, commit, 1},
				{"its commit block elsewhere", 800, commit, 1},
				{"a copy of metadata elsewhere", 800, l.read(frames[1] + 2), 1},
				{"a descriptor with other bytes", frames[2], append(bytes.Clone(descriptor[:900]), bytes.Repeat([]byte("text"), 31)...), 1},
				{"another copy", frames[2] + 1, bytes.Repeat([]byte("text"), 256), 1},
			} {
				w.sh("cp", "--sparse=always", "new.img", "changed.img")
				testimage.WriteAt(t, w.path("changed.img"), l.at(change.at), change.bytes)
				testimage.Fsck(t, w.path("changed.img"), 0)
				f := w.run("verify-image", "changed.img", "--manifest", "files.yaml", "--before", image)
				if f.code != change.want || strings.Contains(f.stdout, "no piece of a transaction") != (change.want == 1) {
					t.Errorf("%s: exit code %d, want %d\n%s", change.name, f.code, change.want, f.stderr)
				}
			}
		})
	}
}

// An update that is larger than the log goes through it in several transactions, in blocks that the journal is lent.
func TestWhatAnUpdateLargerThanTheLogLeavesIsExplained(t *testing.T) {
	for _, features := range []string{"has_journal,filetype,sparse_super,extent,64bit,metadata_csum", "has_journal,filetype,sparse_super"} {
		t.Run(features, func(t *testing.T) {
			const files = 1400 // each with a block of the inode tables, of which there are more than the log has
			p := testimage.Profile{Name: "large", Features: features, BlockSize: 1024, InodeSize: 1024, Args: []string{"-J", "size=1"}}
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 32 << 20, Inodes: 2000})
			w := newWorkplace(t)
			var list strings.Builder
			list.WriteString("version: 1\nfiles:\n")
			for i := range files {
				name := "/srv/" + strconv.Itoa(i)
				w.write("root"+name, []byte(name))
				list.WriteString("  - { path: " + name + ", mode: \"0640\", from: { file: root" + name + " } }\n")
			}
			w.write("files.yaml", []byte(list.String()))
			w.sh("cp", "--sparse=always", image, "old.img")
			w.must(0, "boringboot", "inject", "old.img", "--tree", "root")
			w.sh("cp", "--sparse=always", "old.img", "new.img")
			w.sh("chmod", "-R", "u=rwX,g=rX,o=", "root")
			w.must(0, "boringboot", "inject", "new.img", "--tree", "root", "--overwrite")
			testimage.Fsck(t, w.path("new.img"), 0)
			if before, now := w.sequence("old.img"), w.sequence("new.img"); now-before < 2 {
				t.Fatalf("transaction %d comes next, and %d did before", now, before)
			}
			f := w.run("verify-image", "new.img", "--manifest", "files.yaml", "--before", "old.img")
			if f.code != 0 {
				t.Errorf("exit code %d\n%s", f.code, f.stderr)
			}
		})
	}
}

// sequence is the number of the journal's next transaction.
func (w *workplace) sequence(image string) int64 {
	w.tb.Helper()
	_, after, _ := strings.Cut(testimage.Dumpe2fs(w.tb, w.path(image)), "Journal sequence:")
	line, _, _ := strings.Cut(after, "\n")
	n, err := strconv.ParseInt(strings.TrimSpace(line), 0, 64)
	if err != nil {
		w.tb.Fatal(err)
	}
	return n
}

// journalLog is a journal's blocks in an image.
type journalLog struct {
	w         *workplace
	image     string
	blockSize int64
	places    []string
}

func (w *workplace) logOf(image string, blockSize int64) *journalLog {
	places := strings.Fields(testimage.Debugfs(w.tb, w.path(image), 0, "blocks <8>"))
	return &journalLog{w, image, blockSize, places[len(places)-1024:]}
}

func (l *journalLog) at(place int) int64 {
	l.w.tb.Helper()
	block, err := strconv.ParseInt(l.places[place], 10, 64)
	if err != nil {
		l.w.tb.Fatal(err)
	}
	return block * l.blockSize
}

func (l *journalLog) read(place int) []byte {
	l.w.tb.Helper()
	b := make([]byte, l.blockSize)
	f, err := os.Open(l.w.path(l.image))
	if err != nil {
		l.w.tb.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(b, l.at(place)); err != nil {
		l.w.tb.Fatal(err)
	}
	return b
}

// A directory that was there and is wanted itself may have another mode, and nothing else that is new.
func TestTheModeOfAWantedDirectoryIsExplained(t *testing.T) {
	for _, features := range []string{"", ",inline_data"} {
		p := testimage.Profile{Name: "mode", Features: "has_journal,ext_attr,filetype,sparse_super,extent,64bit,metadata_csum" + features, BlockSize: 4096, InodeSize: 256}
		image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
		w := newWorkplace(t)
		w.write("acl", []byte("\x01\x00\x00\x00\x01\x00\x07\x00\x02\x00\x07\x00\x05\x00\x00\x00\x04\x00\x05\x00\x10\x00\x05\x00\x20\x00\x05\x00"))
		testimage.DebugfsWrite(t, image, 0, "mkdir /srv", "mkdir /srv/d", "ea_set -r -f "+w.path("acl")+" /srv/d system.posix_acl_access")
		w.write("files.yaml", []byte("version: 1\nfiles:\n  - { path: /srv/d, from: { directory: true }, mode: \"0700\" }\n"))
		w.sh("cp", "--sparse=always", image, "new.img")
		w.must(0, "boringboot", "inject", "new.img", "--manifest", "files.yaml", "--overwrite")
		testimage.Fsck(t, w.path("new.img"), 0)
		for command, want := range map[string]string{
			"":                                     "",
			"set_inode_field /srv/d mode 040777":   "[wrong-mode]",
			"ea_set /srv/d user.x value":           "nothing explains what was changed of the directory with inode",
			"set_inode_field /srv mode 040777":     "nothing explains what was changed of the directory with inode",
			"ea_rm /srv/d system.posix_acl_access": "nothing explains what was changed of the directory with inode",
		} {
			w.sh("cp", "--sparse=always", "new.img", "changed.img")
			if command != "" {
				testimage.DebugfsWrite(t, w.path("changed.img"), 0, command)
			}
			f := w.run("verify-image", "changed.img", "--manifest", "files.yaml", "--before", image)
			if f.code != min(len(want), 1) || !strings.Contains(f.stdout, want) {
				t.Errorf("%q: exit code %d, want %q\n%s%s", command, f.code, want, f.stdout, f.stderr)
			}
		}
	}
}

// clearLog has zeros in the journal's log, as if nothing had gone through it.
func (w *workplace) clearLog(image string) {
	w.tb.Helper()
	l := w.logOf(image, 4096)
	for place := 1; place < len(l.places); place++ {
		testimage.WriteAt(w.tb, w.path(image), l.at(place), make([]byte, 4096))
	}
}

// New files have flags and the project from their directory.
func TestWhatFilesHaveFromTheirDirectoryIsExplained(t *testing.T) {
	p := testimage.ProfileNamed("debian-4k")
	p.Name, p.Features = "debian-4k with project", p.Features+",project"
	image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
	const noatimeDirsyncProjinherit, project = "0x20090080", "7"
	testimage.DebugfsWrite(t, image, 0, "mkdir /var", "set_inode_field /var flags "+noatimeDirsyncProjinherit, "set_inode_field /var projid "+project)
	w := newWorkplace(t)
	w.must(0, "boringboot", "inject", image, "-o", "new.img", "--secrets", "secrets/bastet.yaml")
	testimage.Fsck(t, w.path("new.img"), 0)
	const env = "/var/lib/networkmanager/system-connections.env"
	if stat := testimage.Debugfs(t, w.path("new.img"), 0, "stat "+env); !strings.Contains(stat, "Project:     "+project) || !strings.Contains(stat, "Flags: 0x80080") {
		t.Errorf("the file has nothing of its directory:\n%s", stat)
	}
	f := w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", image)
	if f.code != 0 {
		t.Errorf("exit code %d\n%s%s", f.code, f.stdout, f.stderr)
	}
	testimage.DebugfsWrite(t, w.path("new.img"), 0, "set_inode_field "+env+" projid 8")
	f = w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", image)
	if f.code != 1 || !strings.Contains(f.stdout, "nothing explains the project of inode") {
		t.Errorf("another project: exit code %d\n%s%s", f.code, f.stdout, f.stderr)
	}
}

// A transaction leaves itself in the journal's log, and nothing else is explained there: neither in blocks that it did not touch, nor in its own.
func TestWhatIsInTheLogBesidesATransactionIsNotExplained(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{Profile: testimage.NixOS(), StorePaths: 20, Size: 64 << 20, Inodes: 2000})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "new.img")
	w.must(0, "boringboot", "inject", "new.img", "--secrets", "secrets/bastet.yaml")
	const blockSize, untouched, tagSize = 4096, 500, 12
	l := w.logOf("new.img", blockSize)
	at, read := l.at, l.read
	commit := 2
	for !bytes.HasPrefix(read(commit), []byte("\xC0\x3B\x39\x98\x00\x00\x00\x02")) { // h_magic, h_blocktype
		if commit++; commit >= untouched {
			t.Fatal("there is no commit block")
		}
	}
	for _, c := range []struct {
		name  string
		at    int64
		bytes string
		want  string // "": it is explained
	}{
		{"nothing", at(untouched), "", ""},
		{"a block that was not touched", at(untouched), "anything", "of the journal, which is no piece of a transaction"},
		{"a copy of a block", at(2) + 3000, "anything", "of the journal, which is no piece of a transaction"},
		{"the end of the descriptor", at(1) + 3000, "anything", "of the journal, which is no piece of a transaction"},
		{"the end of the commit block", at(commit) + 100, "anything", "of the journal, which is no piece of a transaction"},
		{"the block behind it", at(commit + 1), "\xC0\x3B\x39\x98\x00\x00\x00\x02anything", "of the journal, which is no piece of a transaction"},
		{"a descriptor elsewhere", at(untouched), string(read(1)), "of the journal, which is no piece of a transaction"},
		{"a commit block elsewhere", at(untouched), string(read(commit)), "of the journal, which is no piece of a transaction"},
		{"the checksum of a tag, where there is none", at(1) + 12 + 4, "ab", "of the journal, which is no piece of a transaction"},
		{"a flag of a tag that there is not", at(1) + 12 + 6, "\x80", "of the journal, which is no piece of a transaction"},
		{"the UUID in a descriptor", at(1) + 12 + tagSize, "abcd", "of the journal, which is no piece of a transaction"},
		{"the time of the commit", at(commit) + 0x30, "abcd", "of the journal, which is no piece of a transaction"},
		{"the end of the journal's superblock's block", at(0) + 2000, "anything", "behind the journal's superblock"},
		{"a log of zeros", at(1), string(make([]byte, blockSize)), "of the journal, which is no piece of a transaction"}, // copies without a descriptor
	} {
		t.Run(c.name, func(t *testing.T) {
			w.sh("cp", "--sparse=always", "new.img", "changed.img")
			testimage.WriteAt(t, w.path("changed.img"), c.at, []byte(c.bytes))
			testimage.Fsck(t, w.path("changed.img"), 0)
			f := w.run("verify-image", "changed.img", "--secrets", "secrets/bastet.yaml", "--before", image)
			if want := min(len(c.want), 1); f.code != want || !strings.Contains(f.stdout, c.want) {
				t.Errorf("exit code %d, want %d\n%s%s", f.code, want, f.stdout, f.stderr)
			}
		})
	}
}
