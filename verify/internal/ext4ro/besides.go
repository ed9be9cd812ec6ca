// What an inode holds besides its content and what is said of it: for those who want to know that a file that was put in is nothing but that.

package ext4ro

import (
	"encoding/binary"
	"fmt"
	"maps"
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
	version     [2]uint32       // i_version, lower half first
	attributes  map[string]bool // names, the number of their kind before
	moved       bool            // the content may be elsewhere, or new
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

// Kept is the origin of an inode that was there before: was, in before. It may have lost its attributes, and its content may be another.
func (fs *FS) Kept(was, is *Inode, before *FS) (Origin, error) {
	o := Origin{flags: was.Flags, projects: map[uint32]bool{was.field(projectID): true}, generations: map[uint32]bool{was.Generation: true},
		version: was.version(), attributes: map[string]bool{}, moved: was.Size != is.Size || was.Flags != is.Flags || string(was.block) != string(is.block)}
	names, err := before.attributeNames(was)
	for _, name := range names {
		o.attributes[name] = true
	}
	return o, err
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
	names, err := fs.attributeNames(in)
	if err != nil {
		return nil, err
	}
	add(in.FileACL != 0 && len(names) == 0, "the block of extended attributes")
	for _, name := range names {
		add(!o.attributes[name], "the extended attributes")
	}
	flags := in.Flags &^ (flagsOfContent | o.flags)
	add(flags != 0, fmt.Sprintf("the flags 0x%x", flags))
	add(!o.projects[in.field(projectID)], "the project")
	add(!o.generations[in.Generation], "the generation")
	add(in.version() != o.version, "the version")
	add(fs.spare(in), "what is in unused fields")
	if !o.moved {
		return found, nil
	}
	more, err := fs.besidesContent(in)
	return append(found, more...), err
}

// spare says whether there is anything in fields that nobody uses.
func (fs *FS) spare(in *Inode) bool {
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
	return !fs.tidyArea(in, extra)
}

// tidyArea says whether there is nothing behind an inode's fields but attributes, with zeros between their names and their values.
func (fs *FS) tidyArea(in *Inode, extra int) bool {
	if extra+4 > len(in.raw) {
		return allZeros(in.raw[extra:])
	}
	if binary.LittleEndian.Uint32(in.raw[extra:]) != xattrMagic {
		return allZeros(in.raw[extra:])
	}
	area := in.raw[extra+4:]
	list, end, ok := listAttributes(area, 0)
	if !ok {
		return false
	}
	used := make([]bool, len(area))
	for i := range min(end, len(area)) {
		used[i] = true
	}
	for _, x := range list {
		if x.inum == 0 {
			for i := x.offset; i < min(x.offset+(x.size+3)&^3, len(area)); i++ {
				used[i] = true
			}
		}
	}
	for i, b := range area {
		if b != 0 && !used[i] {
			return false
		}
	}
	return true
}

// attribute is where an extended attribute is.
type attribute struct {
	index        uint8 // e_name_index
	name         string
	offset, size int    // of the value, in the area
	inum         uint32 // the inode that holds the value, or 0
}

// listAttributes lists those whose entries start at first, and where the names end. It is not ok that the list has no end.
func listAttributes(area []byte, first int) (list []attribute, end int, ok bool) {
	for at := first; ; {
		if at+4 > len(area) {
			return nil, 0, false
		}
		if binary.LittleEndian.Uint32(area[at:]) == 0 {
			return list, at + 4, true
		}
		if at+xattrEntry > len(area) {
			return nil, 0, false
		}
		c := &cursor{area[at:]}
		length := int(c.u8())
		x := attribute{index: c.u8(), offset: int(c.u16()), inum: c.u32(), size: int(c.u32())}
		c.skip(4) // e_hash
		if length > len(c.rest) || x.inum == 0 && (x.offset > len(area) || x.size > len(area)-x.offset) {
			return nil, 0, false
		}
		x.name = string(c.bytes(length))
		list = append(list, x)
		at += (xattrEntry + length + 3) &^ 3
	}
}

// attributeNames gives the names of an inode's attributes, the number of their kind before; not that of its data.
func (fs *FS) attributeNames(in *Inode) ([]string, error) {
	names := map[string]bool{}
	note := func(area []byte, first int) error {
		list, _, ok := listAttributes(area, first)
		if !ok {
			return fmt.Errorf("inode %d: %w: its extended attributes have no end", in.Ino, ErrCorrupt)
		}
		for _, x := range list {
			if in.Flags&FlagInlineData == 0 || x.index != xattrSystem || x.name != inlineName {
				names[fmt.Sprintf("%d.%s", x.index, x.name)] = true
			}
		}
		return nil
	}
	if at := goodOldInode + int(in.ExtraIsize); at+4 <= len(in.raw) && binary.LittleEndian.Uint32(in.raw[at:]) == xattrMagic {
		if err := note(in.raw[at+4:], 0); err != nil {
			return nil, err
		}
	}
	if in.FileACL != 0 {
		if in.FileACL >= fs.BlocksCount {
			return nil, fmt.Errorf("inode %d: %w: its extended attributes are at block %d", in.Ino, ErrCorrupt, in.FileACL)
		}
		block := make([]byte, fs.BlockSize)
		if _, err := fs.r.ReadAt(block, int64(in.FileACL)*fs.BlockSize); err != nil {
			return nil, fmt.Errorf("inode %d: extended attributes: %w", in.Ino, err)
		}
		if err := note(block, xattrHeader); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}
