package main_test

// This file is about images that are changed in place and are no plain file with a journal: without a journal a copy takes the image's
// place, a device is changed where it is, and what is mounted is left alone.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"boringboot/internal/testimage"
)

// journalless is an image whose file system has no journal.
func journalless(t *testing.T) string {
	t.Helper()
	p := testimage.ProfileNamed("debian-4k")
	p.Name, p.Features = "journalless", strings.ReplaceAll(p.Features, "has_journal,", "")
	return testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20})
}

// holds fails the test where the image is not sound or does not hold the bootstrap files.
func (w *workplace) holds(image string) {
	w.tb.Helper()
	testimage.Fsck(w.tb, image, 0)
	w.must(0, "verify-image", image, "--secrets", "secrets/bastet.yaml")
}

func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// TestWithoutAJournalACopyTakesTheImagesPlace: what is about the file itself stays: its mode, its owner, its attributes, its holes, and the link that leads to it.
func TestWithoutAJournalACopyTakesTheImagesPlace(t *testing.T) {
	image := journalless(t)
	w := newWorkplace(t)
	w.write("work/x", nil)
	real := w.path("work/real.img")
	w.sh("cp", "--sparse=always", image, real)
	if err := firstError(os.Remove(w.path("work/x")), os.Chmod(real, 0o640), os.Symlink("work/real.img", w.path("link.img"))); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(real, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	attribute := unix.Setxattr(real, "user.note", []byte("mine"), 0)
	if attribute != nil && !errors.Is(attribute, errors.ErrUnsupported) {
		t.Fatal(attribute)
	}
	ino, size := inode(t, real), allocated(t, real)
	f := w.must(0, "boringboot", "inject", "link.img", "--secrets", "secrets/bastet.yaml")
	if !strings.Contains(f.stdout, "link.img: done and verified") || !strings.Contains(f.stderr, "no journal") {
		t.Errorf("%s%s", f.stdout, f.stderr)
	}
	w.holds(real)
	w.only("work", "real.img")
	if to, err := os.Readlink(w.path("link.img")); err != nil || to != "work/real.img" {
		t.Errorf("the link: %q, %v", to, err)
	}
	after, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if after.Mode() != before.Mode() || is.Uid != was.Uid || is.Gid != was.Gid {
		t.Errorf("mode and owner: %v %d:%d, were %v %d:%d", after.Mode(), is.Uid, is.Gid, before.Mode(), was.Uid, was.Gid)
	}
	if inode(t, real) == ino {
		t.Error("the file is the one that it was")
	}
	if now := allocated(t, real); now > size+1<<20 {
		t.Errorf("it takes %d bytes, the image took %d: holes were filled", now, size)
	}
	if attribute == nil {
		value := make([]byte, 10)
		if n, err := unix.Getxattr(real, "user.note", value); err != nil || string(value[:n]) != "mine" {
			t.Errorf("user.note: %q, %v", value[:max(n, 0)], err)
		}
	}
	// What is there already is not copied.
	ino = inode(t, real)
	f = w.must(0, "boringboot", "inject", "link.img", "--secrets", "secrets/bastet.yaml")
	if inode(t, real) != ino || !strings.Contains(f.stdout, "everything was there already") {
		t.Errorf("a second run made another file:\n%s%s", f.stdout, f.stderr)
	}
}

// A new image would be 0600. One that is changed in place keeps its mode, and its owner is told.
func TestAnImageThatOthersMayReadIsToldOf(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	for mode, told := range map[os.FileMode]bool{0o600: false, 0o644: true, 0o640: true} {
		w.sh("cp", "--sparse=always", image, "work.img")
		if err := os.Chmod(w.path("work.img"), mode); err != nil {
			t.Fatal(err)
		}
		const words = "others may read work.img"
		if f := w.must(0, "boringboot", "inject", "work.img", "--file", "key.pub:/key.pub"); strings.Contains(f.stdout, words) {
			t.Errorf("mode %v, no secrets:\n%s", mode, f.stdout)
		}
		if f := w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml"); strings.Contains(f.stdout, words) != told {
			t.Errorf("mode %v:\n%s", mode, f.stdout)
		}
		if info, err := os.Stat(w.path("work.img")); err != nil || info.Mode() != mode {
			t.Errorf("mode %v became %v, %v", mode, info.Mode(), err)
		}
	}
}

func TestAnImageWithSeveralNamesIsNotReplaced(t *testing.T) {
	image := journalless(t)
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "work.img")
	w.sh("ln", "work.img", "other.img")
	before := testimage.Snapshot(t, w.path("work.img"))
	checkFailure(t, w, failure{want: []string{"work.img", "2 names", "--no-journal"}}, "inject", "work.img", "--secrets", "secrets/bastet.yaml")
	if testimage.Snapshot(t, w.path("work.img")) != before {
		t.Fatal("the image was changed")
	}
	checkFailure(t, w, failure{want: []string{"--no-journal", "-o"}}, "inject", "work.img", "--secrets", "secrets/bastet.yaml", "-o", "x.img", "--no-journal")
	w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml", "--no-journal")
	if inode(t, w.path("work.img")) != inode(t, w.path("other.img")) {
		t.Error("the names part")
	}
	w.holds(w.path("other.img"))
}

