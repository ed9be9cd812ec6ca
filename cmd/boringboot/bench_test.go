package main_test

// This file runs the peers beside us in one run: three files injected in place, as whole processes. The ratio is of the medians of
// runs that take turns, so that it holds where the machine's speed drifts. Of debugfs there are three: one process with a script, which does
// not look at what it wrote; the same and a second one that reads it back, as we do; and one process for each command.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

func BenchmarkThreeFilesInPlace(b *testing.B) {
	testimage.Require(b, "debugfs", "cp")
	for _, size := range []int64{0, 256 << 20, 3 << 30} {
		name := "shrunk"
		if size > 0 {
			name = fmt.Sprintf("%dMiB", size>>20)
		}
		b.Run(name, func(b *testing.B) {
			w := newWorkplace(b)
			image := testimage.Ext4(b, testimage.Options{Size: size})
			w.write("env", []byte("WIFI_SSID=\"net\"\nWIFI_PSK=\"password\"\n"))
			ours := func() *exec.Cmd {
				return w.command("boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml", "-q")
			}
			files := func() *exec.Cmd {
				return w.command("boringboot", "inject", "work.img", "-q",
					"--file", "key:/var/lib/bootstrap/ssh_host_ed25519_key:0600", "--file", "key.pub:/var/lib/bootstrap/ssh_host_ed25519_key.pub:0644",
					"--file", "env:/var/lib/networkmanager/system-connections.env:0600")
			}
			debugfs := func() *exec.Cmd {
				cmd := exec.Command("debugfs", "-w", "-f", "-", "work.img")
				cmd.Dir = w.dir
				cmd.Stdin = strings.NewReader(debugfsScript)
				return cmd
			}
			each := func() *exec.Cmd { // a process for each command: a second, slower peer, not the one that the ratio is about
				cmd := exec.Command("sh", "-ec", `while read -r command; do debugfs -w -R "$command" work.img; done`)
				cmd.Dir = w.dir
				cmd.Stdin = strings.NewReader(debugfsScript)
				return cmd
			}
			peers := map[string]func() *exec.Cmd{"sops": ours, "files": files, "debugfs": debugfs, "debugfs-each": each}
			for peer, start := range peers { // each does the job: debugfs says 0 whatever happens
				w.sh("cp", "--sparse=always", image, "work.img")
				if out, err := start().CombinedOutput(); err != nil {
					b.Fatalf("%s: %v\n%s", peer, err, out)
				}
				testimage.Fsck(b, w.path("work.img"), 0)
				for path, mode := range map[string]string{"/var/lib/bootstrap/ssh_host_ed25519_key": "0600", "/var/lib/networkmanager/system-connections.env": "0600"} {
					if said := testimage.Debugfs(b, w.path("work.img"), 0, "stat "+path); !strings.Contains(said, "Mode:  "+mode) {
						b.Fatalf("%s: %s", peer, said)
					}
				}
			}
			peers["empty"] = emptyProgram(b, w)                                                 // what any program of Go takes
			peers["version"] = func() *exec.Cmd { return w.command("boringboot", "--version") } // what this one takes before it does anything
			readBack := func() {                                                                // what debugfs has written, by another debugfs: the first would show what it remembers
				cmd := exec.Command("debugfs", "-f", "-", "work.img")
				cmd.Dir = w.dir
				cmd.Stdin = strings.NewReader(debugfsReads + debugfsStats)
				out, err := cmd.Output()
				if err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				for _, name := range []string{"key", "key.pub", "env"} {
					if !bytes.Contains(out, w.read(name)) {
						b.Fatalf("debugfs: %s is not there:\n%s", name, out)
					}
				}
				if n := bytes.Count(out, []byte("Mode:")); n != 7 {
					b.Fatalf("debugfs: %d modes:\n%s", n, out)
				}
			}
			took := map[string][]time.Duration{}
			for b.Loop() {
				for _, peer := range []string{"sops", "debugfs", "files", "debugfs-each", "version", "empty"} {
					w.sh("cp", "--sparse=always", image, "work.img")
					w.sh("sync", "work.img")
					wrote := timed(b, peers[peer]())
					took[peer] = append(took[peer], wrote)
					if peer == "debugfs" {
						start := time.Now()
						readBack()
						took["debugfs-read-back"] = append(took["debugfs-read-back"], wrote+time.Since(start))
					}
				}
			}
			reportMedians(b, took)
			b.ReportMetric(float64(median(took["sops"]))/float64(median(took["debugfs"])), "sops/debugfs")
			b.ReportMetric(float64(median(took["files"]))/float64(median(took["debugfs"])), "files/debugfs")
			b.ReportMetric(float64(median(took["sops"]))/float64(median(took["debugfs-each"])), "sops/debugfs-each")
			b.ReportMetric(float64(median(took["sops"]))/float64(median(took["debugfs-read-back"])), "sops/debugfs-read-back")
			b.ReportMetric(float64(median(took["files"]))/float64(median(took["debugfs-read-back"])), "files/debugfs-read-back")
		})
	}
}

