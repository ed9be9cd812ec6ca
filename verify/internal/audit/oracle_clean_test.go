package audit_test

// This file holds the audit against e2fsck on images that nothing is wrong with: of other sizes, with other contents, and after what
// e2fsprogs and the kernel do to them.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

func TestTheAuditHasNothingAgainstImagesAsTheyAreMade(t *testing.T) {
	for _, r := range allRecipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			data := r.image(t)
			before := bytes.Clone(data)
			findings, err := ours(data, audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if !r.dirty {
					t.Errorf("%s %d: %s: %s", kinds[f.Object.Kind], f.Object.Number, f.Code, f.Message)
				}
			}
			if !bytes.Equal(before, data) {
				t.Error("the image was changed")
			}
			again, err := ours(data, audit.Options{Workers: 5})
			if err != nil || len(again) != len(findings) {
				t.Errorf("another audit of it finds %d instead of %d, %v", len(again), len(findings), err)
			}
		})
	}
}

// BORINGBOOT_AUDIT_VARIANTS says how many variants are made.
func TestTheAuditAgreesWithFsckOnWhatToolsMake(t *testing.T) {
	n := int(environment(t, "BORINGBOOT_AUDIT_VARIANTS", 60))
	seed := environment(t, "BORINGBOOT_AUDIT_SEED", 1)
	list := recipes // with the kernel's work there would be nothing else
	t.Logf("seed %d, %d variants", seed, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var mu sync.Mutex
	var workers sync.WaitGroup
	clean, disagree := 0, 0
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				rnd := rand.New(rand.NewPCG(seed, uint64(i)))
				done, v := variant(t, list[rnd.IntN(len(list))], rnd)
				mu.Lock()
				if v.fsckClean() {
					clean++
				}
				if !v.agree() || v.took > tooLong {
					disagree++
					t.Errorf("variant %d: %s: %v\n%s", i, done, v.took, v.said())
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	t.Logf("%d variants, of which e2fsck finds %d clean: %d disagreements", n, clean, disagree)
}

// variant makes an image anew or takes one, and has tools work on it.
func variant(t *testing.T, r recipe, rnd *rand.Rand) (done string, v verdicts) {
	dir := t.TempDir()
	if fast := fastDir(); fast != "" {
		if d, err := os.MkdirTemp(fast, "audit-variant-"); err == nil {
			defer os.RemoveAll(d)
			dir = d
		}
	}
	path := filepath.Join(dir, "image")
	said := []string{r.name}
	var data []byte
	original := r
	if rnd.IntN(2) == 0 {
		r.kib = max(r.kib, 8<<10) + rnd.IntN(8<<10)
		r.inodes = max(r.inodes, 900+rnd.IntN(2000))
		if rnd.IntN(3) == 0 {
			r.content &^= attributes
		}
		if rnd.IntN(3) == 0 {
			r.content = bare
		}
		made, err := r.make(t)
		if err == nil {
			data = made
			said = append(said, fmt.Sprintf("made with %d KiB, %d inodes, content %d", r.kib, r.inodes, r.content))
		}
	}
	if data == nil {
		data = original.image(t)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Error(err)
		return "", v
	}
	for range rnd.IntN(5) {
		said = append(said, work(t, rnd, dir, path))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return "", v
	}
	return strings.Join(said, "; "), judge(t, path, data, audit.Options{})
}

// work has one tool change the image. Whether it does is of no matter.
func work(t *testing.T, rnd *rand.Rand, dir, path string) string {
	one := func(list ...string) []string { return strings.Fields(list[rnd.IntN(len(list))]) }
	run := func(tool string, args ...string) string {
		cmd := testimage.Command(t, tool, append(args, path)...)
		cmd.Stdin = strings.NewReader("y\ny\n")
		err := cmd.Run()
		return fmt.Sprintf("%s %s (%v)", tool, strings.Join(args, " "), err)
	}
	switch rnd.IntN(7) {
	case 0:
		return run("tune2fs", one("-L other", "-m 1", "-c 20", "-i 30d", "-e remount-ro", "-o acl,user_xattr", "-E stride=16,stripe_width=64", "-r 100",
			"-C 7", "-M /mnt", "-u 1000", "-E hash_alg=tea", "-E mount_opts=nodelalloc", "-T 20200101")...)
	case 1:
		said := run("tune2fs", one("-O ^has_journal", "-O has_journal", "-O quota", "-O ^quota", "-O project", "-O large_dir", "-O ^dir_index", "-O dir_index",
			"-O ^metadata_csum", "-O metadata_csum", "-O metadata_csum_seed", "-O ea_inode", "-O huge_file", "-O ^resize_inode", "-O ^flex_bg", "-O extent",
			"-O orphan_file", "-O ^orphan_file", "-U 11111111-2222-4333-8444-555555555555", "-O encrypt", "-O verity", "-O ^sparse_super",
			"-O fast_commit", "-O inline_data", "-O stable_inodes", "-O 64bit", "-O uninit_bg", "-Q usrquota,^grpquota")...)
		if rnd.IntN(4) > 0 {
			said += ", " + run("e2fsck", "-fy")
		}
		return said
	case 2:
		info, err := os.Stat(path)
		if err != nil {
			return err.Error()
		}
		size := fmt.Sprintf("%dK", info.Size()>>10*int64(80+rnd.IntN(80))/100)
		cmd := testimage.Command(t, "resize2fs", append(one("-f", "-f", "-f", "-f -P", "-f -M", "-f -b", "-f -s"), path, size)...)
		if a := cmd.Args[len(cmd.Args)-3]; a != "-f" {
			cmd.Args = cmd.Args[:len(cmd.Args)-1]
		}
		err = cmd.Run()
		return fmt.Sprintf("%s (%v)", strings.Join(cmd.Args, " "), err)
	case 3:
		return run("e2fsck", one("-fyD", "-fy", "-fy -E bmap2extent", "-fy -E inode_count_fullmap")...)
	case 4:
		if kernelRecipes() == nil {
			return "nothing"
		}
		return underTheKernel(t, path)
	default:
		commands := debugfsWork(rnd, dir)
		err := debugfs(t, path, commands)
		said := fmt.Sprintf("debugfs %q (%.60v)", commands, err)
		if rnd.IntN(2) == 0 {
			said += ", " + run("e2fsck", "-fy")
		}
		return said
	}
}

// underTheKernel has the kernel write into an image, if it mounts it.
func underTheKernel(t *testing.T, path string) string {
	if err := testimage.MountErr(t, path); err != nil {
		return "no mount"
	}
	dir := testimage.MountRW(t, path, 0)
	err := kernelWork(dir)
	testimage.Unmount(t, dir)
	return fmt.Sprintf("the kernel's work (%v)", err)
}

// debugfsWork are a few commands. Some leave an image that e2fsck repairs.
func debugfsWork(rnd *rand.Rand, dir string) []string {
	var list []string
	content := filepath.Join(dir, "content")
	if err := os.WriteFile(content, pattern(rnd.IntN(200_000)), 0o600); err != nil {
		return nil
	}
	old := []string{"small", "medium", "large", "holes", "many-extents", "tiny", "empty", "symlink-200", "symlink-59", "char", "fifo",
		"a/deep/way/down/to/here/file", "small-dir/3", "hashed/a-name-that-takes-some-room-0003"}
	dirs := []string{".", "small-dir", "hashed", "a/deep", "linear", "subdirs", "empty-dir"}
	for i := range 1 + rnd.IntN(8) {
		name, in := old[rnd.IntN(len(old))], dirs[rnd.IntN(len(dirs))]
		commands := []string{
			fmt.Sprintf("write %s %s/new-%d", content, in, i), fmt.Sprintf("write %s new-%d", content, i),
			fmt.Sprintf("mkdir %s/new-dir-%d", in, i), fmt.Sprintf("symlink %s/link-%d %s", in, i, strings.Repeat("x", 1+rnd.IntN(400))),
			"rm " + name, "kill_file " + name, "rmdir empty-dir", "unlink " + name, fmt.Sprintf("mknod %s/node-%d p", in, i),
			fmt.Sprintf("ea_set %s user.new %s", name, strings.Repeat("v", 1+rnd.IntN(900))), "ea_rm " + name + " user.one", "ea_rm holes user.block",
			fmt.Sprintf("punch %s %d %d", name, rnd.IntN(10), 10+rnd.IntN(30)), fmt.Sprintf("fallocate %s %d %d", name, rnd.IntN(30), 30+rnd.IntN(60)),
			fmt.Sprintf("sif %s uid %d", name, rnd.IntN(100_000)), "sif " + name + " mtime 20240101", "sif " + name + " links_count 3",
			fmt.Sprintf("ln %s %s/another-%d", name, in, i), "set_super_value volume_name changed", "set_bg 0 checksum calc",
		}
		list = append(list, commands[rnd.IntN(len(commands))])
	}
	return list
}