// TestKilledWhileACopyTakesTheImagesPlace kills inject at each of its writes, syncs and changes of names.
func TestKilledWhileACopyTakesTheImagesPlace(t *testing.T) {
	testimage.Require(t, "strace")
	image := journalless(t)
	w := newWorkplace(t)
	w.write("work/x", nil)
	args := []string{filepath.Join(programs, "boringboot"), "inject", "work/image.img", "--secrets", "secrets/bastet.yaml"}
	fresh := func() {
		w.sh("cp", "--sparse=always", image, w.path("work/image.img"))
	}
	fresh()
	before := testimage.Snapshot(t, w.path("work/image.img"))
	const calls = "pwrite64,fsync,fdatasync,copy_file_range,ftruncate,fchmod,fchown,rename,renameat,renameat2"
	strace := func(more ...string) finished {
		cmd := w.command("strace", append(append([]string{"-f", "-e", "trace=" + calls}, more...), args...)...)
		cmd.Path = lookPath(t, "strace")
		return w.end(cmd)
	}
	if f := strace("-o", w.path("trace")); f.code != 0 {
		t.Fatal(f.stderr)
	}
	after := testimage.Snapshot(t, w.path("work/image.img"))
	w.holds(w.path("work/image.img"))
	count := strings.Count(string(w.read("trace")), "(")
	none, all, killed := 0, 0, 0
	for n := 1; n <= count; n++ {
		fresh()
		if f := strace("-o", "/dev/null", "-e", "inject="+calls+":signal=SIGKILL:when="+strconv.Itoa(n)); f.code != 0 {
			killed++
		}
		switch testimage.Snapshot(t, w.path("work/image.img")) {
		case before:
			none++
		case after:
			all++
		default:
			t.Fatalf("killed at call %d: the image is neither as before nor complete", n)
		}
	}
	t.Logf("%d calls: killed %d times; as before %d times, complete %d times", count, killed, none, all)
	if none < 5 || all == 0 || killed < count/3 {
		t.Errorf("of %d calls killed %d times, as before %d times, complete %d times: the kills did not come in time", count, killed, none, all)
	}
	w.must(0, "boringboot", args[1:]...)
	w.only("work", "image.img", "x") // what the kills left is gone
}

func TestAFullDiskLeavesTheImageAsItWas(t *testing.T) {
	image := journalless(t)
	w := newWorkplace(t)
	mountTmpfs(t, w.path("small"), fmt.Sprintf("size=%d", allocated(t, image)+512<<10))
	work := w.path("small/work.img")
	w.sh("cp", "--sparse=always", image, work)
	before := testimage.Snapshot(t, work)
	checkFailure(t, w, failure{want: []string{"small/work.img", "full", "-o OUT"}}, "inject", "small/work.img", "--secrets", "secrets/bastet.yaml")
	if testimage.Snapshot(t, work) != before {
		t.Error("the image was changed")
	}
	w.only("small", "work.img")
}

// loop makes a device of a file and returns its path.
func loop(t *testing.T, path string, options ...string) string {
	t.Helper()
	testimage.RequireRoot(t)
	testimage.Require(t, "losetup")
	out, err := exec.Command("losetup", append(options, "--find", "--show", path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v\n%s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v\n%s", err, out)
		}
	})
	return device
}

