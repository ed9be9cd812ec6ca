// The audit: what contradicts the format, collected as objects are looked at, each of them once.

package ext4ro

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Damage is one thing that contradicts the format.
type Damage struct {
	Object string // "superblock", "group 3", "inode 12", "journal"
	Text   string
}

func (d Damage) String() string { return d.Object + ": " + d.Text }

// Audit judges a file system, object by object. What it finds is collected until Take is called.
type Audit struct {
	fs      *FS
	groups  []*group // all of them, once Whole was called
	system  []zone   // the blocks of superblocks, descriptors, bitmaps and inode tables, in order
	bitmaps map[bitmapKey][]byte
	inodes  map[uint32]*audited
	dirs    map[uint32]*Directory
	found   []Damage
}

// audited is an inode that was looked at, and the map of its blocks, where it has one.
type audited struct {
	in  *Inode
	m   *Map
	err error // why no more than that could be read
}

// NewAudit begins an audit.
func NewAudit(fs *FS) *Audit {
	return &Audit{fs: fs, bitmaps: map[bitmapKey][]byte{}, inodes: map[uint32]*audited{}, dirs: map[uint32]*Directory{}}
}

// Take returns what was found since it was last called.
func (a *Audit) Take() []Damage {
	found := a.found
	a.found = nil
	return found
}

func (a *Audit) note(object, format string, args ...any) {
	d := Damage{object, fmt.Sprintf(format, args...)}
	if !slices.Contains(a.found, d) {
		a.found = append(a.found, d)
	}
}

// noteErr notes an error that says that something is damaged, and returns one that says anything else.
func (a *Audit) noteErr(object string, err error) error {
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	a.note(object, "%s", strings.TrimPrefix(err.Error(), object+": "))
	return nil
}

// Whole judges what concerns the file system as a whole, and what the kernel wants to be right before it mounts: superblock,
// descriptors of all groups, journal, orphan file, multiple mount protection. It comes before anything else.
func (a *Audit) Whole() error {
	a.superblock()
	if err := a.descriptors(); err != nil {
		return err
	}
	for _, part := range []func() error{a.journal, a.orphanFile, a.quotas, a.mmp} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// block reads a block of the file system.
func (a *Audit) block(n uint64) ([]byte, error) {
	buf := make([]byte, a.fs.BlockSize)
	if _, err := a.fs.r.ReadAt(buf, int64(n)*a.fs.BlockSize); err != nil {
		return nil, fmt.Errorf("block %d: %w", n, err)
	}
	return buf, nil
}

// quotas judges the inodes of the quota files, which the kernel opens when it mounts.
func (a *Audit) quotas() error {
	if a.fs.FeatureRoCompat&RoCompatQuota == 0 {
		return nil
	}
	for _, ino := range a.fs.QuotaInums {
		if ino == 0 {
			continue
		}
		if err := a.special("quota file", ino); err != nil {
			return err
		}
	}
	return nil
}

// special judges the inode of a file that only the file system itself uses.
func (a *Audit) special(what string, ino uint32) error {
	in, err := a.Inode(ino)
	if err != nil {
		return a.noteErr(what, err)
	}
	if in.Mode&ModeType != ModeRegular {
		a.note(what, "inode %d is no regular file: its i_mode is 0%o", ino, in.Mode)
	}
	return nil
}
