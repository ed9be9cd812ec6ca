package ext4_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's side of the differential tests: actions as system calls, within
// a thread whose root is the mounted image, so that absolute symlinks lead to
// where they lead in the image.

// kernelDoes does the actions below dir and returns what came of each.
func kernelDoes(dir string, list []action) (kinds []string, err error) {
	err = inRoot(dir, func() error {
		for _, a := range list {
			kinds = append(kinds, kindOf(a.kernel()))
		}
		return nil
	})
	return kinds, err
}

// inRoot runs fn on a thread of its own that has another root directory. The
// thread is never given back.
func inRoot(dir string, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			outside, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(outside)
			if err := errors.Join(unix.Chroot(dir), unix.Chdir("/")); err != nil {
				return fmt.Errorf("chroot: %w", err)
			}
			// Until the thread has ended it would keep the mount in use.
			defer func() {
				if err := errors.Join(unix.Fchdir(outside), unix.Chroot(".")); err != nil {
					panic(err)
				}
			}()
			return fn()
		}()
	}()
	return <-done
}

func (a action) kernel() error {
	name := "/" + a.name
	switch a.do {
	case "mkdir":
		return a.made(unix.Mkdir(name, 0o700))
	case "write":
		return a.kernelWrite(name)
	case "symlink":
		if err := unix.Symlink(a.other, name); err != nil {
			return err
		}
		return unix.Lchown(name, int(a.uid), int(a.gid))
	case "link":
		return unix.Link("/"+a.other, name)
	case "mknod":
		return a.made(unix.Mknod(name, a.typ|0o600, int(a.dev)))
	case "rename":
		return unix.Rename("/"+a.other, name)
	case "remove":
		err := unix.Unlink(name)
		if err == unix.EISDIR {
			err = unix.Rmdir(name)
		}
		return err
	case "removeall":
		if err := protectedBelow(name); err != nil {
			return err
		}
		return os.RemoveAll(name)
	case "setxattr":
		return unix.Setxattr(name, a.other, []byte(a.value), 0)
	case "removexattr":
		return unix.Removexattr(name, a.other)
	case "truncate":
		return a.kernelTruncate(name)
	case "chmod", "chown":
		return a.kernelAttr(name)
	case "chtimes":
		times := []unix.Timespec{unix.NsecToTimespec(a.atime.UnixNano()), unix.NsecToTimespec(a.mtime.UnixNano())}
		return unix.UtimesNanoAt(unix.AT_FDCWD, name, times, 0)
	}
	return a.kernelOnly(name)
}

// kernelAttr changes a mode or an owner. Where nothing changes Tx touches nothing, and what the kernel takes away with the old
// owner is given back.
func (a action) kernelAttr(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	switch {
	case a.do == "chmod" && st.Mode&0o7777 != a.mode:
		return unix.Chmod(name, a.mode)
	case a.do == "chown" && (st.Uid != a.uid || st.Gid != a.gid):
		return keepCapability(name, func() error {
			return errors.Join(unix.Chown(name, int(a.uid), int(a.gid)), unix.Chmod(name, st.Mode&0o7777))
		})
	}
	return unprotected(name)
}

func (a action) kernelTruncate(name string) error {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return errNotRegular
	}
	if err == nil && st.Size == a.size && st.Mode&unix.S_IFMT == unix.S_IFREG {
		return unprotected(name) // nothing changes, not even times
	}
	return keepCapability(name, func() error {
		if err == nil && a.size > st.Size {
			return growTo(name, a.size)
		}
		return unix.Truncate(name, a.size)
	})
}

// growTo is truncate(2) of a file to a larger size, for files that have their data in the inode by another way: there truncate(2)
// itself kills the thread that calls it and leaves the journal of the file system stuck (Linux 6.18).
func growTo(name string, size int64) error {
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if inline, err := hasInlineData(fd); err != nil || !inline {
		return errors.Join(err, unix.Ftruncate(fd, size))
	}
	_, err = unix.Pwrite(fd, []byte{0}, size-1)
	return err
}

func hasInlineData(fd int) (bool, error) {
	const inlineData = 0x10000000 // EXT4_INLINE_DATA_FL
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	return flags&inlineData != 0, err
}

// keepCapability gives a file what the kernel takes away with a change.
func keepCapability(name string, change func() error) error {
	value := make([]byte, 100)
	n, err := unix.Getxattr(name, "security.capability", value)
	if err != nil && err != unix.ENODATA {
		return err
	}
	if err := change(); err != nil || n <= 0 {
		return err
	}
	return unix.Setxattr(name, "security.capability", value[:n], 0)
}

// flagsThatChange are those that actions set; flagsThatProtect are of them.
const (
	flagsThatProtect = 0x30
	flagsThatChange  = flagsThatProtect | 0x8 | 0x40 | 0x80 | 0x10000
)

