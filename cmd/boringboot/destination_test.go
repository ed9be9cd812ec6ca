//go:build unix

package main_test

// This file shows that DEST comes into being whole or not at all: whatever is in its way, whatever kills the program, whenever.

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

func TestDestination(t *testing.T) {
	image := testimage.NixOSDisk(t, testimage.Options{StorePaths: 20})
	provision := func(w *workplace, dest string, more ...string) []string {
		return append([]string{"provision", "bastet", dest, "--image", image}, more...)
	}
	t.Run("a DEST that exists is kept", func(t *testing.T) {
		w := newWorkplace(t)
		w.write("out/bastet.img", []byte("precious"))
		checkFailure(t, w, failure{want: []string{"out/bastet.img", "exists", "--force"}}, provision(w, "out/")...)
		w.only("out", "bastet.img")
		if string(w.read("out/bastet.img")) != "precious" {
			t.Error("it was changed")
		}
		w.must(0, "boringboot", provision(w, "out/", "--force")...)
		w.only("out", "bastet.img")
		testimage.Fsck(t, w.path("out/bastet.img"), testimage.Options{}.RootOffset())
	})
	t.Run("its directory is missing", func(t *testing.T) {
		w := newWorkplace(t)
		checkFailure(t, w, failure{want: []string{"nowhere"}}, provision(w, "nowhere/x.img")...)
		checkFailure(t, w, failure{want: []string{"nowhere"}}, provision(w, "nowhere/")...)
		if _, err := os.Stat(w.path("nowhere")); err == nil {
			t.Error("the directory was made")
		}
	})
	t.Run("its directory is read-only", func(t *testing.T) {
		w := newWorkplace(t)
		mountTmpfs(t, w.path("ro"), "ro")
		checkFailure(t, w, failure{want: []string{"ro", "read-only"}}, provision(w, "ro/x.img")...)
	})
	t.Run("its disk fills up", func(t *testing.T) {
		w := newWorkplace(t)
		mountTmpfs(t, w.path("small"), "size=1m")
		w.write("small/x.img", []byte("precious"))
		checkFailure(t, w, failure{want: []string{"no space left"}}, provision(w, "small/x.img", "--force")...)
		checkFailure(t, w, failure{want: []string{"no space left"}}, provision(w, "small/y.img.zst")...)
		w.only("small", "x.img")
		if string(w.read("small/x.img")) != "precious" {
			t.Error("DEST was changed")
		}
	})
	t.Run("a DEST that ends in .zst is compressed", func(t *testing.T) {
		w := newWorkplace(t)
		w.must(0, "boringboot", provision(w, "out.img.zst")...)
		w.must(0, "boringboot", provision(w, "out.img")...)
		w.sh("zstd", "-q", "-d", "out.img.zst", "-o", "unpacked.img")
		if testimage.Snapshot(t, w.path("unpacked.img")) != testimage.Snapshot(t, w.path("out.img")) {
			t.Error("the compressed image is not the raw one")
		}
		w.must(0, "verify-image", "out.img.zst", "--secrets", "secrets/bastet.yaml")
		info, err := os.Stat(w.path("out.img.zst"))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
	t.Run("holes stay holes", func(t *testing.T) {
		w := newWorkplace(t)
		big := testimage.Ext4(t, testimage.Options{StorePaths: 20, Size: 1 << 30})
		w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", big)
		var st syscall.Stat_t
		if err := syscall.Stat(w.path("out.img"), &st); err != nil || st.Size != 1<<30 || st.Blocks*512 > 64<<20 {
			t.Errorf("size %d, %d bytes on disk, %v", st.Size, st.Blocks*512, err)
		}
	})
	t.Run("a dry run writes nothing", func(t *testing.T) {
		w := newWorkplace(t)
		os.Mkdir(w.path("out"), 0o755)
		f := w.must(0, "boringboot", provision(w, "out/", "--dry-run", "--known-hosts", "known_hosts", "--receipt", "receipt.json")...)
		if !strings.Contains(f.stdout, "it fits") {
			t.Error(f.stdout)
		}
		w.only("out")
		for _, name := range []string{"known_hosts", "receipt.json"} {
			if _, err := os.Stat(w.path(name)); err == nil {
				t.Errorf("%s was made", name)
			}
		}
	})
}

// mountTmpfs mounts a tmpfs at dir until the test ends.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	testimage.RequireRoot(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}

// TestSignals kills the program at moments spread over its run, and while it waits for nothing but a signal.
func TestSignals(t *testing.T) {
	image := testimage.Compress(t, testimage.NixOSDisk(t, testimage.Options{StorePaths: 200, Free: 256 << 20}), "zst")
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
	}{
		{"SIGINT", syscall.SIGINT},
		{"SIGTERM", syscall.SIGTERM},
		{"SIGHUP", syscall.SIGHUP},
		{"SIGQUIT", syscall.SIGQUIT},
		{"SIGKILL", syscall.SIGKILL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkplace(t)
			start := time.Now()
			w.must(0, "boringboot", "provision", "bastet", "whole.img", "--image", image)
			whole := time.Since(start)
			sum := testimage.Snapshot(t, w.path("whole.img"))
			w.write("out/bastet.img", []byte("precious"))
			finished := 0
			const moments = 12
			for i := range moments {
				cmd := w.command("boringboot", "provision", "bastet", "out/", "--image", image, "--force")
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(whole * time.Duration(i) / moments)
				cmd.Process.Signal(tt.signal)
				if i%2 == 1 { // twice, as timeout(1) does it, and a terminal that is closed together with its shell
					cmd.Process.Signal(tt.signal)
				}
				err := cmd.Wait()
				got := testimage.Snapshot(t, w.path("out/bastet.img"))
				switch {
				case err == nil: // it was done before the signal came
					finished++
					if got != sum {
						t.Fatalf("moment %d: done, and DEST is not the image", i)
					}
					w.write("out/bastet.img", []byte("precious"))
				case string(mustRead(t, w.path("out/bastet.img"))) == "precious":
				case tt.signal == syscall.SIGKILL && got == sum: // killed between the rename and the exit
					w.write("out/bastet.img", []byte("precious"))
				default:
					t.Fatalf("moment %d: DEST was changed\n%s", i, stderr.Bytes())
				}
				if tt.signal == syscall.SIGKILL {
					continue // what it leaves the next run removes
				}
				// A signal that comes before main has run finds no handler: then nothing was said, and nothing was made.
				early := cmd.ProcessState.ExitCode() == -1 && stderr.Len() == 0
				if err != nil && cmd.ProcessState.ExitCode() != 2 && !early {
					t.Errorf("moment %d: exit code %d\n%s", i, cmd.ProcessState.ExitCode(), stderr.Bytes())
				}
				w.only("out", "bastet.img")
			}
			if finished == moments {
				t.Error("no signal came in time")
			}
			w.must(0, "boringboot", "provision", "bastet", "out/", "--image", image, "--force")
			w.only("out", "bastet.img")
			if testimage.Snapshot(t, w.path("out/bastet.img")) != sum {
				t.Error("the run after the kills made another image")
			}
		})
	}
}

