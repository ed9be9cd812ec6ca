package testimage

// What Linux knows of a path beyond its content.

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var fileTypes = map[uint32]string{
	unix.S_IFREG: "file", unix.S_IFDIR: "dir", unix.S_IFLNK: "symlink", unix.S_IFIFO: "fifo",
	unix.S_IFSOCK: "socket", unix.S_IFCHR: "char", unix.S_IFBLK: "block",
}

func statNode(path string) (Node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Node{}, fmt.Errorf("lstat %s: %w", path, err)
	}
	xattrs, err := readXattrs(path)
	if err != nil {
		return Node{}, fmt.Errorf("extended attributes of %s: %w", path, err)
	}
	node := Node{
		Type:   fileTypes[st.Mode&unix.S_IFMT],
		Mode:   st.Mode & 0o7777,
		UID:    st.Uid,
		GID:    st.Gid,
		Size:   st.Size,
		Links:  uint64(st.Nlink),
		Mtime:  st.Mtim.Nano(),
		Xattrs: xattrs,
	}
	if node.Type == "char" || node.Type == "block" {
		node.Device = uint64(st.Rdev)
	}
	return node, nil
}

func readXattrs(path string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	xattrs := map[string]string{}
	value := make([]byte, 64<<10)
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names[:n], []byte{0}), []byte{0}) {
		n, err := unix.Lgetxattr(path, string(name), value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		xattrs[string(name)] = string(value[:n])
	}
	return xattrs, nil
}
