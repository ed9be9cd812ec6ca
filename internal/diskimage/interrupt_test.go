// Whatever ends a run, a cancelled context, a full disk or SIGKILL, the destination is as it was.

package diskimage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func TestCancellingAtAnyMomentLeavesEverythingAsItWas(t *testing.T) {
	want := holeyImage()
	commands := map[string]string{"raw": sources[0].command, "zstd": `zstd -q -c "$1" >"$2"`, "xz": `xz -0 -c "$1" >"$2"`}
	for name, command := range commands {
		for _, dest := range []string{"out.img", "out.img.zst"} {
			t.Run(name+" to "+dest, func(t *testing.T) {
				var tools []string
				if name != "raw" {
					tools = []string{name}
				}
				src := store(t, want, command, tools)
				dir := t.TempDir()
				path := filepath.Join(dir, dest)
				if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
				moments := 0
				for at := 1; ; at++ {
					ctx, cancel := context.WithCancel(context.Background())
					calls := 0
					p := &recorder{hook: func() {
						if calls++; calls == at {
							cancel()
						}
					}}
					err := run(ctx, src, path, p)
					cancel()
					if err == nil {
						break // at was beyond the last moment
					}
					moments++
					if !errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) {
						t.Fatalf("moment %d: error %v, want context.Canceled", at, err)
					}
					if got := readFile(t, path); string(got) != "old" {
						t.Fatalf("moment %d: the destination holds %d bytes", at, len(got))
					}
					if diff := cmp.Diff([]string{dest}, names(t, dir)); diff != "" {
						t.Fatalf("moment %d: files (-want +got):\n%s", at, diff)
					}
					for _, s := range p.steps {
						if !s.Ended {
							t.Errorf("moment %d: step %s did not end", at, s.Name)
						}
					}
				}
				if moments < 2 {
					t.Errorf("only %d moments were tried", moments)
				}
			})
		}
	}
}

// cancelling is a place to write to where each write ends a context.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) WriteAt(b []byte, _ int64) (int, error) {
	c.cancel()
	return len(b), nil
}

// TestAnInterruptionIsNoDamage: a small file is read whole before much of it is unpacked, so that no read of it fails.
func TestAnInterruptionIsNoDamage(t *testing.T) {
	for format, command := range map[Format]string{Zstd: `zstd -q -c "$1" >"$2"`, XZ: `xz -0 -c "$1" >"$2"`, Gzip: `gzip -1 -c "$1" >"$2"`, Bzip2: `bzip2 -c "$1" >"$2"`} {
		t.Run(string(format), func(t *testing.T) {
			f, err := os.Open(store(t, bytes.Repeat([]byte("not a hole\n"), mib), command, []string{strings.Fields(command)[0]}))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ctx, cancel := context.WithCancel(context.Background())
			_, err = unpack(ctx, cancelling{cancel}, f, format, "image.dat", silent{})
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) {
				t.Fatalf("error %v, want context.Canceled", err)
			}
			if want := "image.dat: context canceled"; err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
		})
	}
}

func run(ctx context.Context, src, dest string, p Progress) error {
	o, err := Create(dest, true)
	if err != nil {
		return err
	}
	if err := o.Fill(ctx, src, p); err != nil {
		return err
	}
	return o.Commit(ctx, p)
}

func TestACancelledOpenLeavesNoSpool(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	src := store(t, holeyImage(), `gzip -1 -c "$1" >"$2"`, []string{"gzip"})
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := Open(ctx, src, &recorder{hook: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want context.Canceled", err)
	}
	if left := names(t, tmp); len(left) != 0 {
		t.Errorf("files left: %q", left)
	}
}

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	testimage.RequireRoot(t)
	dir := t.TempDir()
	sh(t, ".", fmt.Sprintf("mount -t tmpfs -o size=%d tmpfs %s", size, dir))
	t.Cleanup(func() { sh(t, ".", "umount "+dir) })
	return dir
}

