package ext4

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// Scale, beside peers: each contender does the same job on an image of its own, one after the other and round after round, so that
// what else the machine does hits all of them. Medians and their ratios are reported.

// contender does a job on the image at path. Everything until it returns is measured.
type contender struct {
	name string
	do   func(path string) error
}

// race runs the contenders on fresh copies of an image; the first one is this package. check looks at what each has made, once.
func race(b *testing.B, image string, check func(path string), contenders []contender) {
	b.Helper()
	times := make([][]time.Duration, len(contenders))
	round := 0
	for b.Loop() {
		for i, c := range contenders {
			path := filepath.Join(b.TempDir(), "copy")
			copyImage(b, image, path)
			start := time.Now()
			if err := c.do(path); err != nil {
				b.Fatalf("%s: %v", c.name, err)
			}
			times[i] = append(times[i], time.Since(start))
			if round == 0 {
				check(path)
			}
			if err := os.Remove(path); err != nil {
				b.Fatal(err)
			}
		}
		round++
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return times[i][len(times[i])/2].Seconds()
	}
	b.ReportMetric(0, "ns/op")
	var lines []string
	for i, c := range contenders {
		b.ReportMetric(median(i), "s-"+strings.NewReplacer(", ", "-", " ", "-").Replace(c.name))
		lines = append(lines, fmt.Sprintf("%-28s %7.3f s  %5.2f times ours", c.name, median(i), median(i)/median(0)))
	}
	b.Logf("%d rounds, medians:\n%s", round, strings.Join(lines, "\n"))
}

// byUs is an update with fn of an image file that is durable in the end.
func byUs(fn func(tx *Tx) error, opts ...UpdateOption) func(path string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		fsys, err := Open(fileDevice{f})
		if err == nil {
			err = fsys.Update(fn, opts...)
		}
		return errors.Join(err, f.Close())
	}
}

// byKernel mounts the image, runs a command there, and waits until all of it is in the image.
func byKernel(b *testing.B, command func(dir string) *exec.Cmd) func(path string) error {
	return func(path string) error {
		dir := testimage.MountRW(b, path, 0)
		out, err := command(dir).CombinedOutput()
		if err == nil {
			out, err = exec.Command("sync", "-f", dir).CombinedOutput()
		}
		testimage.Unmount(b, dir)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
}

// lazyFile is a file that is open only while it is read.
type lazyFile struct {
	path string
	size int64
}

func (f lazyFile) Size() int64 { return f.size }

func (f lazyFile) ReadAt(p []byte, off int64) (int, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.ReadAt(p, off)
}

// scaleImage has room for that many small files, and the features that mke2fs has by default.
func scaleImage(b *testing.B, inodes int, size string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "image")
	out, err := testimage.Command(b, "mke2fs", "-q", "-t", "ext4", "-N", fmt.Sprint(inodes), "-O", testimage.NixOS().Features, path, size).CombinedOutput()
	if err != nil {
		b.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return path
}

// smallFiles writes n files of 1 KiB into a directory d below a new one.
func smallFiles(b *testing.B, n int) (tree string) {
	b.Helper()
	tree = b.TempDir()
	if err := os.Mkdir(filepath.Join(tree, "d"), 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(tree, "d", smallName(i)), pattern(1024, byte(i)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return tree
}

func smallName(i int) string { return fmt.Sprintf("file-%06d", i) }

// BenchmarkSmallFiles puts files of 1 KiB from a tree on disk into one directory of an image.
func BenchmarkSmallFiles(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			testimage.RequireRoot(b)
			tree := smallFiles(b, n)
			ours := func(tx *Tx) error {
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i := range n {
					c := lazyFile{filepath.Join(tree, "d", smallName(i)), 1024}
					if err := tx.WriteFile("d/"+smallName(i), c, Attr{Mode: 0o644}); err != nil {
						return err
					}
				}
				return nil
			}
			contenders := []contender{{"ours, a copy", byUs(ours, WithoutJournal())}}
			if n <= 10_000 {
				contenders = append(contenders, contender{"ours, journal", byUs(ours)})
			}
			contenders = append(contenders, contender{"kernel, cp -r and sync", byKernel(b, func(dir string) *exec.Cmd {
				return exec.Command("cp", "-r", filepath.Join(tree, "d"), dir)
			})})
			if n <= 10_000 { // they take minutes for more
				contenders = append(contenders, contender{"debugfs", func(path string) error {
					var script strings.Builder
					fmt.Fprintln(&script, "mkdir /d\ncd /d")
					for i := range n {
						fmt.Fprintf(&script, "write %s %s\n", filepath.Join(tree, "d", smallName(i)), smallName(i))
					}
					c := testimage.Command(b, "debugfs", "-w", "-f", "-", path)
					c.Stdin = strings.NewReader(script.String())
					return c.Run()
				}}, contender{"mke2fs -d", func(path string) error {
					return testimage.Command(b, "mke2fs", "-F", "-q", "-t", "ext4", "-N", fmt.Sprint(2*n), "-O", testimage.NixOS().Features,
						"-d", tree, path, "1G").Run()
				}})
			}
			race(b, scaleImage(b, 2*n, "1G"), func(path string) {
				b.Helper()
				testimage.Fsck(b, path, 0)
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				fsys, err := Open(fileDevice{f})
				if err != nil {
					b.Fatal(err)
				}
				if list, err := fsys.ReadDir("d"); err != nil || len(list) != n {
					b.Errorf("%d files are there, want %d (%v)", len(list), n, err)
				}
			}, contenders)
		})
	}
}

// BenchmarkLargeFile puts a file of 1 GiB into an image.
func BenchmarkLargeFile(b *testing.B) {
	testimage.RequireRoot(b)
	source := filepath.Join(b.TempDir(), "large")
	f, err := os.Create(source)
	if err != nil {
		b.Fatal(err)
	}
	const size = 1 << 30
	block := pattern(1<<20, 7)
	for range size / len(block) {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
	opened, err := os.Open(source)
	if err != nil {
		b.Fatal(err)
	}
	defer opened.Close()
	write := func(tx *Tx) error {
		return tx.WriteFile("large", io.NewSectionReader(opened, 0, size), Attr{Mode: 0o644})
	}
	race(b, scaleImage(b, 1000, "1400M"), func(path string) { testimage.Fsck(b, path, 0) }, []contender{
		{"ours, a copy", byUs(write, WithoutJournal())},
		{"ours, journal", byUs(write)},
		{"kernel, cp and sync", byKernel(b, func(dir string) *exec.Cmd { return exec.Command("cp", source, dir) })},
		{"cp to a file, sync", func(path string) error {
			other := path + ".large"
			defer os.Remove(other)
			if err := exec.Command("cp", "--reflink=never", source, other).Run(); err != nil {
				return err
			}
			return exec.Command("sync", other).Run()
		}},
	})
}