// flagsOf are i_flags of a file or directory, of those that are compared.
func flagsOf(name string) (int, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return 0, err
	}
	if typ := st.Mode & unix.S_IFMT; typ != unix.S_IFREG && typ != unix.S_IFDIR {
		return 0, nil
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	return flags & flagsThatChange, err
}

// unprotected is what the kernel says first of what is immutable or append-only, where the action is not left to it. A symlink is
// followed.
func unprotected(name string) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	flags, err := flagsOf(name)
	if err == nil && flags&flagsThatProtect != 0 {
		err = unix.EPERM
	}
	return err
}

// protectedBelow: Tx.RemoveAll removes all or nothing.
func protectedBelow(name string) error {
	if dir := path.Dir(name); dir != "/" {
		if err := unprotected(dir); err != nil && err != unix.EPERM {
			return nil // it is for os.RemoveAll to say
		}
	}
	var st unix.Stat_t
	if unix.Lstat(name, &st) != nil {
		return nil
	}
	if err := unprotected(path.Dir(name)); err != nil {
		return err
	}
	return filepath.WalkDir(name, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if flags, err := flagsOf(name); err != nil || flags&flagsThatProtect == 0 {
			return err
		}
		return unix.EPERM
	})
}

// bare takes all extended attributes from a file: those that it got from its directory or had before.
func bare(name string) error {
	list := make([]byte, 1<<16)
	n, err := unix.Listxattr(name, list)
	if err != nil {
		return err
	}
	for _, attr := range strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 }) {
		if err := unix.Removexattr(name, attr); err != nil {
			return fmt.Errorf("%s: %w", attr, err)
		}
	}
	return nil
}

// made gives what was just made the owner and mode of an Attr. Nothing is to be
// inherited from the directory.
func (a action) made(err error) error {
	if err != nil {
		return err
	}
	name := "/" + a.name
	return errors.Join(bare(name), unix.Lchown(name, int(a.uid), int(a.gid)), unix.Chmod(name, a.mode))
}

// kernelWrite does what Tx.WriteFile promises.
func (a action) kernelWrite(name string) error {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	switch {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.EISDIR
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errNotRegular
	case err == nil && st.Nlink > 1:
		return a.kernelReplace(name)
	case err == nil:
		// Replacing sets all times, as making does.
		defer unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_OMIT}}, 0)
	}
	return a.kernelFill(name, unix.O_CREAT|unix.O_TRUNC)
}

// kernelReplace leaves a file's other names alone.
func (a action) kernelReplace(name string) error {
	for { // a symlink would be replaced itself
		target, err := os.Readlink(name)
		if errors.Is(err, syscall.EINVAL) {
			break
		}
		if err != nil {
			return err
		}
		if !path.IsAbs(target) {
			target = path.Dir(name) + "/" + target
		}
		name = target
	}
	if err := errors.Join(unprotected(name), unprotected(path.Dir(name))); err != nil {
		return err
	}
	other := path.Dir(name) + "/.replacement"
	if err := a.kernelFill(other, unix.O_CREAT|unix.O_EXCL); err != nil {
		return err
	}
	return unix.Rename(other, name)
}

func (a action) kernelFill(name string, flags int) error {
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC|flags, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	content := bytesOf{a.seed, a.size}.all()
	for off := int64(0); off < a.size; off += holeEvery {
		part := content[off:min(off+holeEvery, a.size)]
		if a.seed%2 == 1 && off/holeEvery%2 == 1 {
			continue // a hole
		}
		if n, err := unix.Pwrite(fd, part, off); err != nil || n != len(part) {
			return fmt.Errorf("pwrite of %d bytes: %d, %w", len(part), n, err)
		}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Size != a.size { // it ends in a hole
		err = unix.Ftruncate(fd, a.size)
	}
	return errors.Join(err, bare(name), unix.Fchown(fd, int(a.uid), int(a.gid)), unix.Fchmod(fd, a.mode))
}

// kernelOnly has what Tx has no operation for.
func (a action) kernelOnly(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	if typ := st.Mode & unix.S_IFMT; typ != unix.S_IFREG && !(typ == unix.S_IFDIR && a.do == "chattr") {
		return errNotRegular
	}
	access := unix.O_WRONLY
	if a.do == "chattr" {
		access = unix.O_RDONLY
	}
	fd, err := unix.Open(name, access|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	content := bytesOf{a.seed, a.size}.all()
	switch a.do {
	case "chattr":
		flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			a.flags &^= 0x10000 // dirsync
		}
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags&^flagsThatChange|a.flags)
	case "append":
		_, err = unix.Pwrite(fd, content, st.Size)
	case "overwrite":
		_, err = unix.Pwrite(fd, content, st.Size/2)
	case "shorten":
		err = unix.Ftruncate(fd, st.Size/2)
	case "punch":
		if inline, err := hasInlineData(fd); inline || err != nil { // as growTo
			return err
		}
		if err = unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, st.Size/4, a.size+1); err == unix.EOPNOTSUPP {
			err = nil
		}
	default:
		return errors.New("no such action: " + a.do)
	}
	return err
}