// TestWhatAKillLeftIsRemovedByARunThatFails: it may hold a private key, and the next run may be one that fails at once.
func TestWhatAKillLeftIsRemovedByARunThatFails(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("out/bastet.img", []byte("precious"))
	w.sh("cp", "--sparse=always", image, "out/work.img")
	w.sh("ln", "-s", "out/work.img", "link.img")
	for _, tt := range []struct {
		left string // whose temporary file is left
		args []string
	}{
		{"bastet.img", []string{"provision", "bastet", "out/", "--image", image}},
		{"bastet.img", []string{"provision", "bastet", "out/bastet.img", "--image", "nowhere.img", "--force"}},
		{"bastet.img", []string{"provision", "bastet", "out/", "--image", image, "--secrets", "nowhere.yaml", "--force"}},
		{"bastet.img", []string{"provision", "bastet", "out/", "--image", image, "--partition", "0"}},
		{"new.img", []string{"provision", "bastet", "out/new.img", "--image", "nowhere.img"}},
		{"new.img.xz", []string{"provision", "bastet", "out/new.img.xz", "--image", image}},
		{"bastet.img", []string{"inject", image, "-o", "out/bastet.img", "--file", "key.pub:/x"}},
		{"work.img", []string{"inject", "link.img", "--file", "nowhere:/x"}},
		{"receipt.json", []string{"inject", "link.img", "--file", "nowhere:/x", "--receipt", "out/receipt.json"}},
	} {
		name := "out/." + tt.left + ".boringboot-0123456789abcdef.tmp"
		w.write(name, w.private)
		w.must(2, "boringboot", append(tt.args, "--dry-run")...)
		if _, err := os.Stat(w.path(name)); err != nil {
			t.Errorf("%q: a dry run removed it: %v", tt.args, err)
		}
		w.must(2, "boringboot", tt.args...)
		if _, err := os.Stat(w.path(name)); err == nil {
			t.Errorf("%q: it is still there", tt.args)
		}
		os.Remove(w.path(name))
	}
	// What another run has is not left, and what is another's destination may be.
	for _, name := range []string{"out/.bastet.img.boringboot-0123456789abcdef.tmp", "out/.other.img.boringboot-0123456789abcdef.tmp"} {
		w.write(name, nil)
	}
	f, err := os.Open(w.path("out/.bastet.img.boringboot-0123456789abcdef.tmp"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	w.must(2, "boringboot", "provision", "bastet", "out/", "--image", image)
	w.only("out", ".bastet.img.boringboot-0123456789abcdef.tmp", ".other.img.boringboot-0123456789abcdef.tmp", "bastet.img", "work.img")
}

// TestKilledInPlace kills inject while it changes an image in place: the kernel then finds all of the files or none of them.
func TestKilledInPlace(t *testing.T) {
	testimage.Require(t, "strace")
	w := newWorkplace(t)
	image := testimage.Ext4(t, testimage.Options{StorePaths: 50})
	args := []string{"inject", "work.img", "--secrets", "secrets/bastet.yaml"}
	fresh := func() {
		w.sh("cp", "--sparse=always", image, w.path("work.img"))
	}
	fresh()
	trace := w.command("strace", "-f", "-e", "trace=pwrite64,fsync,fdatasync", "-o", w.path("trace"), filepath.Join(programs, "boringboot"))
	trace.Path, trace.Args = lookPath(t, "strace"), append(trace.Args, args...)
	trace.Args[0] = "strace"
	if f := w.end(trace); f.code != 0 {
		t.Fatalf("%s", f.stderr)
	}
	calls := 0
	sc := bufio.NewScanner(bytes.NewReader(w.read("trace")))
	for sc.Scan() {
		if strings.Contains(sc.Text(), "pwrite64(") || strings.Contains(sc.Text(), "sync(") {
			calls++
		}
	}
	if calls < 5 {
		t.Fatalf("only %d writes and syncs seen:\n%s", calls, w.read("trace"))
	}
	none, all, killed := 0, 0, 0
	for n := 1; n <= calls; n++ {
		fresh()
		cmd := w.command("strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64,fsync,fdatasync",
			"-e", "inject=pwrite64,fsync,fdatasync:signal=SIGKILL:when="+strconv.Itoa(n), filepath.Join(programs, "boringboot"))
		cmd.Path, cmd.Args = lookPath(t, "strace"), append(cmd.Args, args...)
		cmd.Args[0] = "strace"
		if f := w.end(cmd); f.code != 0 { // strace counts calls per thread, so the last of them may not come
			killed++
		}
		mounted := testimage.MountRW(t, w.path("work.img"), 0) // replays the journal
		_, err := os.Stat(filepath.Join(mounted, "var"))
		if err != nil {
			none++
		} else {
			all++
			if got := mustRead(t, filepath.Join(mounted, "var/lib/bootstrap/ssh_host_ed25519_key")); got != string(w.private) {
				t.Errorf("killed at call %d: the key is not the key", n)
			}
			if got := mustRead(t, filepath.Join(mounted, "var/lib/networkmanager/system-connections.env")); got != testEnvironment {
				t.Errorf("killed at call %d: the env file is not the env file", n)
			}
		}
		testimage.Unmount(t, mounted)
		testimage.Fsck(t, w.path("work.img"), 0)
	}
	t.Logf("%d calls; killed %d times; none %d times, all %d times", calls, killed, none, all)
	if none == 0 || all == 0 || killed < calls/2 || all <= calls-killed {
		t.Errorf("of %d calls killed %d times, none %d times, all %d times: the kills did not come in time", calls, killed, none, all)
	}
}

// TestAWaitForASourceCanBeInterrupted has sources that nobody writes to.
func TestAWaitForASourceCanBeInterrupted(t *testing.T) {
	w := newWorkplace(t)
	if err := syscall.Mkfifo(w.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.write("age.yaml", []byte("version: 1\nfiles:\n  - path: /var/x\n    from: { age: ./pipe }\n"))
	w.write("work.img", []byte("whatever"))
	for _, args := range [][]string{{"--secrets", "pipe"}, {"--manifest", "pipe", "--secrets", "secrets/bastet.yaml"}, {"--manifest", "age.yaml"}} {
		cmd := w.command("boringboot", append([]string{"inject", "work.img"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		if !kill.Stop() || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v\n%s", args, cmd.ProcessState, stderr.Bytes())
		}
	}
}
