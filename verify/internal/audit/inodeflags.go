package audit

// This file holds the fields of an inode against each other: flags against features and types, fields that have to be zero, the
// space beyond the first 128 bytes.

import (
	"encoding/binary"
	"fmt"
)

// oddity is something for which e2fsck marks an inode as bad in pass 1, and which it tells when it comes to the inode's first name. The
// values of attributes have no name: there it is never told.
type oddity struct {
	code    Code
	message string
}

func (w *worker) oddity(code Code, format string, args ...any) {
	w.odd = append(w.odd, oddity{code, fmt.Sprintf(format, args...)})
}

// settleOddities reports what was found odd, or leaves it to the end of the pass where it depends on who refers to the inode.
func (w *worker) settleOddities(in *inode) {
	c := w.c
	if in.has(flagEaInode) {
		c.addEaInode(in, w.odd)
		return
	}
	if in.ino == c.sb.OrphanFileInum || in.ino == c.sb.QuotaInums[2] {
		return // nobody names these either
	}
	for _, odd := range w.odd {
		c.report(odd.code, inodeObject(in.ino), "%s", odd.message)
	}
}

// checkFlags holds the flags that say where the contents are against features and types.
func (w *worker) checkFlags(in *inode) {
	c, s := w.c, w.c.sb
	o := inodeObject(in.ino)
	extents, inline := s.hasIncompat(incompatExtents), s.hasIncompat(incompatInlineData)
	if in.has(flagCasefold) {
		if !in.isDir() {
			c.report(CodeInodeFlags, o, "folds case, and is no directory")
		}
		if !s.hasIncompat(incompatCasefold) {
			c.report(CodeInodeFlags, o, "folds case, without the feature casefold")
		}
	}
	if in.has(flagInlineData) && in.has(flagExtents) && (extents || inline) {
		if isDevice(in) {
			c.warn(CodeInodeFlags, o, "a special file that is marked as having extents or inline data")
		} else {
			c.report(CodeInodeFlags, o, "marked as having extents and inline data")
		}
	}
	if in.has(flagInlineData) && in.ino >= s.firstInode {
		if !inline {
			c.report(CodeInodeFlags, o, "marked as having inline data, without the feature")
		} else if _, found, err := w.inlineAttribute(in); err != nil {
			w.attributeFault(in, CodeInlineData, err)
		} else if !found {
			c.report(CodeInlineData, o, "marked as having inline data, and the attribute system.data is missing")
		}
	}
	// The numbers are those for which e2fsck does not ask for links.
	counts := in.Links != 0 || in.ino == badBlocksInode || in.ino == rootInode || in.ino == journalInode
	if in.has(flagExtents) && !extents && counts {
		c.report(CodeInodeFlags, o, "marked as having extents, without the feature")
	}
	if extents && !in.has(flagExtents) && counts && (in.isRegular() || in.isDir()) && extentNode(in.Block).headerOK() {
		c.report(CodeInodeFlags, o, "has an extent tree, and is not marked as having extents")
	}
}

func isDevice(in *inode) bool {
	switch in.Mode & modeType {
	case modeChar, modeBlock, modeFIFO, modeSocket:
		return true
	}
	return false
}

// checkFields holds fields that have to be zero, or zero without a feature.
func (w *worker) checkFields(in *inode) {
	c, s := w.c, w.c.sb
	if in.Faddr != 0 {
		w.oddity(CodeInode, "i_faddr is %d, and has to be 0", in.Faddr)
	}
	if s.CreatorOS == osHurd {
		if fragment, size := in.raw[116], in.raw[117]; fragment != 0 || size != 0 {
			w.oddity(CodeInode, "a fragment (%d, size %d)", fragment, size)
		}
	}
	if s.CreatorOS == 0 { // Linux; e2fsck has nothing to say where it is another
		if in.aclHigh != 0 && !s.hasIncompat(incompat64bit) {
			w.oddity(CodeInode, "i_file_acl_high is %d, without the feature 64bit", in.aclHigh)
		}
		if in.blocksHigh != 0 && !s.hasRoCompat(roCompatHugeFile) {
			w.oddity(CodeInodeBlocks, "i_blocks_high is %d, without the feature huge_file", in.blocksHigh)
		}
	}
	if in.isDir() && in.sizeHigh != 0 && !s.hasIncompat(incompatLargedir) && uint64(uint32(in.Blocks)) < 1<<(19-s.LogBlockSize) {
		w.oddity(CodeInodeSize, "i_size_high of a directory is %d, without the feature large_dir", in.sizeHigh)
	}
	if in.has(flagImagic) && !s.hasCompat(compatImagicInodes) {
		c.report(CodeInodeFlags, inodeObject(in.ino), "marked as imagic, without the feature")
	}
}

