package ext4_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"boringboot/ext4"

	"golang.org/x/sys/unix"
)

// What the differential tests do to two copies of an image: actions, their
// generator, and what each side's errors are called.

// action is one operation, as concrete as both sides need it.
type action struct {
	do          string
	name, other string // other: the old name, the target, or the attribute
	mode        uint32 // permission bits
	uid, gid    uint32
	size        int64
	seed        byte
	typ         uint32 // S_IFIFO and so on, of mknod
	dev         uint64
	value       string // of an attribute
	flags       int    // of chattr
	atime       time.Time
	mtime       time.Time

	byKernel bool // where the two take turns
	update   int  // actions of ours in a row with the same number are one Update
}

func (a action) String() string {
	s := fmt.Sprintf("%s %.60q", a.do, a.name)
	if a.other != "" {
		s += fmt.Sprintf(" %.60q(%d)", a.other, len(a.other))
	}
	if n := a.size + int64(len(a.value)); n != 0 {
		s += fmt.Sprintf(" %d bytes", n)
	}
	return fmt.Sprintf("%s mode %#o owner %d:%d update %d kernel %v", s, a.mode, a.uid, a.gid, a.update, a.byKernel)
}

// bytesOf is content that is the same on both sides: noise, with holes where it
// is large.
type bytesOf struct {
	seed byte
	size int64
}

const holeEvery = 64 << 10

func (b bytesOf) Size() int64 { return b.size }

func (b bytesOf) ReadAt(p []byte, off int64) (int, error) {
	n := min(max(b.size-off, 0), int64(len(p)))
	for i := range p[:n] {
		at := off + int64(i)
		p[i] = 0
		if b.seed%2 == 0 || at/holeEvery%2 == 0 {
			p[i] = byte(at) ^ byte(at>>8)*31 ^ b.seed ^ byte(at>>16)
		}
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (b bytesOf) all() []byte {
	p := make([]byte, b.size)
	if _, err := b.ReadAt(p, 0); err != nil && err != io.EOF {
		panic(err)
	}
	return p
}

// ours does an action in a transaction.
func (a action) ours(tx *ext4.Tx) error {
	attr := ext4.Attr{Mode: fileMode(a.mode), UID: a.uid, GID: a.gid}
	switch a.do {
	case "mkdir":
		return tx.Mkdir(a.name, attr)
	case "write":
		return tx.WriteFile(a.name, bytesOf{a.seed, a.size}, attr)
	case "symlink":
		return tx.Symlink(a.other, a.name, attr)
	case "link":
		return tx.Link(a.other, a.name)
	case "mknod":
		types := map[uint32]fs.FileMode{unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
			unix.S_IFBLK: fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice}
		return tx.Mknod(a.name, types[a.typ], a.dev, attr)
	case "rename":
		return tx.Rename(a.other, a.name)
	case "remove":
		return tx.Remove(a.name)
	case "removeall":
		return tx.RemoveAll(a.name)
	case "truncate":
		return tx.Truncate(a.name, a.size)
	case "chmod":
		return tx.Chmod(a.name, attr.Mode)
	case "chown":
		return tx.Chown(a.name, a.uid, a.gid)
	case "chtimes":
		return tx.Chtimes(a.name, a.atime, a.mtime)
	case "setxattr":
		return tx.SetXattr(a.name, a.other, []byte(a.value))
	case "removexattr":
		return tx.RemoveXattr(a.name, a.other)
	}
	return errors.New("no such action: " + a.do)
}

func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for bit, as := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= as
		}
	}
	return mode
}

// errNotRegular is what WriteFile says of devices, and the kernel's side for it:
// opening a pipe would wait for a reader.
var errNotRegular = errors.New("neither a regular file nor a directory")

