package ext4

// This file opens a file system: superblock, gate, geometry, descriptors, in this order; and says what it is.

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// Device is a file system's bytes, from its first (offset 0) to its last.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Size() int64 // bytes
	Sync() error // what was written is durable when it returns
}

// FS is an open file system. It is an fs.FS, fs.ReadDirFS, fs.StatFS, fs.ReadFileFS and fs.ReadLinkFS, and may be read by
// several goroutines. A file that is open while Update changes it may read either state.
type FS struct {
	dev   Device
	cache *blocks.Cache

	updating sync.Mutex   // one Update at a time
	mu       sync.RWMutex // guards what is below, and the device while a commit writes
	view     *view
	recovery *recovery // of Open
	failed   error     // of a commit that broke off: the device's state is not known
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// eagerGroups is up to how many groups Open verifies all descriptors; beyond, one is verified when it is used. 4096 groups are
// 512 GiB in blocks of 4 KiB, and 256 KiB of descriptors.
const eagerGroups = 4096

// firstGroups is how many are verified where there are more: opening takes no longer in a file system of 2 TiB than in a small one.
const firstGroups = 64

// Open reads the superblock and the descriptors and refuses what it cannot be sure to handle: ErrUnsupported (an unknown or
// refused feature, by name), ErrInUse, ErrNeedsRecovery, ErrHasErrors, ErrCorrupt (a wrong checksum, impossible numbers, an image
// shorter than its file system). It looks at the journal's superblock, the orphan file and the resize inode, too: what the kernel
// would not mount is refused even if an update then has nothing to do.
//
// A file system that was not unmounted is recovered from its journal, in memory: Recovery says so. Open writes nothing; the
// first Update does, before anything else.
func Open(dev Device) (*FS, error) {
	sb, err := readSuperblock(dev, dev.Size())
	if err != nil {
		return nil, err
	}
	if dev, err = guarded(dev, sb); err != nil {
		return nil, err
	}
	rec, err := newRecovery(dev, sb)
	if err != nil {
		return nil, err
	}
	if rec.pending {
		if sb, err = readSuperblock(rec, dev.Size()); err != nil {
			return nil, err
		}
	}
	geo, err := newGeometry(sb, dev.Size())
	if err != nil {
		return nil, err
	}
	rec.blockSize = geo.blockSize
	fsys := &FS{dev: dev, recovery: rec, cache: blocks.NewCache(rec, geo.blockSize, geo.blocks)}
	fsys.view = &view{geometry: geo, sb: sb, src: fsys.cache}
	if err := fsys.view.checkGroups(); err != nil {
		return nil, err
	}
	if err := fsys.view.checkSystemInodes(); err != nil {
		return nil, err
	}
	if err := fsys.clean(); err != nil {
		return nil, err
	}
	return fsys, nil
}

// readSuperblock reads and checks the superblock of a device of size bytes.
func readSuperblock(dev io.ReaderAt, size int64) (format.Superblock, error) {
	sb := make(format.Superblock, format.SuperblockSize)
	if size < format.SuperblockOffset+format.SuperblockSize {
		return nil, corruptf("no superblock: the image has %d bytes", size)
	}
	if _, err := dev.ReadAt(sb, format.SuperblockOffset); err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	if magic := format.SMagic.Get(sb); magic != format.SuperblockMagic {
		return nil, corruptf("no superblock: magic %#04x, not %#04x", magic, format.SuperblockMagic)
	}
	return sb, checkSuperblock(sb)
}

// checkSuperblock: checksum first, since without it no field can be believed, then features, then state.
func checkSuperblock(sb format.Superblock) error {
	if sb.HasROCompat(format.ROCompatMetadataCsum) {
		if t := format.SChecksumType.Get(sb); t != format.ChecksumCRC32C {
			return unsupportedf("superblock: checksum type %d", t)
		}
		if !sb.ChecksumOK() {
			return corruptf("superblock: wrong checksum")
		}
	}
	if err := checkFeatures(sb); err != nil {
		return err
	}
	if err := checkState(sb); err != nil {
		return err
	}
	if err := checkNumbers(sb); err != nil {
		return err
	}
	return checkJournalFields(sb)
}

// checkGroups verifies the descriptors, all where they are few, and the superblock's counts against theirs.
func (v *view) checkGroups() error {
	var blocks, inodes uint64
	once := *v // which asks for each block of descriptors once
	once.checked = newCheckedDescs()
	g, end := Group(0), v.groups
	if v.groups > eagerGroups {
		end = firstGroups
	}
	for ; g < end; g++ {
		d, err := once.desc(g)
		if err != nil {
			return err
		}
		blocks += uint64(d.FreeBlocks()) * uint64(v.clusterBlocks)
		inodes += uint64(d.FreeInodes())
	}
	return v.checkFreeCounts(blocks, inodes, g == v.groups)
}

// read runs fn on the state that the last commit left.
func read[T any](fsys *FS, fn func(v *view) (T, error)) (T, error) {
	fsys.mu.RLock()
	defer fsys.mu.RUnlock()
	return fn(fsys.view)
}

// Open opens a file or directory by its path as io/fs has it: "var/lib", "." for the root. Symlinks are followed inside the
// image. A regular file is an io.ReaderAt and io.Seeker, too.
func (fsys *FS) Open(name string) (fs.File, error) {
	return read(fsys, func(v *view) (fs.File, error) { return v.open(name) })
}

// Stat follows symlinks. FileInfo.Sys is a *Stat.
func (fsys *FS) Stat(name string) (fs.FileInfo, error) {
	return read(fsys, func(v *view) (fs.FileInfo, error) { return v.statPath("stat", name, true) })
}

// Lstat does not follow a symlink at the path's end.
func (fsys *FS) Lstat(name string) (fs.FileInfo, error) {
	return read(fsys, func(v *view) (fs.FileInfo, error) { return v.statPath("lstat", name, false) })
}

// ReadLink gives a symlink's target as it is stored.
func (fsys *FS) ReadLink(name string) (string, error) {
	return read(fsys, func(v *view) (string, error) { return v.readLink(name) })
}

// ReadDir lists a directory, sorted by name. Where it is damaged there are the entries up to the damage, and the error.
func (fsys *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	return read(fsys, func(v *view) ([]fs.DirEntry, error) { return v.readDir(name) })
}

// ReadFile reads a whole regular file of at most 1 GiB.
func (fsys *FS) ReadFile(name string) ([]byte, error) {
	return read(fsys, func(v *view) ([]byte, error) { return v.readFile(name) })
}

// Info is what the superblock says.
type Info struct {
	Label       string
	UUID        string // 8-4-4-4-12 hexadecimal digits
	LastMounted string
	BlockSize   int // bytes
	InodeSize   int // bytes
	Groups      uint32
	Blocks      uint64
	FreeBlocks  uint64 // reserved ones included
	Reserved    uint64 // blocks that only root may use
	Inodes      uint32
	FreeInodes  uint32
	Features    []string  // by the names of mke2fs -O
	Written     time.Time // s_wtime
	Mounted     time.Time // s_mtime
	Made        time.Time // s_mkfs_time
}

// Info describes the file system.
func (fsys *FS) Info() Info {
	fsys.mu.RLock()
	defer fsys.mu.RUnlock()
	v := fsys.view
	u := v.sb.UUID()
	return Info{
		Label:       v.sb.VolumeName(),
		UUID:        fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]),
		LastMounted: v.sb.LastMounted(),
		BlockSize:   v.blockSize,
		InodeSize:   v.inodeSize,
		Groups:      uint32(v.groups),
		Blocks:      uint64(v.blocks),
		FreeBlocks:  v.sb.FreeBlocks(),
		Reserved:    v.sb.ReservedBlocks(),
		Inodes:      uint32(v.inodes),
		FreeInodes:  format.SFreeInodesCount.Get(v.sb),
		Features:    featureNames(v.sb),
		Written:     time.Unix(v.sb.Wtime(), 0).UTC(),
		Mounted:     time.Unix(v.sb.Mtime(), 0).UTC(),
		Made:        time.Unix(v.sb.MkfsTime(), 0).UTC(),
	}
}
