package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const killedEnv = "BORINGBOOT_TEST_KILLED"

// TestMain is also the child of TestAKilledRun: it begins the file that $BORINGBOOT_TEST_KILLED names, says so and waits to be
// killed.
func TestMain(m *testing.M) {
	if dest := os.Getenv(killedEnv); dest != "" {
		f, err := Create(dest, true)
		if err == nil {
			_, err = f.Write([]byte("half"))
		}
		fmt.Println("ready", err)
		time.Sleep(time.Minute)
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func names(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func put(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func create(tb testing.TB, dest string) *File {
	tb.Helper()
	f, err := Create(dest, true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Abort() })
	return f
}

func TestAKilledRunLeavesTheDestinationAndTheNextOneCleansUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGKILL")
	}
	dir := t.TempDir()
	dest := filepath.Join(dir, "receipt.json")
	put(t, dest, "old")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedEnv+"="+dest)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready <nil>\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	during := names(t, dir)
	if len(during) != 2 {
		t.Errorf("files while it lives: %q", during)
	}
	if err := Write(dest, []byte("new"), 0o644); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(during, names(t, dir)); diff != "" {
		t.Errorf("a live run's files (-before +after):\n%s", diff)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // reports the kill
	if diff := cmp.Diff(during, names(t, dir)); diff != "" {
		t.Errorf("a killed run's files (-before +after):\n%s", diff)
	}
	if err := Write(dest, []byte("newer"), 0o644); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"receipt.json"}, names(t, dir)); diff != "" {
		t.Errorf("files after the next run (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(dest); string(b) != "newer" {
		t.Errorf("the destination holds %q, %v", b, err)
	}
}

func TestStaleFilesGoAndLiveOnesStay(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "out.img")
	live := create(t, dest)
	others := []string{
		".other.img.boringboot-0123456789abcdef.tmp", // of another destination
		".out.img.boringboot-0123456789abcdeg.tmp",   // no hexadecimal number
		".out.img.boringboot-0123.tmp",
		".out.img.boringboot-0123456789abcdef.tmp2",
		"out.img.boringboot-0123456789abcdef.tmp",
	}
	const stale = ".out.img.boringboot-0123456789abcdef.tmp"
	for _, name := range append(others, stale) {
		put(t, filepath.Join(dir, name), "x")
	}
	// A directory and a link of such a name are not ours either; the link's target must stay.
	const asDir, asLink = ".out.img.boringboot-1111111111111111.tmp", ".out.img.boringboot-2222222222222222.tmp"
	if err := os.Mkdir(filepath.Join(dir, asDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(others[0], filepath.Join(dir, asLink)); err != nil {
		t.Fatal(err)
	}
	if err := create(t, dest).Abort(); err != nil {
		t.Fatal(err)
	}
	want := append(others, asDir, asLink, filepath.Base(live.temp.Path))
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files left (-want +got):\n%s", diff)
	}
}

func TestLongNamesFit(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("ä", 120) + ".img" // 244 bytes
	other := strings.Repeat("ä", 120) + ".iso"
	temp := filepath.Base(create(t, filepath.Join(dir, long)).temp.Path)
	if len(temp) > 143 {
		t.Errorf("the temporary name has %d bytes", len(temp))
	}
	if !IsTempOf(filepath.Join(dir, long), temp) || IsTempOf(filepath.Join(dir, other), temp) {
		t.Errorf("%s does not belong to its destination alone", temp)
	}
}

func TestTheModeIs0600AndThenWhatWasAskedForWhateverTheUmask(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		dest := filepath.Join(t.TempDir(), "f")
		old := setUmask(mask)
		f, err := Create(dest, false)
		setUmask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(f.temp.Path); err != nil || info.Mode() != 0o600 {
			t.Errorf("umask %03o: before: %v, %v", mask, info, err)
		}
		old = setUmask(mask)
		err = f.Commit(0o640)
		setUmask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dest); err != nil || info.Mode() != 0o640 {
			t.Errorf("umask %03o: after: %v, %v", mask, info, err)
		}
	}
}

// What is renamed in vain is still there to be removed, and its removal adds nothing to the error: Windows needs a file closed
// before it is renamed.
func TestAFileThatCannotBeRenamedIsRemoved(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "taken")
	temp, err := NewTemp(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(target, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		if err := temp.Rename(target, force); err == nil || errors.Is(err, os.ErrClosed) {
			t.Errorf("Rename: %v", err)
		}
	}
	if err := temp.close(); err != nil { // as Windows has it after Rename
		t.Error(err)
	}
	for range 2 {
		if err := temp.Remove(); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"taken"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFileThatCannotBeRemovedIsNamed(t *testing.T) {
	temp, err := NewTemp(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := temp.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(temp.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(temp.Path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := temp.Remove(); err == nil || !strings.Contains(err.Error(), temp.Path) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want one that names %s", err, temp.Path)
	}
}