var kinds = []struct {
	name  string
	errno syscall.Errno
	ours  error
}{
	{"not empty", unix.ENOTEMPTY, ext4.ErrNotEmpty},
	{"exists", unix.EEXIST, fs.ErrExist},
	{"does not exist", unix.ENOENT, fs.ErrNotExist},
	{"no directory", unix.ENOTDIR, ext4.ErrNotDir},
	{"is a directory", unix.EISDIR, ext4.ErrIsDir},
	{"loop", unix.ELOOP, ext4.ErrLoop},
	{"name too long", unix.ENAMETOOLONG, ext4.ErrNameTooLong},
	{"too many links", unix.EMLINK, ext4.ErrTooManyLinks},
	{"not permitted", unix.EPERM, fs.ErrPermission},
	{"not permitted", unix.EACCES, fs.ErrPermission},
	{"name too long", unix.ERANGE, ext4.ErrNameTooLong}, // of an attribute
	{"invalid", unix.EINVAL, fs.ErrInvalid},
	{"too large", unix.EFBIG, ext4.ErrTooLarge},
	{"no space", unix.ENOSPC, ext4.ErrNoSpace},
	{"no attribute", unix.ENODATA, ext4.ErrNoXattr},
}

// kindOf names an error, of either side, so that the two can be compared.
func kindOf(err error) string {
	var errno syscall.Errno
	isErrno := errors.As(err, &errno)
	for _, k := range kinds {
		if isErrno && errno == k.errno || !isErrno && errors.Is(err, k.ours) {
			return k.name
		}
	}
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, errNotRegular) || errors.Is(err, ext4.ErrUnsupported):
		return "not supported"
	}
	return err.Error()
}

// world generates actions. It guesses what they lead to, so that most of them
// can be done; where it guesses wrong, both sides are to fail alike.
type world struct {
	*rand.Rand
	kinds  map[string]byte // 'd', 'f', 'l' and 's' for what is special
	paths  []string        // the keys, in the order in which they came
	block  int64
	budget int64 // bytes of files
	update int
}

func newWorld(seed uint64, block int, known map[string]byte) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 0)), kinds: map[string]byte{}, block: int64(block)}
	for name, kind := range known {
		w.kinds[name] = kind
		w.paths = append(w.paths, name)
	}
	slices.Sort(w.paths)
	return w
}

// actions makes n of them. turns: the kernel does some of them in a row, then
// we.
func (w *world) actions(n int, turns bool) []action {
	list := make([]action, 0, n)
	left, byKernel := 0, false
	group := 0
	for range n {
		if left == 0 {
			left = 20 + w.IntN(100)
			byKernel = turns && !byKernel
			group = 0
		}
		if group == 0 {
			group = 1 + w.IntN(1+w.IntN(60))
			w.update++
		}
		left--
		group--
		a := w.action(byKernel)
		a.byKernel, a.update = byKernel, w.update
		list = append(list, a)
	}
	return list
}

func (w *world) action(byKernel bool) action {
	a := action{
		mode: w.Uint32N(0o10000), uid: w.Uint32N(1 << 17), gid: w.Uint32N(1 << 17), seed: byte(w.IntN(256)),
		atime: w.time(), mtime: w.time(),
	}
	if w.IntN(2) == 0 {
		a.mode &= 0o777
	}
	k := w.IntN(100)
	if len(w.paths) > 900 {
		k = 60 + w.IntN(40) // it is time to remove something
	}
	switch {
	case k < 9:
		a.do, a.name = "mkdir", w.fresh()
	case k < 27:
		a.do, a.name, a.size = "write", w.fresh(), w.size()
		if w.IntN(3) == 0 {
			a.name = w.existing('f')
		}
	case k < 34:
		a.do, a.name, a.other = "symlink", w.fresh(), w.target()
	case k < 42:
		a.do, a.name, a.other = "link", w.fresh(), w.existing('f')
	case k < 46:
		a.do, a.name = "mknod", w.fresh()
		a.typ = []uint32{unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFBLK, unix.S_IFCHR}[w.IntN(4)]
		if a.typ == unix.S_IFBLK || a.typ == unix.S_IFCHR {
			a.dev = unix.Mkdev(w.Uint32N(1<<(1+w.IntN(12))), w.Uint32N(1<<(1+w.IntN(20))))
		}
	case k < 50:
		a.do, a.name = []string{"chmod", "chown", "chtimes"}[w.IntN(3)], w.existing(0)
	case k < 54 || k < 57 && !byKernel:
		a.do, a.name = "setxattr", w.existing([]byte{0, 'd', 'd', 'f', 'f'}[w.IntN(5)])
		if w.IntN(3) > 0 && len(w.paths) > 0 { // a few get many
			a.name = w.paths[w.IntN(min(len(w.paths), 8))]
		}
		a.other, a.value = w.attribute(a.mode)
		if w.IntN(4) == 0 {
			a.do, a.value = "removexattr", ""
		}
	case k < 58 && byKernel:
		a.do, a.name, a.flags = "chattr", w.existing([]byte{'d', 'f'}[w.IntN(2)]), w.flags()
	case k < 60 && (!byKernel || w.IntN(3) == 0):
		a.do, a.name, a.size = "truncate", w.existing('f'), w.size()
	case k < 60:
		a.do, a.name, a.size = []string{"append", "overwrite", "shorten", "punch"}[w.IntN(4)], w.existing('f'), w.size()
	case k < 79:
		a.do, a.name, a.other = "rename", w.fresh(), w.existing(0)
		if w.IntN(3) == 0 {
			a.name = w.existing(w.kinds[a.other])
		}
	case k < 97:
		a.do, a.name = "remove", w.existing(0)
		if w.IntN(3) == 0 {
			a.name = w.existing('f')
		}
	default:
		a.do, a.name = "removeall", w.existing(0)
	}
	w.guess(a)
	return a
}

