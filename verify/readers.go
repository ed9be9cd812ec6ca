// The libraries that read an image back, behind one interface, and the wall around each of them.
//
// None was written for hostile input: they panic, loop and allocate by what they read. So a library only sees a budget of the disk,
// each call is timed and its panics become errors, and it is only asked about inodes whose shape internal/ext4ro has found sound.

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"boringboot/verify/internal/ext4ro"
)

// attr is what a library says of an inode.
type attr struct {
	ino      uint32
	kind     string // the Kind of a File
	size     int64  // bytes
	mode     uint16 // permission bits, setuid 04000, setgid 02000, sticky 01000
	uid, gid uint32
	target   string // of a symlink
	links    uint16 // how many names it has; 0: the library does not say
}

// Kinds of files, as a File has them.
const (
	kindFile      = "file"
	kindDirectory = "directory"
	kindSymlink   = "symlink"
	kindOther     = "special file"
)

// library is one implementation of ext4. It is asked about one name in one directory at a time: dir is the path of a directory
// below the root without symlinks in it ("" is the root, "var/lib"), as the caller has walked it.
type library interface {
	// root returns the root directory.
	root() (attr, error)
	// child returns what name is in a directory, and does not follow it. A name that is not there is fs.ErrNotExist.
	child(dir string, dirIno uint32, name string) (attr, error)
	// content reads the regular file that a way led to and that a describes. The reader ends with io.EOF.
	content(w *way, a attr) (io.Reader, error)
}

// opener starts a library on a file system. It returns an error where the library is known not to read it right.
type opener struct {
	name string
	open func(b *budget, ro *ext4ro.FS) (library, error)
	// zeros says that the library reads holes and unwritten blocks as the zeros that they are.
	zeros bool
	// rereads says that for each name the library reads the directories on the way to it anew, from the root on and whole.
	rereads bool
	// own says that it is our own, and looks itself at what it is asked about.
	own bool
}

// openers are the libraries, best known first.
var openers = []opener{
	{name: "go-ext4", open: openGoExt4},
	{name: "go-diskfs", open: openDiskfs, rereads: true},
	{name: "go-ext4-filesystem", open: openMasahiro, zeros: true},
	{name: ownName, open: openOwn, zeros: true, own: true},
}

// reader is a library behind its wall.
type reader struct {
	opener
	budget  *budget
	ro      *ext4ro.FS // reads through the same budget
	lib     library
	dead    error            // why it is not asked any more
	sound   map[uint32]error // directories that were looked at, by inode
	known   map[string]found // places that were looked at, by path
	reread  int64            // bytes of directories that were read anew
	patient bool             // maxReread does not hold
	calls   chan func()      // to the goroutine in which the library runs; nil before the first call
}

// maxReread bounds what a library that rereads is asked for, in bytes of directories: what it takes grows with the square of the files in a
// directory. That is two or three seconds, and some 2,000 files in one directory; from then on what is wanted is left to the others, and where
// there is no other the library reads it nevertheless. Tests make it smaller.
var maxReread int64 = 256 << 20

var errSpared = errors.New("not asked: it reads all of a directory for each file in it, and there are many")

// spare counts what it costs to have the library look into these directories, and says errSpared where that is too much.
func (r *reader) spare(dirs []place) error {
	if !r.rereads || r.patient {
		return nil
	}
	if r.reread > maxReread {
		return errSpared
	}
	r.reread += cost(dirs)
	return nil
}

// openReader opens a library and has it read the root directory: a library that opens an image and cannot read its root cannot
// read the image.
func openReader(o opener, b *budget) (*reader, error) {
	ro, err := ext4ro.Open(b, b.size)
	if err != nil {
		return nil, err
	}
	r := &reader{opener: o, budget: b, ro: ro, sound: map[uint32]error{}, known: map[string]found{}}
	if err := r.checkDirectory(ext4ro.RootIno); err != nil {
		return nil, err
	}
	r.lib, err = guard(r, func() (library, error) {
		lib, err := o.open(b, ro)
		if err != nil {
			return nil, err
		}
		root, err := lib.root()
		if err != nil {
			return nil, err
		}
		if root.kind != kindDirectory {
			return nil, fmt.Errorf("it takes the root for a %s", root.kind)
		}
		// A name that cannot be there: the whole directory is read, and it must not be found.
		if _, err := lib.child("", ext4ro.RootIno, absentName); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("root directory: %w", err)
		}
		return lib, nil
	})
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// damageError marks an error by which a library says that the image is damaged, rather than that it cannot read it.
type damageError struct{ error }

func (e damageError) Unwrap() error { return e.error }

func isDamage(err error) bool {
	var d damageError
	return errors.As(err, &d)
}

// absentName is longer than a name of ext4 can be (255 bytes).
var absentName = strings.Repeat("?", 256)

