package ext4

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
		byUs := func(opts ...UpdateOption) func(path string) error {
			return func(path string) error {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					return err
				}
				defer f.Close()
				fsys, err := Open(fileDevice{f})
				if err != nil {
					return err
				}
				return fsys.Update(injection, opts...)
			}
		}
		run("journal", byUs())
		run("no journal", byUs(WithoutJournal()))
		src := filepath.Join(b.TempDir(), "src")
		if err := os.WriteFile(src, pattern(400, 1), 0o600); err != nil {
			b.Fatal(err)
		}
		commands := []string{"mkdir /var", "mkdir /var/lib", "mkdir /var/lib/bootstrap", "mkdir /var/lib/networkmanager"}
		for _, f := range []string{"bootstrap/ssh_host_ed25519_key", "bootstrap/ssh_host_ed25519_key.pub", "networkmanager/system-connections.env"} {
			commands = append(commands, fmt.Sprintf("write %s /var/lib/%s", src, f), fmt.Sprintf("sif /var/lib/%s mode 0100600", f))
		}
		run("debugfs", func(path string) error {
			c := testimage.Command(b, "debugfs", "-w", "-f", "-", path)
			c.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
			return c.Run()
		})
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
