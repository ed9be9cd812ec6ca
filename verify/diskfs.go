// github.com/diskfs/go-diskfs, its ext4 reader, on a disk that refuses to be written to.
//
// It checks the checksums of superblock, descriptors, inodes and directories, and for that reads no file system without
// metadata_csum: its check of inodes cannot be left out. It needs inodes of 160 bytes and more, and extents.

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	diskfs "github.com/diskfs/go-diskfs/filesystem/ext4"

	"boringboot/verify/internal/ext4ro"
)

type diskfsExt4 struct{ fsys *diskfs.FileSystem }

// diskfsIncompat are the incompatible features that the library reads right. It ignores bits that it does not know.
const diskfsIncompat = ext4ro.IncompatFiletype | ext4ro.IncompatRecover | ext4ro.IncompatMetaBg | ext4ro.IncompatExtents | ext4ro.Incompat64bit |
	ext4ro.IncompatMmp | ext4ro.IncompatFlexBg | ext4ro.IncompatEaInode | ext4ro.IncompatCsumSeed | ext4ro.IncompatLargedir

func openDiskfs(b *budget, ro *ext4ro.FS) (library, error) {
	if unknown := ro.FeatureIncompat &^ diskfsIncompat; unknown != 0 {
		return nil, fmt.Errorf("incompatible features 0x%x", unknown)
	}
	if ro.FeatureRoCompat&ext4ro.RoCompatMetadataCsum == 0 {
		return nil, errors.New("no metadata checksums: it reads no inode that it cannot check")
	}
	if ro.StaleSeed() {
		return nil, errors.New("s_checksum_seed is left over from a feature that is off: it takes it for the seed all the same")
	}
	if !ro.OneTable() {
		return nil, errors.New("the group descriptors are spread over the groups (meta_bg)")
	}
	fsys, err := diskfs.Read(&readOnlyDisk{stream{budget: b}}, b.size, 0, 512)
	if err != nil {
		return nil, diskfsError(err)
	}
	return &diskfsExt4{fsys}, nil
}

func (l *diskfsExt4) root() (attr, error) { return l.stat("/") }

func (l *diskfsExt4) child(dir string, _ uint32, name string) (attr, error) {
	a, err := l.stat(path.Join(dir, name))
	if err == nil || isDamage(err) {
		return a, err
	}
	// The library's error does not say whether the name is not there or could not be read; its listing does.
	entries, listErr := l.fsys.ReadDir(path.Join(".", dir))
	if listErr != nil {
		return attr{}, errors.Join(err, diskfsError(listErr))
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name }) {
		return attr{}, err
	}
	return attr{}, fs.ErrNotExist
}

func (l *diskfsExt4) stat(name string) (attr, error) {
	info, err := l.fsys.Stat(name)
	if err != nil {
		return attr{}, diskfsError(err)
	}
	sys, ok := info.Sys().(*diskfs.StatT)
	if !ok {
		return attr{}, fmt.Errorf("no owner: the library's Sys is a %T", info.Sys())
	}
	return attr{
		ino:    sys.Ino,
		kind:   kindOfGo(info.Mode()),
		size:   info.Size(),
		mode:   unixMode(info.Mode()),
		uid:    sys.UID,
		gid:    sys.GID,
		target: sys.LinkTarget,
	}, nil
}

func (l *diskfsExt4) content(w *way, _ attr) (io.Reader, error) {
	f, err := l.fsys.Open(strings.TrimPrefix(w.last.path, "/"))
	if err != nil {
		return nil, diskfsError(err)
	}
	return f, nil
}

// diskfsError tells damage that the library has found from what it cannot read. Its errors have no kinds, only texts; all of those
// for a wrong checksum of superblock, descriptors, inodes and directories hold one of these.
func diskfsError(err error) error {
	for _, text := range []string{"checksum mismatch", "invalid superblock checksum"} {
		if strings.Contains(err.Error(), text) {
			return damageError{err}
		}
	}
	return err
}

// readOnlyDisk is a backend.Storage over a budget.
type readOnlyDisk struct{ stream }

var _ backend.Storage = (*readOnlyDisk)(nil)

func (d *readOnlyDisk) Close() error               { return nil }
func (d *readOnlyDisk) Path() string               { return "" }
func (d *readOnlyDisk) Stat() (fs.FileInfo, error) { return diskInfo{d.size}, nil }
func (d *readOnlyDisk) Sys() (*os.File, error)     { return nil, backend.ErrNotSuitable }
func (d *readOnlyDisk) Writable() (backend.WritableFile, error) {
	return nil, backend.ErrIncorrectOpenMode
}

// diskInfo is the disk's Stat.
type diskInfo struct{ size int64 }

func (i diskInfo) Name() string     { return "image" }
func (i diskInfo) Size() int64      { return i.size }
func (diskInfo) Mode() fs.FileMode  { return 0o400 }
func (diskInfo) ModTime() time.Time { return time.Time{} }
func (diskInfo) IsDir() bool        { return false }
func (diskInfo) Sys() any           { return nil }
