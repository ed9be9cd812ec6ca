package ext4

// This file is the transaction: operations on copies of blocks, which commit.go writes when all of them have succeeded.

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// Attr is what a new file is given: permission bits with setuid, setgid and sticky, and an owner. From its directory it has flags
// and a project, as the kernel has it, and nothing else: no group of a setgid directory, no access control list.
type Attr struct {
	Mode     fs.FileMode
	UID, GID uint32
}

// Tx is a transaction, valid within the function that Update calls. It reads what it has written itself. Paths are io/fs's;
// symlinks on the way are followed inside the image. It is used by one goroutine.
//
// An operation whose path or arguments do not do changes nothing, and fn may go on after it. One that fails halfway, for want of
// space or because the image is damaged, ends the transaction: every further operation gives its error, and so does Update.
// MkdirAll is as many operations as it makes directories.
type Tx struct {
	*view
	over    *blocks.Overlay
	state   map[Group]*groupState
	tables  []blockRun   // all bitmaps and inode tables, see tablesIn
	base    *view        // what the transaction began with
	edited  map[Ino]bool // inodes that were changed, with the quota feature
	data    fileData
	freed   []blockRun
	parts   []blockRun // of these, the ones whose cluster the file still has
	erasing bool       // see leavesTraces
	gone    map[Ino]goneNames
	// What blockalloc.go knows of free space that is not one group's: how many blocks of it the transaction itself freed, where
	// searches ended, and the longest run in clusters.
	frozen   uint64
	searched map[Group]searched
	longest  struct {
		known bool
		n     uint32
	}
	// What orlov.go knows: where the last inode below a directory was placed when its own flex group had no room, and the number of
	// directories in the groups that are looked at.
	placed   map[Ino]Group
	dirCount struct {
		known bool
		n     uint64
	}
	now format.Timestamp

	broken error // of an operation that failed halfway: the transaction cannot be committed any more
	done   bool
}

// UpdateOption changes how Update works.
type UpdateOption func(*updateOptions)

type updateOptions struct {
	time      time.Time
	given     bool // by WithTime
	noJournal bool
	risk      bool // by AcceptRisk
	rehearsal bool // by Rehearse
}

// WithTime sets the one time stamp of everything the update writes. The default is the file system's last-write time, so that
// the same inputs give the same bytes; a zero t stands for it, too.
func WithTime(t time.Time) UpdateOption {
	return func(o *updateOptions) {
		if !t.IsZero() {
			o.time, o.given = t, true
		}
	}
}

// WithoutJournal writes every block to its place and syncs once at the end. A cut in between leaves a damaged file system: it
// is for copies that nobody uses before they are complete.
func WithoutJournal() UpdateOption { return func(o *updateOptions) { o.noJournal = true } }

// AcceptRisk lets a file system without a journal be changed in place: data first, then what refers to it. A cut between leaves a
// file system that e2fsck has to repair, and perhaps part of the update. Where there is a journal it changes nothing.
func AcceptRisk() UpdateOption { return func(o *updateOptions) { o.risk = true } }

// Rehearse has Update do all that it does short of writing: its error says whether everything would find its place. That a file
// system without a journal needs WithoutJournal or AcceptRisk is not said.
func Rehearse() UpdateOption { return func(o *updateOptions) { o.rehearsal = true } }

// Update runs fn and commits what it did: all of it, or nothing if fn returns an error, which Update returns. Before fn has
// returned nothing is written, and if nothing has changed nothing is written at all. One Update runs at a time; fn must not
// call Update. Where there is a journal the commit is one transaction of it, with others around it where its log is too small (see the package); where there is none it fails
// with ErrNoJournal, unless WithoutJournal or AcceptRisk is given.
func (fsys *FS) Update(fn func(tx *Tx) error, opts ...UpdateOption) error {
	fsys.updating.Lock()
	defer fsys.updating.Unlock()
	if fsys.failed != nil {
		return fsys.failed
	}
	base := fsys.view
	o := updateOptions{time: time.Unix(base.sb.Wtime(), 0)}
	for _, opt := range opts {
		opt(&o)
	}
	if err := checkWritable(base.sb); err != nil {
		return err
	}
	if fsys.recovery.pending { // somebody else's recovery clears the log, which fn would be read from
		if err := fsys.checkUnchanged(); err != nil {
			return err
		}
	}
	if last := base.lastTime(); o.given && (o.time.Unix() < format.MinTime || o.time.Unix() > last) {
		return errTime
	}
	tx := newTx(base, fsys.cache, o.time)
	err := fn(tx)
	tx.done = true
	if err != nil {
		return err
	}
	if tx.broken != nil {
		return tx.broken
	}
	return fsys.announced(o, func() error { return fsys.commit(tx, o) })
}

