// Which library confirms what on which kind of image. A library that stops reading one must fail a test: otherwise the number of
// witnesses would shrink in silence.

package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

const (
	all3      = "go-ext4 go-diskfs go-ext4-filesystem"
	unchecked = "go-ext4 go-ext4-filesystem" // the two that do without checksums
	last      = "go-ext4-filesystem"
)

// withOwn adds our own decoder to a list of readers.
func withOwn(readers string) string { return strings.TrimSpace(readers + " " + ownName) }

// profileReaders says who can read an image of each family of testimage's profiles, and so confirms all that is plain in it.
var profileReaders = map[string]string{
	"nixos":         all3,
	"pi-gen":        all3,
	"gdt-checksums": unchecked,
	"debian":        all3,
	"no-checksums":  unchecked,
	"linear":        all3,
}

func TestEveryProfileIsConfirmedByTheReadersThatKnowIt(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			readers := profileReaders[p.Name[:strings.LastIndex(p.Name, "-")]]
			want := standard(t)
			path := image(t, small(p), want)
			testimage.Fsck(t, path, 0)
			expectConfirmed(t, "Contents", contents(t, path, want), readers, nil)
			expectConfirmed(t, "Bootstrap", bootstrap(t, path, want), readers, nil)
		})
	}
}

// expectConfirmed wants a report without findings in which readers could read the image and each path is confirmed by them, or by
// those that except names for it; and by our own decoder, which reads everything.
func expectConfirmed(t *testing.T, title string, r *Report, readers string, except map[string]string) {
	t.Helper()
	if diff := cmp.Diff([]string{}, r.codes()); diff != "" {
		t.Errorf("%s: findings (-want +got):\n%s%v", title, diff, r.Findings)
	}
	if !r.OK() {
		t.Errorf("%s: not OK", title)
	}
	if got, want := r.usable(), withOwn(readers); got != want {
		t.Errorf("%s: %q read the image, want %q\n%v", title, got, want, r.Readers)
	}
	seen := 0
	for _, f := range r.Files {
		want, special := except[f.Path]
		if !special {
			want = readers
		} else {
			seen++
		}
		if got, want := strings.Join(f.ConfirmedBy, " "), withOwn(want); got != want {
			t.Errorf("%s: %s is confirmed by %q, want %q\n%v", title, f.Path, got, want, f.NotReadBy)
		}
		if len(f.ConfirmedBy)+len(f.NotReadBy) != len(strings.Fields(readers))+1 {
			t.Errorf("%s: %s: a reader is neither among those that confirm it nor among those that could not read it: %v %v",
				title, f.Path, f.ConfirmedBy, f.NotReadBy)
		}
	}
	if seen != len(except) {
		t.Errorf("%s: %d of %d special paths are in the report", title, seen, len(except))
	}
}