// BenchmarkContentsAlone times an audit of three files' contents as a process, without the structure of the file system around them, beside debugfs
// that reads the same three. What it takes must not grow with the image.
func BenchmarkContentsAlone(b *testing.B) {
	testimage.Require(b, "debugfs")
	for _, size := range []int64{32 << 20, 3 << 30, 64 << 30} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			w := newWorkplace(b)
			image := testimage.Ext4(b, testimage.Options{Size: size, StorePaths: -1})
			if done := w.run("boringboot", "inject", image, "--secrets", "secrets/bastet.yaml", "-q"); done.code != 0 {
				b.Fatal(done)
			}
			peers := map[string]func() *exec.Cmd{
				"bare": func() *exec.Cmd { return w.command("verify-image", "--contents-only", "-q", image) },
				"secrets": func() *exec.Cmd {
					return w.command("verify-image", "--contents-only", "-q", image, "--secrets", "secrets/bastet.yaml")
				},
				"debugfs": func() *exec.Cmd {
					cmd := exec.Command("debugfs", "-f", "-", image)
					cmd.Stdin = strings.NewReader(debugfsReads)
					return cmd
				},
			}
			took := map[string][]time.Duration{}
			for b.Loop() {
				for _, peer := range []string{"bare", "secrets", "debugfs"} {
					took[peer] = append(took[peer], timed(b, peers[peer]()))
				}
			}
			reportMedians(b, took)
			b.ReportMetric(float64(median(took["bare"]))/float64(median(took["debugfs"])), "bare/debugfs")
		})
	}
}

// emptyProgram builds a program that does nothing.
func emptyProgram(b *testing.B, w *workplace) func() *exec.Cmd {
	b.Helper()
	w.write("empty.go", []byte("package main\n\nfunc main() {}\n"))
	build := exec.Command("go", "build", "-trimpath", "-o", w.path("empty"), w.path("empty.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return func() *exec.Cmd { return exec.Command(w.path("empty")) }
}

// timed runs a program that has to succeed.
func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return took
}

func reportMedians(b *testing.B, took map[string][]time.Duration) {
	b.ReportMetric(0, "ns/op")
	for peer, d := range took {
		b.ReportMetric(float64(median(d).Microseconds())/1000, peer+"-ms")
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

const debugfsScript = `mkdir /var
mkdir /var/lib
mkdir /var/lib/bootstrap
sif /var/lib/bootstrap mode 040700
mkdir /var/lib/networkmanager
write key /var/lib/bootstrap/ssh_host_ed25519_key
sif /var/lib/bootstrap/ssh_host_ed25519_key mode 0100600
write key.pub /var/lib/bootstrap/ssh_host_ed25519_key.pub
sif /var/lib/bootstrap/ssh_host_ed25519_key.pub mode 0100644
write env /var/lib/networkmanager/system-connections.env
sif /var/lib/networkmanager/system-connections.env mode 0100600
`

const debugfsReads = `cat /var/lib/bootstrap/ssh_host_ed25519_key
cat /var/lib/bootstrap/ssh_host_ed25519_key.pub
cat /var/lib/networkmanager/system-connections.env
`

const debugfsStats = `stat /var
stat /var/lib
stat /var/lib/bootstrap
stat /var/lib/networkmanager
stat /var/lib/bootstrap/ssh_host_ed25519_key
stat /var/lib/bootstrap/ssh_host_ed25519_key.pub
stat /var/lib/networkmanager/system-connections.env
`