// guard runs a call into the library: a panic becomes an error, and a call that does not come back in time is abandoned, and the
// library with it.
func guard[T any](r *reader, call func() (T, error)) (T, error) {
	var zero T
	if r.dead != nil {
		return zero, r.dead
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1) // buffered: a call that was abandoned must not stay for its sake
	r.run(func() {
		defer func() {
			if p := recover(); p != nil {
				done <- result{err: fmt.Errorf("it panicked: %v", p)}
			}
		}()
		v, err := call()
		done <- result{v, err}
	})
	// The budget's own deadline comes first where the library still reads; this one is for a loop that does not.
	timer := time.NewTimer(max(0, time.Until(r.budget.until())) + time.Second)
	defer timer.Stop()
	select {
	case got := <-done:
		if r.dead = r.budget.ended(); r.dead != nil {
			return zero, r.dead
		}
		return got.value, got.err
	case <-timer.C:
		r.dead = errTooLong
	case <-r.budget.ctx.Done():
		r.dead = r.budget.ctx.Err()
	}
	r.budget.stop(r.dead)
	return zero, r.dead
}

// run has a call made in the library's own goroutine, whose stack has grown once for all calls. It is free: a call that does not come back
// is the last.
func (r *reader) run(call func()) {
	if r.calls == nil {
		r.calls = make(chan func())
		go func(calls <-chan func()) {
			for call := range calls {
				call()
			}
		}(r.calls)
	}
	r.calls <- call
}

// close lets the library's goroutine end, with the call that it may still be in.
func (r *reader) close() {
	if r != nil && r.calls != nil {
		close(r.calls)
		r.calls = nil
	}
}

// checkDirectory refuses a directory whose size, map or index would lead a library astray.
func (r *reader) checkDirectory(ino uint32) error {
	if r.own {
		return nil
	}
	err, seen := r.sound[ino]
	if !seen {
		err = r.ro.CheckDirectory(ino)
		r.sound[ino] = err
	}
	return err
}

// root returns what the library says of the root directory.
func (r *reader) root() (attr, error) {
	return guard(r, r.lib.root)
}

// child returns what name is in a directory.
func (r *reader) child(dir string, dirIno uint32, name string) (attr, error) {
	if err := r.checkDirectory(dirIno); err != nil {
		return attr{}, err
	}
	a, err := guard(r, func() (attr, error) { return r.lib.child(dir, dirIno, name) })
	if err == nil && a.size < 0 {
		err = fmt.Errorf("inode %d: a size of %d bytes", a.ino, a.size)
	}
	return a, err
}

// maxHollow bounds files that are longer than their file system, most of which is holes, in bytes: they are compared to their end.
const maxHollow = 16 << 30

// content reads the regular file that a way led to.
func (r *reader) content(w *way) (io.Reader, error) {
	a := w.last.attr
	in, err := r.ro.Inode(a.ino)
	if err != nil {
		return nil, err
	}
	if int64(in.Size) != a.size {
		return nil, fmt.Errorf("inode %d: the library says %d bytes, the inode %d", a.ino, a.size, in.Size)
	}
	if a.size > r.budget.size && (!r.own || a.size > maxHollow) {
		return nil, fmt.Errorf("inode %d: %d bytes are more than the file system has", a.ino, a.size)
	}
	if err := r.checkMap(in); err != nil {
		return nil, err
	}
	if err := r.spare(w.dirs); err != nil {
		return nil, err
	}
	r.budget.grow(a.size + cost(w.dirs))
	c, err := guard(r, func() (io.Reader, error) { return r.lib.content(w, a) })
	if err != nil {
		return nil, err
	}
	return &guarded{r: r, c: c}, nil
}

// checkMap refuses a file whose map would lead a library astray. Ours looks itself.
func (r *reader) checkMap(in *ext4ro.Inode) error {
	if r.own {
		return nil
	}
	m, err := r.ro.Map(in)
	switch {
	case err != nil:
		return err
	case !m.Plain() && !r.zeros:
		return fmt.Errorf("the file has holes or unwritten blocks, which this library does not read as zeros")
	case m.Mapped > 2*m.Blocks+1<<16:
		return fmt.Errorf("inode %d: %d blocks are kept for a content of %d", in.Ino, m.Mapped, m.Blocks)
	}
	return nil
}

// guarded is a file's content behind the wall.
type guarded struct {
	r   *reader
	c   io.Reader
	buf []byte // the library's own: one that was abandoned may go on writing into it
}

func (g *guarded) Read(p []byte) (int, error) {
	if len(g.buf) < len(p) {
		g.buf = make([]byte, len(p))
	}
	buf := g.buf[:len(p)]
	n, err := guard(g.r, func() (int, error) { return g.c.Read(buf) })
	if err != nil && err != io.EOF {
		return 0, err
	}
	if n < 0 || n > len(p) {
		return 0, fmt.Errorf("it read %d bytes into a buffer of %d", n, len(p))
	}
	copy(p, buf[:n])
	return n, err
}

// kindOf translates i_mode.
func kindOf(mode uint16) string {
	switch mode & ext4ro.ModeType {
	case ext4ro.ModeRegular:
		return kindFile
	case ext4ro.ModeDir:
		return kindDirectory
	case ext4ro.ModeSymlink:
		return kindSymlink
	}
	return kindOther
}

// unixMode translates permission bits back from Go's.
func unixMode(m fs.FileMode) uint16 {
	mode := uint16(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// kindOfGo is kindOf for Go's modes.
func kindOfGo(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return kindFile
	case fs.ModeDir:
		return kindDirectory
	case fs.ModeSymlink:
		return kindSymlink
	}
	return kindOther
}
