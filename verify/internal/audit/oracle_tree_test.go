package audit_test

// This file is what is in the images: of every kind of inode, map, directory and attribute at least one.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fill writes what mke2fs -d copies.
func (r recipe) fill(dir string) error {
	w := &treeWriter{dir: dir}
	block := r.blockSize
	w.file("small", pattern(100))
	w.file("empty", nil)
	w.file("tiny", pattern(20))
	w.file("medium", pattern(3*block+17))
	w.link("medium", "another-name")
	w.link("medium", "third-name")
	if r.content&bare != 0 {
		w.mkdir("dir")
		w.file("dir/file", pattern(10))
		return w.err
	}
	w.file("large", pattern(30*block))
	w.file("prealloc", pattern(3*block))
	w.holes("holes", block, 9)
	// More extents than a node holds.
	w.holes("many-extents", block, min(block/12*5/4+8, 450))
	w.mkdir("a/deep/way/down/to/here")
	w.file("a/deep/way/down/to/here/file", pattern(10))
	w.mkdir("empty-dir")
	w.mkdir("small-dir")
	for i := range 5 {
		w.file(fmt.Sprintf("small-dir/%d", i), nil)
	}
	for _, n := range []int{1, 59, 60, 61, 200, min(block, 4096) - 1} {
		w.symlink(strings.Repeat("t", n), fmt.Sprintf("symlink-%d", n))
	}
	// Some blocks of entries each, so that there is an index.
	w.mkdir("hashed")
	for i := range min(6*block/48, 600) {
		w.link("empty", fmt.Sprintf("hashed/a-name-that-takes-some-room-%04d", i))
	}
	w.mkdir("subdirs")
	for i := range 12 {
		w.mkdir(fmt.Sprintf("subdirs/%s-%d", strings.Repeat("d", 60), i))
	}
	if r.content&longNames != 0 {
		// 124 entries fill the root of 1 KiB, four names a leaf.
		w.mkdir("two-levels")
		for i := range 560 {
			w.link("small", fmt.Sprintf("two-levels/%0240d", i))
		}
	}
	if r.content&farAway != 0 {
		p := block / 4
		w.block("single", block, 12+3)
		w.block("double", block, 12+p+2*p+3)
		if block == 1024 {
			w.block("triple", block, 12+p+p*p+p*p+2*p+3)
		}
	}
	if r.content&owners != 0 {
		for i := range 25 {
			w.file(fmt.Sprintf("owned-%d", i), pattern(i*block/3))
		}
	}
	return w.err
}

// commands are what debugfs adds.
func (r recipe) commands(dir string) []string {
	if r.content&bare != 0 {
		return nil
	}
	c := []string{
		"mknod char c 1 3", "mknod old-block b 8 7", "mknod new-block b 259 60000", "mknod fifo p",
		"mknod socket p", "sif socket mode 0140644",
		"mkdir setgid", "sif setgid mode 042755", "sif small mode 0104711",
		"sif small uid 1000", "sif large gid 70000",
	}
	if strings.Contains(r.features, "extent") { // only extents can be unwritten
		c = append(c, "fallocate prealloc 5 20", "sif medium flags 0x80030")
	}
	if r.content&owners != 0 {
		for i := range 25 {
			c = append(c, fmt.Sprintf("sif owned-%d uid %d", i, 1<<i+i), fmt.Sprintf("sif owned-%d gid %d", i, i*i*i*7))
		}
	}
	if r.content&projects != 0 {
		for i := range 8 {
			c = append(c, fmt.Sprintf("sif owned-%d projid %d", i, 1+i*300))
		}
	}
	if r.content&attributes != 0 {
		c = append(c, r.attributes(dir)...)
	}
	if r.content&folded != 0 && !strings.Contains(r.features, "inline_data") { // debugfs has no way from an inline directory to blocks
		flags := 0x40000000
		if strings.Contains(r.features, "extent") {
			flags |= 0x80000
		}
		c = append(c, "mkdir folded", fmt.Sprintf("sif folded flags %#x", flags))
		for i := range 90 {
			c = append(c, fmt.Sprintf("symlink folded/A-Name-That-Takes-Some-Room-%04d x", i))
		}
	}
	return c
}

