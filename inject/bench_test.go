package inject_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/inject"
	"boringboot/internal/diskimage"
	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
	"boringboot/verify"
)

// BenchmarkInProcess injects three files in place and reads them back, beside debugfs doing the injecting alone, whatever the size of
// the image.
func BenchmarkInProcess(b *testing.B) {
	testimage.Require(b, "debugfs", "cp")
	for _, size := range []int64{64 << 20, 1 << 30, 8 << 30} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			image := testimage.Ext4(b, testimage.Options{Size: size})
			dir := b.TempDir()
			work := filepath.Join(dir, "work.img")
			content := strings.Repeat("x", 400)
			if err := os.WriteFile(filepath.Join(dir, "src"), []byte(content), 0o600); err != nil {
				b.Fatal(err)
			}
			var entries []manifest.Entry
			script := "mkdir /var\nmkdir /var/lib\n"
			for _, name := range []string{"a", "b", "c"} {
				entries = append(entries, manifest.Entry{Path: "/var/lib/" + name, Kind: manifest.File, Mode: 0o600, Content: strings.NewReader(content)})
				script += fmt.Sprintf("write src /var/lib/%s\nsif /var/lib/%s mode 0100600\n", name, name)
			}
			fresh := func() {
				if out, err := exec.Command("sh", "-c", "cp --sparse=always '"+image+"' '"+work+"' && sync '"+work+"'").CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
			var ours, readBack, theirs []time.Duration
			for b.Loop() {
				fresh()
				start := time.Now()
				img, err := diskimage.OpenInPlace(work)
				if err != nil {
					b.Fatal(err)
				}
				section := img.Section(0, img.Size())
				fsys, err := ext4.Open(section)
				if err != nil {
					b.Fatal(err)
				}
				plan, err := inject.NewPlan(fsys, entries, inject.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := plan.Apply(); err != nil {
					b.Fatal(err)
				}
				ours = append(ours, time.Since(start))
				report, err := verify.Contents(context.Background(), section, section.Size(), plan.Entries())
				if err != nil || !report.OK() {
					b.Fatal(err, report)
				}
				readBack = append(readBack, time.Since(start))
				img.Close()

				fresh()
				cmd := exec.Command("debugfs", "-w", "-f", "-", work)
				cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
				start = time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				theirs = append(theirs, time.Since(start))
			}
			if said := testimage.Debugfs(b, work, 0, "stat /var/lib/c"); !strings.Contains(said, "Mode:  0600") {
				b.Fatalf("debugfs did not do the job: %s", said)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(ours), "inject-ms")
			b.ReportMetric(ms(readBack), "inject+verify-ms")
			b.ReportMetric(ms(theirs), "debugfs-ms")
			b.ReportMetric(ms(ours)/ms(theirs), "inject/debugfs")
			b.ReportMetric(ms(readBack)/ms(theirs), "inject+verify/debugfs")
		})
	}
}

// ms returns the median in milliseconds.
func ms(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}