// checkExtra judges what is beyond the first 128 bytes: i_extra_isize, the attributes, the times.
func (w *worker) checkExtra(in *inode) eaUse {
	c, s := w.c, w.c.sb
	if s.inodeSize == goodOldInodeSize {
		return eaUse{}
	}
	o := inodeObject(in.ino)
	const least = 4 // i_extra_isize and i_checksum_hi themselves
	extra, most := int(in.ExtraIsize), s.inodeSize-goodOldInodeSize
	if extra != 0 && (extra < least || extra > most || extra&3 != 0) {
		c.report(CodeInode, o, "i_extra_isize is %d, and between %d and %d in fours is possible", extra, least, most)
		return eaUse{}
	}
	if extra >= most-4 {
		return eaUse{}
	}
	var use eaUse
	if area := in.raw[goodOldInodeSize+extra:]; binary.LittleEndian.Uint32(area) == attributeMagic {
		use = w.checkInodeAttributes(in, area)
	}
	// Until 2242, times from 2310 on are taken for ones before 1970, which old kernels wrote with the wrong upper bits.
	for _, t := range [...]struct{ low, extra uint32 }{{in.Atime, in.AtimeExtra}, {in.Ctime, in.CtimeExtra}, {in.Crtime, in.CrtimeExtra}, {in.Mtime, in.MtimeExtra}} {
		if t.low>>31 != 0 && t.extra&3 == 3 {
			c.warn(CodeInode, o, "a time beyond the year 2310, probably one before 1970")
			break
		}
	}
	return use
}

// deviceOK is what devices, FIFOs and sockets have to be like: nothing in i_block but the device's number. Old kernels left something
// in the rest; it only counts together with flags that no device can get.
func deviceOK(in *inode) bool {
	if in.has(flagIndex | flagExtents) {
		return false
	}
	return !in.has(flagImmutable|flagAppend) || allZero(in.Block[16:])
}

func (w *worker) checkDevice(in *inode) {
	c := w.c
	o := inodeObject(in.ino)
	if !deviceOK(in) {
		w.oddity(CodeDevice, "a special file with flags or blocks that it cannot have")
		return
	}
	if in.has(flagInlineData) {
		c.warn(CodeInodeFlags, o, "a special file that is marked as having inline data")
	}
	w.checkImmutable(in)
	if in.Size != 0 {
		c.report(CodeInodeSize, o, "i_size of a special file is %d", in.Size)
	}
}

// checkImmutable: e2fsck offers to take the flags away, and does not insist.
func (w *worker) checkImmutable(in *inode) {
	if in.has(flagImmutable | flagAppend) {
		w.c.warn(CodeInodeFlags, inodeObject(in.ino), "a special file or symlink that is immutable or append-only")
	}
}

// checkEncrypted holds that an encrypted inode has an encryption context, the attribute "c" without a prefix.
func (w *worker) checkEncrypted(in *inode) {
	c := w.c
	o := inodeObject(in.ino)
	v, err := w.soughtIn(in)
	switch {
	case isIO(err):
		c.fail(err)
	case err != nil || !v.hasPolicy:
		c.report(CodeInodeFlags, o, "encrypted, without an encryption context")
	case !c.addPolicy(in.ino, v.policy):
		c.report(CodeXattr, o, "its encryption context is damaged")
	}
}