// time is one that nothing else has, so that what was set is told from what was
// not.
func (w *world) time() time.Time {
	return time.Unix(1_000_000_000+w.Int64N(300_000_000), w.Int64N(1_000_000_000))
}

// flags are some that directories give to what is made in them, or that protect.
func (w *world) flags() int {
	const sync, immutable, appendOnly, nodump, noatime, dirsync = 0x8, 0x10, 0x20, 0x40, 0x80, 0x10000
	sets := []int{0, 0, immutable, appendOnly, nodump, noatime | nodump, sync, sync | dirsync | noatime}
	return sets[w.IntN(len(sets))]
}

func (w *world) size() int64 {
	edges := []int64{0, 1, 59, 60, 61, 160, w.block - 1, w.block, w.block + 1, 12 * w.block, 12*w.block + 1}
	switch k := w.IntN(40); {
	case k < 20:
		return edges[w.IntN(len(edges))]
	case k == 20 && w.budget < 12<<20:
		size := w.Int64N(3 << 20)
		w.budget += size
		return size
	case k < 30:
		return w.Int64N(100_000)
	}
	return w.Int64N(5000)
}

// fresh is a name for something new, mostly where there is nothing yet.
func (w *world) fresh() string {
	dir := "big"
	if w.IntN(8) > 0 {
		dir = w.existing('d')
	}
	if w.IntN(20) == 0 {
		dir = w.existing('l') // perhaps to a directory
	}
	switch k := w.IntN(60); {
	case k == 0:
		return path.Join(dir, "missing", "name")
	case k == 1:
		return path.Join(w.existing('f'), "below-a-file")
	case k == 2:
		return path.Join(dir, strings.Repeat("l", 256))
	case k < 8:
		return path.Join(dir, fmt.Sprintf("%d%s", w.IntN(10), strings.Repeat("n", 1+w.IntN(254))))
	case k < 12:
		return path.Join(dir, fmt.Sprintf("grüße-%d", w.IntN(50)))
	case k < 30 || dir == "big":
		return path.Join(dir, fmt.Sprintf("%d-%s", w.IntN(500), strings.Repeat("x", w.IntN(60))))
	}
	return path.Join(dir, fmt.Sprintf("n%d", w.IntN(30)))
}

// existing is a path that is thought to be there, of a kind or, for 0, of any.
func (w *world) existing(kind byte) string {
	if w.IntN(50) == 0 {
		return w.missing()
	}
	found, count := "", 0
	for _, name := range w.paths {
		if kind != 0 && w.kinds[name] != kind {
			continue
		}
		if count++; w.IntN(count) == 0 {
			found = name
		}
	}
	if found == "" {
		return w.missing()
	}
	return found
}

func (w *world) missing() string {
	return path.Join([]string{"gone", "big/gone", "missing/gone", "big"}[w.IntN(4)], "x"[:w.IntN(2)])
}

func (w *world) target() string {
	name := w.existing(0)
	switch w.IntN(10) {
	case 0, 1:
		return "/" + name
	case 2:
		return "../../" + name
	case 3:
		return "big/../" + name
	case 4:
		return path.Base(name)
	case 5, 6:
		return strings.Repeat("t", []int{1, 58, 59, 60, 61, 62, 500, int(w.block) - 2}[w.IntN(8)])
	case 7:
		return "./" + strings.Repeat("./", w.IntN(60)) + path.Base(name)
	}
	return name
}