func TestADeviceIsChangedWhereItIs(t *testing.T) {
	disk := testimage.NixOSDisk(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", disk, "disk.img")
	device := loop(t, w.path("disk.img"))
	w.must(0, "boringboot", "inspect", device)
	f := w.must(0, "boringboot", "inject", device, "--secrets", "secrets/bastet.yaml")
	if !strings.Contains(f.stdout, device+": done and verified") {
		t.Error(f.stdout)
	}
	w.must(0, "verify-image", device, "--secrets", "secrets/bastet.yaml")
	w.must(0, "verify-image", "disk.img", "--secrets", "secrets/bastet.yaml")
	testimage.Fsck(t, w.path("disk.img"), testimage.Options{}.RootOffset())
	w.must(0, "boringboot", "inject", device, "--secrets", "secrets/bastet.yaml")
	// The file below the device is somebody's, now.
	sameRefusal(t, w, []string{"inject", "disk.img", "--secrets", "secrets/bastet.yaml"})
	checkFailure(t, w, failure{want: []string{"disk.img is in use", device}}, "inject", "disk.img", "--secrets", "secrets/bastet.yaml")
}

func TestADeviceWithoutAJournalNeedsAWord(t *testing.T) {
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", journalless(t), "work.img")
	device := loop(t, w.path("work.img"))
	before := testimage.Snapshot(t, w.path("work.img"))
	sameRefusal(t, w, []string{"inject", device, "--secrets", "secrets/bastet.yaml"})
	checkFailure(t, w, failure{want: []string{device, "no journal", "--no-journal"}}, "inject", device, "--secrets", "secrets/bastet.yaml")
	if testimage.Snapshot(t, w.path("work.img")) != before {
		t.Fatal("the device was changed")
	}
	w.must(0, "boringboot", "inject", device, "--secrets", "secrets/bastet.yaml", "--no-journal")
	w.holds(w.path("work.img"))
}

func TestWhatIsMountedIsLeftAlone(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "work.img")
	device := loop(t, w.path("work.img"))
	dir := w.path("mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, "-t", "ext4", device)
	for _, target := range []string{device, "work.img"} {
		before := testimage.Snapshot(t, w.path("work.img"))
		sameRefusal(t, w, []string{"inject", target, "--secrets", "secrets/bastet.yaml"})
		checkFailure(t, w, failure{want: []string{target, "in use", "unmount"}}, "inject", target, "--secrets", "secrets/bastet.yaml")
		if testimage.Snapshot(t, w.path("work.img")) != before {
			t.Errorf("%s was changed", target)
		}
	}
}

// TestWhatNoLibraryReadsIsReadByOurOwnDecoder: on such images the files are written, and confirmed by it.
func TestWhatNoLibraryReadsIsReadByOurOwnDecoder(t *testing.T) {
	for feature, sparse := range map[string]bool{"inline_data": false, "encrypt": false, "casefold": true} {
		t.Run(feature, func(t *testing.T) {
			p := testimage.ProfileNamed("debian-4k")
			p.Name, p.Features = "unread", p.Features+","+feature
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 32 << 20})
			w := newWorkplace(t)
			w.sh("cp", "--sparse=always", image, "work.img")
			w.write("file", []byte("text"))
			if sparse {
				if err := os.Truncate(w.path("file"), 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml", "--dry-run")
			out := w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml", "--file", "file:/srv/file")
			if !strings.Contains(out.stdout, "boringboot audit") {
				t.Errorf("not confirmed by our own decoder:\n%s", out.stdout)
			}
			testimage.Fsck(t, w.path("work.img"), 0)
			w.holds(w.path("work.img"))
		})
	}
}

// TestAReadOnlyDeviceSaysSo: a card whose little switch says so, or a loop device.
func TestAReadOnlyDeviceSaysSo(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "work.img")
	device := loop(t, w.path("work.img"), "--read-only")
	f := w.must(2, "boringboot", "inject", device, "--secrets", "secrets/bastet.yaml")
	if !strings.Contains(f.stderr, device) || !strings.Contains(f.stderr, "write") && !strings.Contains(f.stderr, "permitted") {
		t.Error(f.stderr)
	}
	w.must(0, "boringboot", "inject", device, "-o", "copy.img", "--secrets", "secrets/bastet.yaml")
	w.holds(w.path("copy.img"))
}

// TestACardThatWasPulledFromARunningMachine has a journal to be replayed, even where nothing else is to be done.
func TestACardThatWasPulledFromARunningMachine(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "work.img")
	w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml")
	mounted := testimage.MountRW(t, w.path("work.img"), 0)
	if err := os.WriteFile(filepath.Join(mounted, "note"), []byte("from the running machine"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.sh("sync", "--file-system", filepath.Join(mounted, "note"))
	w.sh("cp", "--sparse=always", "work.img", "pulled.img")
	testimage.Unmount(t, mounted)
	for _, dry := range []bool{true, false} {
		args, says := []string{"inject", "pulled.img", "--secrets", "secrets/bastet.yaml"}, "replayed"
		before := testimage.Snapshot(t, w.path("pulled.img"))
		if dry {
			args, says = append(args, "--dry-run"), "would be replayed"
		}
		f := w.must(0, "boringboot", args...)
		if !strings.Contains(f.stdout, "was not unmounted") || !strings.Contains(f.stdout, says) || !dry && strings.Contains(f.stdout, "would") {
			t.Errorf("dry run %v: %s", dry, f.stdout)
		}
		if changed := testimage.Snapshot(t, w.path("pulled.img")) != before; changed == dry {
			t.Errorf("dry run %v: changed %v", dry, changed)
		}
	}
	w.holds(w.path("pulled.img"))
	if got := mustRead(t, filepath.Join(testimage.Mount(t, w.path("pulled.img"), 0), "note")); got != "from the running machine" {
		t.Errorf("the file that was written last holds %q", got)
	}
}

// mount mounts what is named at dir until the test ends.
func mount(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}
