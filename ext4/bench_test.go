package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// injection is the three files of a bootstrap.
func injection(tx *Tx) error {
	for _, f := range []struct {
		dir, name string
		size      int
	}{
		{"var/lib/bootstrap", "ssh_host_ed25519_key", 411},
		{"var/lib/bootstrap", "ssh_host_ed25519_key.pub", 96},
		{"var/lib/networkmanager", "system-connections.env", 60},
	} {
		if err := tx.MkdirAll(f.dir, Attr{Mode: 0o755}); err != nil {
			return err
		}
		if err := tx.WriteFile(f.dir+"/"+f.name, bytes.NewReader(pattern(f.size, 1)), Attr{Mode: 0o600}); err != nil {
			return err
		}
	}
	return nil
}

// copyImage makes a copy that is on the disk already, so that no one else pays for it.
func copyImage(b *testing.B, from, to string) {
	b.Helper()
	if out, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		b.Fatalf("cp: %v\n%s", err, out)
	}
	if out, err := exec.Command("sync", to).CombinedOutput(); err != nil {
		b.Fatalf("sync: %v\n%s", err, out)
	}
}

// BenchmarkThreeFilesInPlace is an injection into an image: by this package through the journal, and without it, and by
// debugfs -w. Sparse file systems of up to 2 TiB show that their size does not matter.
func BenchmarkThreeFilesInPlace(b *testing.B) {
	original := map[string]string{"NixOS": testimage.Ext4(b, testimage.Options{})}
	for _, size := range []string{"256M", "2T"} {
		original[size] = sparseImage(b, size)
	}
	byDebugfs := injectionByDebugfs(b)
	for _, name := range []string{"NixOS", "256M", "2T"} {
		run := func(how string, do func(path string) error) {
			b.Run(name+"/"+how, func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "image")
				for b.Loop() {
					b.StopTimer()
					copyImage(b, original[name], path)
					b.StartTimer()
					if err := do(path); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("journal", byUs(injection))
		run("no journal", byUs(injection, WithoutJournal()))
		run("debugfs", byDebugfs)
	}
}

// injectionByDebugfs makes what injection makes.
func injectionByDebugfs(b *testing.B) func(path string) error {
	b.Helper()
	src := filepath.Join(b.TempDir(), "src")
	if err := os.WriteFile(src, pattern(400, 1), 0o600); err != nil {
		b.Fatal(err)
	}
	commands := []string{"mkdir /var", "mkdir /var/lib", "mkdir /var/lib/bootstrap", "mkdir /var/lib/networkmanager"}
	for _, f := range []string{"bootstrap/ssh_host_ed25519_key", "bootstrap/ssh_host_ed25519_key.pub", "networkmanager/system-connections.env"} {
		commands = append(commands, fmt.Sprintf("write %s /var/lib/%s", src, f), fmt.Sprintf("sif /var/lib/%s mode 0100600", f))
	}
	return func(path string) error {
		c := testimage.Command(b, "debugfs", "-w", "-f", "-", path)
		c.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
		return c.Run()
	}
}

// BenchmarkThreeFilesBySize injects into sparse file systems of several sizes, one after the other and round after round, so that
// what else the machine does hits all of them, with debugfs beside, and the writes and syncs of ours alone: what the disk takes for them.
// Medians are reported, and how many times as long 2 TiB take as 256 MiB. mke2fs makes those in blocks of 1 KiB, the larger ones in blocks of 4 KiB; so there are 256 MiB in those, too.
func BenchmarkThreeFilesBySize(b *testing.B) {
	type subject struct{ name, image string }
	list := []subject{{"256MiB-blocks-of-1KiB", sparseImage(b, "256M", "-b", "1024")}}
	for _, size := range []string{"256M", "1G", "8G", "512G", "2T"} {
		list = append(list, subject{size + "iB", sparseImage(b, size, "-b", "4096")})
	}
	contenders := []func(path string) error{byUs(injection), injectionByDebugfs(b), nil}
	times := make([][3][]time.Duration, len(list))
	writes := make([]func(path string) error, len(list))
	for i, s := range list {
		writes[i] = writesOf(b, s.image)
	}
	path := filepath.Join(b.TempDir(), "copy")
	for round := 0; b.Loop(); round++ {
		for k, do := range contenders {
			for turn := range list { // none is always the one that comes after debugfs, which leaves cold caches
				i := (turn + round) % len(list)
				copyImage(b, list[i].image, path)
				do := do
				if do == nil {
					do = writes[i]
				}
				start := time.Now()
				if err := do(path); err != nil {
					b.Fatalf("%s: %v", list[i].name, err)
				}
				times[i][k] = append(times[i][k], time.Since(start))
				if err := os.Remove(path); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	median := func(l []time.Duration) float64 {
		slices.Sort(l)
		return l[len(l)/2].Seconds() * 1000
	}
	b.ReportMetric(0, "ns/op")
	ours, alone := map[string]float64{}, map[string]float64{}
	for i, s := range list {
		ours[s.name], alone[s.name] = median(times[i][0]), median(times[i][2])
		b.ReportMetric(ours[s.name], "ms-"+s.name)
		b.ReportMetric(ours[s.name]/median(times[i][1]), "of-debugfs-"+s.name)
	}
	for _, s := range list[:2] {
		b.ReportMetric(ours["2TiB"]/ours[s.name], "2TiB/"+s.name)
		b.ReportMetric(alone["2TiB"]/alone[s.name], "writes-alone-2TiB/"+s.name)
	}
}

// traced notes what is written to a device and where it is synced.
type traced struct {
	fileDevice
	ops *[]func(f *os.File) error
}

func (d traced) WriteAt(p []byte, off int64) (int, error) {
	data := bytes.Clone(p)
	*d.ops = append(*d.ops, func(f *os.File) error { _, err := f.WriteAt(data, off); return err })
	return d.fileDevice.WriteAt(p, off)
}

func (d traced) Sync() error {
	*d.ops = append(*d.ops, (*os.File).Sync)
	return d.fileDevice.Sync()
}

// writesOf repeats on a copy of the image what the injection writes and syncs, and nothing else of it.
func writesOf(b *testing.B, image string) func(path string) error {
	b.Helper()
	path := filepath.Join(b.TempDir(), "traced")
	copyImage(b, image, path)
	var ops []func(f *os.File) error
	fsys, err := Open(traced{openDevice(b, path), &ops})
	if err == nil {
		err = fsys.Update(injection)
	}
	if err := errors.Join(err, os.Remove(path)); err != nil {
		b.Fatal(err)
	}
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		for _, op := range ops {
			err = errors.Join(err, op(f))
		}
		return errors.Join(err, f.Close())
	}
}

// BenchmarkManyFiles makes 10,000 files of 1 KB in one directory.
func BenchmarkManyFiles(b *testing.B) {
	path := filepath.Join(b.TempDir(), "image")
	if out, err := testimage.Command(b, "mke2fs", "-q", "-t", "ext4", "-N", "120000", "-O", testimage.NixOS().Features, path, "1G").CombinedOutput(); err != nil {
		b.Fatalf("mke2fs: %v\n%s", err, out)
	}
	content := pattern(1000, 1)
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				copied := filepath.Join(b.TempDir(), "copy")
				copyImage(b, path, copied)
				f, err := os.OpenFile(copied, os.O_RDWR, 0)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				fsys, err := Open(fileDevice{f})
				if err != nil {
					b.Fatal(err)
				}
				err = fsys.Update(func(tx *Tx) error {
					if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
						return err
					}
					for i := range n {
						if err := tx.WriteFile(fmt.Sprintf("d/file-%06d", i), bytes.NewReader(content), Attr{Mode: 0o644}); err != nil {
							return err
						}
					}
					return nil
				}, WithoutJournal())
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				f.Close()
				if n == 10_000 {
					testimage.Fsck(b, copied, 0)
				}
				b.StartTimer()
			}
		})
	}
}