var errTime = errors.New("a time that inodes cannot hold")

// lastTime is the last second that new inodes can hold.
func (v *view) lastTime() int64 {
	if v.inodeSize > format.InodeBaseSize {
		return format.MaxTimeLong
	}
	return format.MaxTime
}

func newTx(base *view, cache *blocks.Cache, now time.Time) *Tx {
	tx := &Tx{over: blocks.NewOverlay(cache), state: map[Group]*groupState{}, now: timestamp(now)}
	tx.data.cache = cache
	tx.data.over = tx.over
	tx.base, tx.edited = base, map[Ino]bool{}
	tx.searched, tx.placed = map[Group]searched{}, map[Ino]Group{}
	tx.gone = map[Ino]goneNames{}
	tx.view = &view{geometry: base.geometry, sb: append(format.Superblock(nil), base.sb...), src: &tx.data, checked: newCheckedDescs(), dirs: newDirMemory()}
	return tx
}

// halfwayError marks errors after which an operation's changes are incomplete.
type halfwayError struct{ error }

func (e halfwayError) Unwrap() error { return e.error }

// halfway is put around errors of the part of an operation that changes something.
func halfway(err error) error {
	if err == nil {
		return nil
	}
	return halfwayError{err}
}

// change runs an operation on one path. An error of its changing part breaks the transaction, any other leaves it as it was.
func (tx *Tx) change(op, name string, fn func() error) error {
	return tx.attempt(fn, func(err error) error {
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
			return err
		}
		return &fs.PathError{Op: op, Path: name, Err: err}
	}, name)
}

// changePair is change for an operation on two paths.
func (tx *Tx) changePair(op, old, new string, fn func() error) error {
	return tx.attempt(fn, func(err error) error { return &os.LinkError{Op: op, Old: old, New: new, Err: err} }, old, new)
}

// attempt runs an operation, if the paths are such; name says in an error what failed.
func (tx *Tx) attempt(fn func() error, name func(error) error, paths ...string) error {
	err := tx.broken
	for _, p := range paths {
		if err == nil && !validPath(p) {
			err = fs.ErrInvalid
		}
	}
	if tx.done {
		err = ErrTxDone
	}
	if err == nil {
		err = fn()
	}
	if err == nil {
		return nil
	}
	var half halfwayError
	isHalf := errors.As(err, &half)
	if isHalf {
		err = half.error
	}
	err = name(err)
	if isHalf {
		tx.broken = err
	}
	return err
}

// Mkdir makes a directory. Its parent must exist, it must not.
func (tx *Tx) Mkdir(name string, a Attr) error {
	return tx.change("mkdir", name, func() error {
		loc, err := tx.locate(name, false)
		if err != nil {
			return err
		}
		if err := tx.checkNew(loc); err != nil {
			return err
		}
		if err := tx.checkSubdir(loc.dir); err != nil {
			return err
		}
		return halfway(tx.makeDir(loc.dir, loc.name, a))
	})
}