// oddities are images that some libraries do not read, or not all of.
var oddities = []struct {
	name    string
	options testimage.Options
	extra   func(tb testing.TB, path string) []manifest.Entry // what is put into the image besides the standard files
	readers string
	except  map[string]string
}{
	{
		name:    "files mapped by indirect blocks, as on ext3",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file", BlockSize: 1024}),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			return added(tb, path, file("/srv/huge", noise(3, 400<<10))) // past the single indirect block
		},
		readers: last,
	},
	{
		name:    "inodes of 128 bytes",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,metadata_csum,64bit", BlockSize: 4096, InodeSize: 128}),
		readers: unchecked,
	},
	{
		name:    "inodes of 128 bytes without flex_bg",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,sparse_super,large_file", BlockSize: 1024, InodeSize: 128}),
		readers: last,
	},
	{
		name:    "no flex_bg",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
		readers: "go-diskfs go-ext4-filesystem",
	},
	{
		name:    "no journal",
		options: small(testimage.Profile{Features: "ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
		readers: all3,
	},
	{
		name:    "meta_bg in a single meta group",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,meta_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
		readers: "go-diskfs go-ext4-filesystem",
	},
	{
		name:    "data and directories in inodes (inline_data)",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,inline_data,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			target := "/srv/" + strings.Repeat("./", 30) + "dir" // of 68 bytes: in the inode, behind its first 60
			return added(tb, path, file("/srv/in", noise(8, 60)), file("/srv/more", noise(9, 100)), file("/srv/none", nil), file("/srv/out", noise(10, 300)),
				manifest.Entry{Path: "/srv/dir", Kind: manifest.Directory, Mode: 0o755}, file("/srv/dir/below", noise(11, 20)),
				manifest.Entry{Path: "/srv/long", Kind: manifest.Symlink, Target: target})
		},
	},
	{
		name:    "the descriptors of several meta groups (meta_bg)",
		options: testimage.Options{Profile: testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,meta_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 1024}, StorePaths: -1, Size: 24 << 20, BlocksPerGroup: 1024},
	},
	{
		name:    "files beside encrypted ones (encrypt)",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,encrypt,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
	},
	{
		name:    "blocks of 64 KiB",
		options: testimage.Options{Profile: testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 65536}, StorePaths: -1, Size: 128 << 20},
		readers: all3,
	},
	{
		name:    "large_dir",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,large_dir,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 4096}),
		readers: "go-diskfs go-ext4-filesystem",
	},
	{
		name:    "clusters of blocks (bigalloc)",
		options: small(testimage.Profile{Features: "has_journal,ext_attr,dir_index,filetype,extent,flex_bg,bigalloc,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 1024, Args: []string{"-C", "16384"}}),
		readers: "go-ext4 go-diskfs",
	},
	{
		name:    "a directory hashed in one block",
		options: hashed(testimage.ProfileNamed("nixos-4k"), 400),
		extra:   inHashed("name-00150"),
		readers: all3,
		except:  map[string]string{"/hashed/name-00150": "go-diskfs go-ext4-filesystem", "/hashed": all3},
	},
	{
		name:    "a directory hashed with nodes between the root and the leaves",
		options: hashed(testimage.ProfileNamed("pi-gen-1k"), 3000),
		extra:   inHashed("name-02999"),
		readers: all3,
		except:  map[string]string{"/hashed/name-02999": "go-diskfs go-ext4-filesystem"},
	},
	{
		name:    "a hashed directory without checksums",
		options: hashed(testimage.ProfileNamed("gdt-checksums-1k"), 300),
		extra:   inHashed("name-00001"),
		readers: unchecked,
		except:  map[string]string{"/hashed/name-00001": last},
	},
	{
		name:    "a name of 255 bytes beside a wanted one",
		options: small(testimage.NixOS()),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			return added(tb, path, file("/srv/"+strings.Repeat("n", 255), nil), file("/srv/plain", []byte("plain")))
		},
		readers: all3,
		except: map[string]string{
			"/srv/" + strings.Repeat("n", 255): last, "/srv/plain": last, bigPath: last, "/srv/link": last, "/srv/empty": last,
		},
	},
	{
		name:    "a file with a hole and one that is empty",
		options: small(testimage.NixOS()),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			holed := noise(4, 40960)
			clear(holed[8192:20480])
			return added(tb, path, file("/srv/holed", holed), file("/srv/nothing", nil))
		},
		readers: all3,
		except:  map[string]string{"/srv/holed": last},
	},
	{
		name:    "blocks that are reserved and were not written, inside a file and after its end",
		options: small(testimage.NixOS()),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			inside, after := file("/srv/inside", make([]byte, 20480)), file("/srv/after", noise(7, 5000))
			put(tb, path, []manifest.Entry{file("/srv/inside", nil), after})
			testimage.DebugfsWrite(tb, path, 0, "fallocate /srv/inside 0 4", "set_inode_field /srv/inside size 20480", "fallocate /srv/after 2 9")
			return []manifest.Entry{inside, after}
		},
		readers: all3,
		except:  map[string]string{"/srv/inside": last},
	},
	{
		name:    "a file in many pieces, its extent tree two levels deep",
		options: testimage.Options{Profile: testimage.NixOS(), StorePaths: -1, Size: 16 << 20, Inodes: 2000},
		extra:   scattered,
		readers: all3,
	},
	{
		name:    "symlinks on the way, absolute and relative, with a long target",
		options: small(testimage.NixOS()),
		extra: func(tb testing.TB, path string) []manifest.Entry {
			long := "/srv/" + strings.Repeat("./", 40) + "dir" // longer than the 59 bytes that an inode holds
			put(tb, path, []manifest.Entry{
				{Path: "/srv/dir", Kind: manifest.Directory, Mode: 0o755},
				{Path: "/way", Kind: manifest.Symlink, Target: "srv/../srv"},
				{Path: "/long", Kind: manifest.Symlink, Target: long},
				file("/srv/dir/there", []byte("there")),
			})
			there := file("/way/dir/there", []byte("there"))
			far := file("/long/there", []byte("there"))
			return []manifest.Entry{there, far, {Path: "/long", Kind: manifest.Symlink, Target: long}}
		},
		readers: all3,
	},
	{
		name:    "inodes in the last, partial group",
		options: testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 9<<20 + 512<<10, BlocksPerGroup: 1024},
		extra: func(tb testing.TB, path string) []manifest.Entry {
			// debugfs puts a file into its directory's group, and directories where there is room.
			var entries []manifest.Entry
			for i := range 60 {
				entries = append(entries, manifest.Entry{Path: fmt.Sprintf("/spread%d", i), Kind: manifest.Directory, Mode: 0o755})
			}
			for i := range 60 {
				entries = append(entries, file(fmt.Sprintf("/spread%d/file", i), noise(uint64(i), 1500)))
			}
			return added(tb, path, entries...)
		},
		readers: all3,
	},
}

