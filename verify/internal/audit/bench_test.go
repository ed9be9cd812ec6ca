package audit_test

// This file measures the audit of a large image beside e2fsck -fn.

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

const (
	largeFiles = 80_000
	largeSize  = 3 << 30
	// wantMemory is what the audit of it may take, in bytes, all of its process.
	wantMemory = 256 << 20
	childEnv   = "BORINGBOOT_AUDIT_CHILD"
)

// largeImage has directories of 100 files, most small, some of many extents.
func largeImage(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(fastDir(), "audit-large-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	tree, path := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
	content := bytes.Repeat([]byte{1}, 64<<10)
	for i := range largeFiles {
		sub := filepath.Join(tree, fmt.Sprintf("%d/%d", i/2000, i/100%20))
		if i%100 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		data := content[:i*7919%(48<<10)]
		if i%200 == 0 { // every other block is a hole
			data = make([]byte, 64<<10)
			for at := 0; at < len(data); at += 8192 {
				data[at] = 1
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("a-file-with-a-name-%06d", i)), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(path, largeSize); err != nil {
		b.Fatal(err)
	}
	if err := told(testimage.Command(b, "mke2fs", "-F", "-q", "-t", "ext4", "-O", "none,"+modern, "-b", "4096", "-I", "256", "-N", "196608",
		"-E", "nodiscard,lazy_itable_init=1", "-d", tree, path)); err != nil {
		b.Fatal(err)
	}
	if err := told(testimage.Command(b, "e2fsck", "-fyD", path), 1); err != nil {
		b.Fatal(err)
	}
	if err := os.RemoveAll(tree); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkWholeImage has both audit an image of 3 GB with 80,000 files, turn by turn, each in a process of its own.
func BenchmarkWholeImage(b *testing.B) {
	path := largeImage(b)
	test, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	var times [2][]float64
	var memory [2]int64
	turn := func(i int, cmd *exec.Cmd) {
		start := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
		times[i] = append(times[i], time.Since(start).Seconds())
		memory[i] = max(memory[i], maxMemory(cmd.ProcessState))
	}
	for b.Loop() {
		child := exec.Command(test, "-test.run", "^TestAuditOfAnotherProcess$")
		child.Env = append(os.Environ(), childEnv+"="+path)
		turn(0, child)
		turn(1, testimage.Command(b, "e2fsck", "-fn", path))
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return times[i][len(times[i])/2]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(0), "s-ours")
	b.ReportMetric(median(1), "s-e2fsck")
	b.ReportMetric(median(0)/median(1), "ours/e2fsck")
	b.ReportMetric(float64(memory[0])/(1<<20), "MiB-ours")
	b.ReportMetric(float64(memory[1])/(1<<20), "MiB-e2fsck")
	if median(0) > median(1) {
		b.Errorf("%.3f s, and e2fsck takes %.3f s", median(0), median(1))
	}
	if memory[0] > wantMemory {
		b.Errorf("%d MiB of memory, want at most %d", memory[0]>>20, wantMemory>>20)
	}
}

// TestAuditOfAnotherProcess is the child of BenchmarkWholeImage.
func TestAuditOfAnotherProcess(t *testing.T) {
	path := os.Getenv(childEnv)
	if path == "" {
		return // nothing to skip: it is no test of its own
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	result, err := audit.Run(context.Background(), f, largeSize, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range result.Findings {
		t.Errorf("%+v", finding)
	}
}