func TestAFullDiskLeavesEverythingAsItWas(t *testing.T) {
	raw, _ := sourceFile(t)
	packed := store(t, holeyImage(), `gzip -1 -c "$1" >"$2"`, []string{"gzip"})
	tests := []struct {
		name, src, dest string
		size            int
	}{
		{"copying", raw, "out.img", mib},
		{"unpacking", packed, "out.img", mib},
		{"compressing", raw, "out.img.zst", int(allocated(t, raw)) + mib/2}, // where the compressed image takes 1 MiB
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := smallDisk(t, tt.size)
			dest := filepath.Join(dir, tt.dest)
			if err := os.WriteFile(dest, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			var seen recorder
			err := run(context.Background(), tt.src, dest, &seen)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("error %v, want ENOSPC", err)
			}
			if !strings.HasPrefix(err.Error(), dest+": the disk is full") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line that names the destination", err)
			}
			if last := seen.steps[len(seen.steps)-1].Name; !strings.HasPrefix(last, tt.name) {
				t.Errorf("failed while %s", last)
			}
			if got := readFile(t, dest); string(got) != "old" {
				t.Errorf("the destination holds %d bytes", len(got))
			}
			if diff := cmp.Diff([]string{tt.dest}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("unpacking to the temporary directory", func(t *testing.T) {
		dir := smallDisk(t, mib)
		t.Setenv("TMPDIR", dir)
		_, err := Open(context.Background(), packed, nil)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "temporary directory "+dir) {
			t.Errorf("Open = %v, want ENOSPC and the directory's name", err)
		}
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "TMPDIR") || !strings.Contains(hinted.Hint(), "larger") {
			t.Errorf("no hint at TMPDIR with %v", err)
		}
		if left := names(t, dir); len(left) != 0 {
			t.Errorf("files left: %q", left)
		}
	})
}

const killedEnv = "BORINGBOOT_TEST_KILLED"

// TestMain is also the child of TestAKilledRun: it works on $BORINGBOOT_TEST_KILLED, "SRC|DEST|STEP", and in that step says
// so and waits to be killed.
func TestMain(m *testing.M) {
	if args := strings.Split(os.Getenv(killedEnv), "|"); len(args) == 3 {
		var p recorder
		p.hook = func() {
			if s := p.steps[len(p.steps)-1]; strings.HasPrefix(s.Name, args[2]) && s.Done >= s.Total/2 {
				fmt.Println("ready")
				time.Sleep(time.Minute)
			}
		}
		err := run(context.Background(), args[0], args[1], &p)
		fmt.Println("not killed:", err)
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func TestAKilledRunLeavesTheDestinationAndTheNextOneCleansUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SIGKILL")
	}
	raw, want := sourceFile(t)
	packed := store(t, want, `gzip -1 -c "$1" >"$2"`, []string{"gzip"})
	tests := []struct {
		src, dest, step string
		left            int // temporary files
	}{
		{packed, "out.img", "unpacking", 1},
		{packed, "out.img.zst", "unpacking", 0}, // the raw image has no name
		{raw, "out.img.zst", "compressing", 1},
		{raw, "out.img.zst", "checking", 1},
	}
	for _, tt := range tests {
		t.Run(tt.step+" "+tt.dest, func(t *testing.T) {
			dir := t.TempDir()
			dest := filepath.Join(dir, tt.dest)
			if err := os.WriteFile(dest, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), killedEnv+"="+tt.src+"|"+dest+"|"+tt.step)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("the child said %q, %v", line, err)
			}
			during := names(t, dir)
			// While it lives, another run leaves its file alone.
			if o, err := Create(dest, true); err != nil {
				t.Error(err)
			} else if err := o.Abort(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(during, names(t, dir)); diff != "" {
				t.Errorf("a live run's files (-before +after):\n%s", diff)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() // reports the kill
			if got := readFile(t, dest); string(got) != "old" {
				t.Errorf("the destination holds %d bytes", len(got))
			}
			if left := len(names(t, dir)) - 1; left != tt.left {
				t.Errorf("%d temporary files after the kill, want %d: %q", left, tt.left, names(t, dir))
			}
			for _, n := range names(t, dir) {
				if info, err := os.Stat(filepath.Join(dir, n)); n != tt.dest && (err != nil || info.Mode() != 0o600) {
					t.Errorf("%s: mode %v, %v", n, info.Mode(), err)
				}
			}
			o, err := Create(dest, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Abort(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.dest}, names(t, dir)); diff != "" {
				t.Errorf("files after the next run (-want +got):\n%s", diff)
			}
		})
	}
}
