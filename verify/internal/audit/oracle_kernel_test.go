package audit_test

// This file has the images that the kernel has worked on. They need root.

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// kernelRecipes are images that the kernel has changed; none where it cannot mount them.
func kernelRecipes() []recipe {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return nil
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return nil
	}
	var list []recipe
	for name, r := range map[string]recipe{
		"modern":       {features: modern, blockSize: 1024, inodeSize: 256},
		"4k":           {features: debian, blockSize: 4096, inodeSize: 256, kib: 24 << 10},
		"ext3":         {features: ext3, blockSize: 1024, inodeSize: 128},
		"no checksums": {features: unsummed, blockSize: 2048, inodeSize: 256},
		"inline_data":  {features: with(modern, "inline_data"), blockSize: 1024, inodeSize: 256},
		"ea_inode":     {features: with(modern, "ea_inode"), blockSize: 1024, inodeSize: 256},
		"bigalloc":     {features: with(modern, "bigalloc", "^resize_inode"), blockSize: 1024, inodeSize: 256, args: []string{"-C", "4096"}, kib: 16 << 10},
		"large_dir":    {features: with(debian, "large_dir", "meta_bg", "^resize_inode"), blockSize: 1024, inodeSize: 256},
	} {
		r.name, r.content, r.kernel = "kernel: "+name, rich, kernelWork
		list = append(list, r)
	}
	// A map has no order.
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if list[j].name < list[i].name {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return list
}

// kernelWork is what the kernel does in another way than e2fsprogs: directories that grow and shrink, files full of holes, attributes
// that inodes share, orphans.
func kernelWork(dir string) error {
	path := func(name string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(name, args...)) }
	var first error
	do := func(err error) {
		if first == nil {
			first = err
		}
	}
	do(os.Mkdir(path("kernel"), 0o755))
	for i := range 300 {
		do(os.WriteFile(path("kernel/%s-%d", strings.Repeat("k", 50), i), nil, 0o600))
	}
	for i := 0; i < 300; i += 3 {
		do(os.Remove(path("kernel/%s-%d", strings.Repeat("k", 50), i)))
	}
	f, err := os.Create(path("scattered"))
	if err != nil {
		return err
	}
	for i := range 100 {
		_, err := f.WriteAt(pattern(1000), int64(i)*9000)
		do(err)
		if i%10 == 0 {
			do(f.Sync())
		}
	}
	do(f.Truncate(500_000))
	do(f.Close())
	do(os.Truncate(path("large"), 5000))
	for i := range 5 {
		name := path("shares-%d", i)
		do(os.WriteFile(name, pattern(i*3000), 0o644))
		do(setAttribute(name, "user.shared", pattern(400)))
	}
	do(setAttribute(path("kernel"), "user.shared", pattern(400)))
	do(os.Rename(path("hashed"), path("kernel/hashed")))
	do(os.RemoveAll(path("subdirs")))
	do(os.Symlink(strings.Repeat("s", 300), path("slow")))
	return first
}