// attribute is an extended attribute's name and value.
func (w *world) attribute(mode uint32) (name, value string) {
	names := []string{"user.a", "user.second", "user." + strings.Repeat("n", 100), "trusted.t", "security.s", "security.capability",
		"system.posix_acl_access", "system.posix_acl_default"}
	name = names[w.IntN(len(names))]
	if w.IntN(20) == 0 {
		name = "user." + strings.Repeat("m", 230+w.IntN(30))
	}
	sizes := []int{0, 1, 4, 20, 60, 100, 200, 400, 900, 1500, 5000, 12_000}
	n := sizes[w.IntN(len(sizes))]
	switch name {
	case "security.capability": // struct vfs_cap_data, revision 2
		return name, "\x01\x00\x00\x02" + strings.Repeat(string(rune(1+w.IntN(100))), 16)
	case "system.posix_acl_access", "system.posix_acl_default":
		return name, w.accessList(mode)
	}
	return name, strings.Repeat(string(rune('a'+w.IntN(26))), n)
}

// accessList is one in the form of setxattr(2): the owner, perhaps users, the group, perhaps groups, a mask where it is needed and
// perhaps elsewhere, all others. A few are wrong.
func (w *world) accessList(mode uint32) string {
	type entry struct {
		tag, perm uint16
		id        uint32
	}
	list := []entry{{1, uint16(mode >> 6 & 7), 1<<32 - 1}}
	for i := range w.IntN(4) {
		list = append(list, entry{2, uint16(w.IntN(8)), uint32(1000 * (i + 1))})
	}
	named := len(list) > 1
	list = append(list, entry{4, uint16(mode >> 3 & 7), 1<<32 - 1})
	for i := range w.IntN(3) {
		list = append(list, entry{8, uint16(w.IntN(8)), uint32(1000 * (i + 1))})
		named = true
	}
	if named && w.IntN(20) > 0 || w.IntN(4) == 0 {
		list = append(list, entry{0x10, uint16(w.IntN(8)), 1<<32 - 1})
	}
	if w.IntN(30) > 0 {
		list = append(list, entry{0x20, uint16(mode & 7), 1<<32 - 1})
	}
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return string(b)
}

// guess notes what an action leads to if it is done.
func (w *world) guess(a action) {
	_, there := w.kinds[a.name]
	dir := path.Dir(a.name)
	fits := (dir == "." || w.kinds[dir] == 'd') && len(path.Base(a.name)) < 256
	switch a.do {
	case "mkdir", "write", "symlink", "link", "mknod":
		if !there && fits {
			w.add(a.name, map[string]byte{"mkdir": 'd', "write": 'f', "symlink": 'l', "link": 'f', "mknod": 's'}[a.do])
		}
	case "rename":
		kind, known := w.kinds[a.other]
		if !known || !fits || there && w.kinds[a.name] != kind || a.name == a.other || strings.HasPrefix(a.name, a.other+"/") {
			return
		}
		if kind == 'd' && there && w.hasBelow(a.name) {
			return
		}
		w.drop(a.name)
		for _, name := range slices.Clone(w.paths) {
			if below, ok := strings.CutPrefix(name, a.other+"/"); ok {
				w.add(a.name+"/"+below, w.kinds[name])
			}
		}
		w.drop(a.other)
		w.add(a.name, kind)
	case "remove":
		if there && !w.hasBelow(a.name) {
			w.drop(a.name)
		}
	case "removeall":
		w.drop(a.name)
	}
}

func (w *world) add(name string, kind byte) {
	if _, there := w.kinds[name]; !there {
		w.paths = append(w.paths, name)
	}
	w.kinds[name] = kind
}

func (w *world) hasBelow(dir string) bool {
	return slices.ContainsFunc(w.paths, func(name string) bool { return strings.HasPrefix(name, dir+"/") })
}

func (w *world) drop(name string) {
	w.paths = slices.DeleteFunc(w.paths, func(p string) bool {
		gone := p == name || strings.HasPrefix(p, name+"/")
		if gone {
			delete(w.kinds, p)
		}
		return gone
	})
}