func TestOddImagesAreConfirmedByAtLeastOneReader(t *testing.T) {
	for _, o := range oddities {
		t.Run(o.name, func(t *testing.T) {
			want := standard(t)
			path := image(t, o.options, want)
			if o.extra != nil {
				want = append(want, o.extra(t, path)...)
			}
			testimage.Fsck(t, path, 0)
			expectConfirmed(t, "Contents", contents(t, path, want), o.readers, o.except)
			expectConfirmed(t, "Bootstrap", bootstrap(t, path, want), o.readers, o.except)
		})
	}
}

func file(path string, content []byte) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.File, Mode: 0o644, Content: newContent(content)}
}

func added(tb testing.TB, path string, entries ...manifest.Entry) []manifest.Entry {
	put(tb, path, entries)
	return entries
}

// hashed is a file system with a directory /hashed that holds n files and an index.
func hashed(p testimage.Profile, n int) testimage.Options {
	o := testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: n + 200}
	o.Fill = func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "hashed"), 0o755); err != nil {
			return err
		}
		for i := range n {
			if err := os.WriteFile(filepath.Join(dir, "hashed", fmt.Sprintf("name-%05d", i)), []byte(fmt.Sprint("content ", i)), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	return o
}

func inHashed(name string) func(testing.TB, string) []manifest.Entry {
	return func(tb testing.TB, path string) []manifest.Entry {
		out := testimage.Debugfs(tb, path, 0, "stat /hashed")
		if !strings.Contains(out, "Flags: 0x81000") {
			tb.Fatalf("/hashed has no index:\n%s", out)
		}
		var n int
		if _, err := fmt.Sscanf(name, "name-%05d", &n); err != nil {
			tb.Fatal(err)
		}
		testimage.DebugfsWrite(tb, path, 0, "set_inode_field /hashed/"+name+" uid 0", "set_inode_field /hashed/"+name+" gid 0")
		return []manifest.Entry{file("/hashed/"+name, []byte(fmt.Sprint("content ", n)))}
	}
}

// scattered writes a file into the gaps between others, so that its extents do not fit into the inode.
func scattered(tb testing.TB, path string) []manifest.Entry {
	const pieces = 800 // a block of 4 KiB holds 340 extents
	dir := tb.TempDir()
	one := filepath.Join(dir, "one")
	if err := os.WriteFile(one, []byte("x"), 0o600); err != nil {
		tb.Fatal(err)
	}
	// One file takes all but the room for the small ones, since debugfs looks for room from the front.
	added(tb, path, file("/filler", noise(6, (freeBlocks(tb, path)-2*pieces-20)*4096)))
	var commands []string
	for i := range 2 * pieces {
		commands = append(commands, fmt.Sprintf("write %s /gap%d", one, i))
	}
	for i := range pieces {
		commands = append(commands, fmt.Sprintf("rm /gap%d", 2*i))
	}
	testimage.DebugfsWrite(tb, path, 0, commands...)
	e := file("/scattered", noise(5, (pieces-50)*4096+100))
	added(tb, path, e)
	if out := testimage.Debugfs(tb, path, 0, "dump_extents /scattered"); !strings.Contains(out, "1/ 1") || strings.Count(out, "\n") < 400 {
		tb.Fatalf("the file is not in many pieces:\n%s", out)
	}
	return []manifest.Entry{e}
}

func freeBlocks(tb testing.TB, path string) int {
	tb.Helper()
	var n int
	for line := range strings.Lines(testimage.Debugfs(tb, path, 0, "stats -h")) {
		if v, ok := strings.CutPrefix(line, "Free blocks:"); ok {
			fmt.Sscan(v, &n)
		}
	}
	return n
}