// MkdirAll makes a directory and those above it that are missing, with a. It is no error if name is one already.
func (tx *Tx) MkdirAll(name string, a Attr) error {
	return tx.change("mkdir", name, func() error {
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		if loc.exists {
			if loc.node.Type() != format.ModeDir {
				return ErrNotDir
			}
			return nil
		}
		if slices.ContainsFunc(loc.missing, func(part string) bool { return len(part) > format.MaxNameLen }) {
			return ErrNameTooLong
		}
		at := loc.path
		for _, part := range loc.missing {
			at = path.Join(at, part)
			if err := tx.Mkdir(at, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// Symlink makes a symlink name that holds target. Its permission bits are 0777, as the kernel's; of a the owner counts.
func (tx *Tx) Symlink(target, name string, a Attr) error {
	return tx.change("symlink", name, func() error {
		loc, err := tx.locate(name, false)
		if err != nil {
			return err
		}
		if err := tx.checkNew(loc); err != nil {
			return err
		}
		if err := tx.checkTarget(target); err != nil {
			return err
		}
		return halfway(tx.makeSymlink(loc.dir, loc.name, target, a))
	})
}

// WriteFile makes a regular file or replaces its content, mode and owner; extended attributes of the old one are dropped. The
// old content is overwritten with zeros. If the file has other names, they keep the old file. A symlink at name is followed.
// Where c is a SparseContent the file has its holes.
func (tx *Tx) WriteFile(name string, c Content, a Attr) error {
	return tx.change("write", name, func() error {
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		content, err := tx.measure(c)
		if err != nil {
			return err
		}
		if loc.exists {
			if err := tx.checkReplace(loc); err != nil {
				return err
			}
			return halfway(tx.replaceFile(loc, content, a))
		}
		if err := tx.checkNew(loc); err != nil {
			return err
		}
		return halfway(tx.makeFile(loc.dir, loc.name, content, a))
	})
}

// Chmod sets the permission bits with setuid, setgid and sticky. A symlink is followed.
func (tx *Tx) Chmod(name string, mode fs.FileMode) error {
	return tx.changeInode("chmod", name, func(n node) error {
		return tx.setACLMode(n, permissions(mode))
	})
}

// Chown sets the owner. A symlink is followed. setuid, setgid and security.capability stay, which chown(2) takes away: who writes an
// image says what is to be in it.
func (tx *Tx) Chown(name string, uid, gid uint32) error {
	return tx.changeInode("chown", name, func(n node) error {
		n.SetUID(uid)
		n.SetGID(gid)
		return nil
	})
}

// Chtimes sets the times of last access and modification, which must be from 1901 to 2446, in inodes of 128 bytes to 2038. A
// symlink is followed.
func (tx *Tx) Chtimes(name string, atime, mtime time.Time) error {
	return tx.changeInode("chtimes", name, func(n node) error {
		if !n.TimeFits(timestamp(atime)) || !n.TimeFits(timestamp(mtime)) {
			return errTime
		}
		n.SetAtime(timestamp(atime))
		n.SetMtime(timestamp(mtime))
		return nil
	})
}

// changeInode changes fields of an existing inode and its change time; where nothing changed, not even that.
func (tx *Tx) changeInode(op, name string, fn func(n node) error) error {
	return tx.change(op, name, func() error {
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		if !loc.exists {
			return fs.ErrNotExist
		}
		if err := tx.checkMutable(loc.node); err != nil {
			return err
		}
		old := string(loc.node.Inode)
		n, err := tx.editInode(loc.node.ino)
		if err != nil {
			return err
		}
		if err := fn(n); err != nil {
			return err
		}
		if string(n.Inode) == old {
			return nil
		}
		n.SetCtime(tx.now)
		tx.seal(n)
		return nil
	})
}

// checkNew: the parent is there and may be changed, the name is free.
func (tx *Tx) checkNew(loc location) error {
	if loc.exists {
		return fs.ErrExist
	}
	if len(loc.missing) > 1 {
		return fs.ErrNotExist
	}
	if err := tx.checkNames(loc.dir); err != nil {
		return err
	}
	return tx.vetDir(loc.dir, loc.name)
}

func (tx *Tx) immutable(n node) error {
	return kindf(fs.ErrPermission, "inode %d is immutable, append-only or verity-protected", n.ino)
}

// checkMutable: an inode that is not reserved, immutable, append-only or verity-protected.
func (tx *Tx) checkMutable(n node) error {
	if n.ino < tx.firstIno && n.ino != format.RootIno {
		return corruptf("inode %d: reserved, but a file of the tree", n.ino)
	}
	if n.flag(format.InodeImmutable | format.InodeAppend | format.InodeVerity) {
		return tx.immutable(n)
	}
	return tx.checkPlain(n)
}

// Stat is FS.Stat on what the transaction has made of the file system; so are the other reading methods.
func (tx *Tx) Stat(name string) (fs.FileInfo, error)      { return tx.statPath("stat", name, true) }
func (tx *Tx) Lstat(name string) (fs.FileInfo, error)     { return tx.statPath("lstat", name, false) }
func (tx *Tx) ReadLink(name string) (string, error)       { return tx.readLink(name) }
func (tx *Tx) ReadDir(name string) ([]fs.DirEntry, error) { return tx.readDir(name) }
func (tx *Tx) ReadFile(name string) ([]byte, error)       { return tx.readFile(name) }
