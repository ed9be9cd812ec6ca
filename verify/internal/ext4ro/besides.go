// What an inode holds besides its content and what is said of it: for those who want to know that a file that was put in is nothing but that.

package ext4ro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Flags that new inodes have from their directory (EXT4_FL_INHERITED), those of them that regular files have not (EXT4_REG_FLMASK), and those
// that are all that files of other kinds have (EXT4_OTHER_FLMASK).
const (
	flagsInherited     = 0x2201C4CF | FlagCasefold
	flagsOfDirectories = 0x20010000 | FlagCasefold
	flagsOfOthers      = 0x000000C0
	flagProjInherit    = 0x20000000

	// flagsOfContent say how the content is stored.
	flagsOfContent = FlagIndex | FlagHugeFile | FlagExtents | FlagInlineData

	roCompatProject = 0x2000
)

// Origin is what an inode may have from elsewhere than its content.
type Origin struct {
	flags       uint32
	projects    map[uint32]bool
	generations map[uint32]bool
	version     [2]uint32 // i_version, lower half first
	attributes  attributes
	behind      []byte // the fields, as it was
	moved       bool   // the content may be elsewhere, or new
}

// Made is the origin of an inode that was made in these directories.
func (fs *FS) Made(in *Inode, parents []*Inode) Origin {
	o := Origin{projects: map[uint32]bool{0: true}, generations: map[uint32]bool{0: true}, moved: true}
	for _, p := range parents {
		flags := p.Flags & flagsInherited
		switch in.Mode & ModeType {
		case ModeDir:
		case ModeRegular:
			flags &^= flagsOfDirectories
		default:
			flags &= flagsOfOthers
		}
		o.flags |= flags
		if fs.FeatureRoCompat&roCompatProject != 0 && p.Flags&flagProjInherit != 0 {
			o.projects[p.field(projectID)] = true
		}
	}
	// boringboot makes i_generation of the inode's number and the time, so that an image has it twice alike; others who are so careful leave it 0.
	for _, at := range []int{0x08, 0x0C, 0x10, 0x90} { // i_atime, i_ctime, i_mtime, i_crtime
		g := uint32(fs.seed().u32(in.Ino).u32(in.field(at)))
		o.generations[g], o.generations[g+1] = true, true // the next one, if the last file with this number had it
	}
	return o
}

// Kept is the origin of an inode that was there before: was, in before. It may have lost its attributes, its content may be another, and an
// access control list goes with its mode.
func (fs *FS) Kept(was, is *Inode, before *FS) (Origin, error) {
	list, err := before.attributesOf(was)
	return Origin{flags: was.Flags, projects: map[uint32]bool{was.field(projectID): true}, generations: map[uint32]bool{was.Generation: true},
		version: was.version(), attributes: list, behind: was.behind(), moved: was.Size != is.Size || was.Flags != is.Flags || string(was.block) != string(is.block)}, err
}

// Offsets of fields beyond the first 128 bytes of an inode, which i_extra_isize must reach over, and of i_version.
const (
	projectID = 0x9C // i_projid
	versionLo = 0x24 // l_i_version
	versionHi = 0x98 // i_version_hi
)

// field is a field of 32 bits; 0 where the inode has none.
func (in *Inode) field(at int) uint32 {
	if at+4 > goodOldInode+int(in.ExtraIsize) || at+4 > len(in.raw) {
		return 0
	}
	return binary.LittleEndian.Uint32(in.raw[at:])
}

func (in *Inode) version() [2]uint32 { return [2]uint32{in.field(versionLo), in.field(versionHi)} }

// Besides says in words what an inode holds that is neither its content, nor its names, times, owner and mode, nor from its origin. An error
// that wraps ErrCorrupt says that this cannot be found.
func (fs *FS) Besides(in *Inode, o Origin) ([]string, error) {
	var found []string
	add := func(is bool, what string) {
		if is && !slices.Contains(found, what) {
			found = append(found, what)
		}
	}
	list, err := fs.attributesOf(in)
	if err != nil {
		return nil, err
	}
	add(in.FileACL != 0 && len(list) == 0, "the block of extended attributes")
	for name, value := range list {
		old, ok := o.attributes[name]
		add(!ok || value != old && value != old.chmod(name, in.Mode), "the extended attributes")
	}
	flags := in.Flags &^ (flagsOfContent | o.flags)
	add(flags != 0, fmt.Sprintf("the flags 0x%x", flags))
	add(!o.projects[in.field(projectID)], "the project")
	add(!o.generations[in.Generation], "the generation")
	add(in.version() != o.version, "the version")
	add(fs.spare(in, o.behind), "what is in unused fields")
	if !o.moved {
		return found, nil
	}
	more, err := fs.besidesContent(in)
	return append(found, more...), err
}

// behind is what is behind the fields.
func (in *Inode) behind() []byte { return in.raw[min(goodOldInode+int(in.ExtraIsize), len(in.raw)):] }

// spare says whether there is anything in fields that nobody uses, or behind them, unless it was there.
func (fs *FS) spare(in *Inode, was []byte) bool {
	fields := []field{{0x70, 0x74}, {0x7E, 0x80}} // i_obso_faddr, l_i_reserved
	if !fs.checksums() {
		fields = append(fields, field{checksumLo, checksumLo + 2})
	}
	extra := goodOldInode + int(in.ExtraIsize)
	if extra > len(in.raw) {
		return true
	}
	if extra > goodOldInode && !fs.checksums() {
		fields = append(fields, field{checksumHi, min(checksumHi+2, extra)})
	}
	fields = append(fields, field{min(projectID+4, extra), extra})
	for _, f := range fields {
		if f.first < f.end && !allZeros(in.raw[f.first:f.end]) {
			return true
		}
	}
	return !bytes.Equal(in.raw[extra:], was) && !tidyArea(in.raw[extra:])
}
