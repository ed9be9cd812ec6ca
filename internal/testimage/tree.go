package testimage

// A directory tree as a value that can be compared.

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Node is what a tree holds at a path.
type Node struct {
	Type    string // "file", "dir", "symlink", "fifo", "socket", "char", "block"
	Mode    uint32 // permission bits, setuid 04000, setgid 02000, sticky 01000
	UID     uint32
	GID     uint32
	Size    int64 // bytes
	Links   uint64
	Mtime   int64             // nanoseconds since 1970
	Content string            // SHA-256 of a file in hexadecimal, the target of a symlink
	Device  uint64            // of "char" and "block"
	Xattrs  map[string]string // nil: none
}

// Tree reads everything below dir. The keys are slash-separated paths relative
// to it; "." is dir itself.
func Tree(tb testing.TB, dir string) map[string]Node {
	tb.Helper()
	nodes := map[string]Node{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		node, err := readNode(path)
		nodes[filepath.ToSlash(name)] = node
		return err
	})
	if err != nil {
		tb.Fatalf("reading the tree %s: %v", dir, err)
	}
	return nodes
}

func readNode(path string) (Node, error) {
	node, err := statNode(path)
	if err != nil {
		return node, err
	}
	switch node.Type {
	case "symlink":
		node.Content, err = os.Readlink(path)
	case "file":
		node.Content, err = fileSum(path)
	}
	return node, err
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