func (r recipe) attributes(dir string) []string {
	c := []string{
		"ea_set small user.one 1", "ea_set large user.empty-or-not 22",
		"ea_set small-dir user.block " + strings.Repeat("b", 300),
		"ea_set holes user.block " + strings.Repeat("c", 250), "ea_set holes user.another " + strings.Repeat("d", 100),
		"ea_set holes trusted.third 3", "ea_set holes user.z-short 4", "ea_set holes security.selinux system_u:object_r:etc_t:s0",
		"ea_set symlink-200 trusted.on-a-link v", "ea_set fifo trusted.on-a-fifo v", "ea_set hashed user.on-a-directory v",
	}
	file := func(name string, value []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, value, 0o600); err != nil {
			panic(err)
		}
		return path
	}
	acl := []byte{2, 0, 0, 0, // version of the attribute's form
		1, 0, 6, 0, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 4, 0, 0xE8, 3, 0, 0, 4, 0, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF,
		8, 0, 7, 0, 0xE9, 3, 0, 0, 16, 0, 7, 0, 0xFF, 0xFF, 0xFF, 0xFF, 32, 0, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF}
	c = append(c, "ea_set -f "+file("acl", acl)+" empty system.posix_acl_access",
		"ea_set -f "+file("acl", acl)+" empty-dir system.posix_acl_default",
		"ea_set -f "+file("capability", append([]byte{1, 0, 0, 2, 0, 4}, make([]byte, 14)...))+" medium security.capability")
	if r.content&values != 0 {
		big := file("big", bytes.Repeat([]byte("v"), r.blockSize+500))
		c = append(c, "ea_set -f "+big+" large user.large", "ea_set -f "+big+" tiny user.large", "ea_set -f "+big+" empty-dir user.large",
			"ea_set -f "+file("bigger", bytes.Repeat([]byte("w"), 3*r.blockSize))+" tiny user.larger")
	}
	return c
}

// linearCommands make directories of several blocks that have no index.
func linearCommands(blockSize int) []string {
	c := []string{"mkdir linear"}
	for i := range min(3*blockSize/80, 150) {
		c = append(c, fmt.Sprintf("symlink linear/%s-%d x", strings.Repeat("l", 60), i))
	}
	return c
}

type treeWriter struct {
	dir string
	err error
}

func (w *treeWriter) do(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *treeWriter) path(name string) string { return filepath.Join(w.dir, name) }

func (w *treeWriter) file(name string, content []byte) {
	w.do(os.WriteFile(w.path(name), content, 0o644))
}
func (w *treeWriter) mkdir(name string)           { w.do(os.MkdirAll(w.path(name), 0o755)) }
func (w *treeWriter) symlink(target, name string) { w.do(os.Symlink(target, w.path(name))) }
func (w *treeWriter) link(old, name string)       { w.do(os.Link(w.path(old), w.path(name))) }

// holes writes a file of n blocks with a hole behind each: mke2fs leaves out blocks of zeros.
func (w *treeWriter) holes(name string, block, n int) {
	content := make([]byte, 2*n*block)
	for i := range n {
		content[2*i*block] = 1
	}
	w.file(name, content)
}

// block writes a file that has its first and its nth block.
func (w *treeWriter) block(name string, block, n int) {
	f, err := os.Create(w.path(name))
	if err != nil {
		w.do(err)
		return
	}
	_, err = f.WriteAt(pattern(10), 0)
	w.do(err)
	_, err = f.WriteAt(pattern(block), int64(n)*int64(block))
	w.do(err)
	w.do(f.Close())
}

// pattern is content without a byte of 0.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + i%251)
	}
	return b
}
