package audit

// This file judges one inode, in the order in which e2fsck's pass 1 does: its flags, its fields, what it is, what it holds.

const osHurd = 1 // s_creator_os: fields of i_osd mean something else there

// checkInode judges an inode that is in use, notes what passes 2 to 5 want to know, and claims its blocks. Its checksum and times, and
// what is asked of it for its number's sake, were judged before.
func (w *worker) checkInode(in *inode) {
	w.odd = w.odd[:0]
	w.checkFlags(in)
	switch {
	case in.ino == badBlocksInode: // its list was judged before the scan
	case w.c.special(in.ino):
		w.checkContents(in, eaUse{})
	default:
		w.checkOrdinary(in)
	}
}

// checkOrdinary judges what directories name, and the values of attributes.
func (w *worker) checkOrdinary(in *inode) {
	c, s := w.c, w.c.sb
	kind := kindOf(in.Mode)
	var marks uint8
	if in.has(flagEaInode) {
		marks |= factEaInode
	}
	if in.has(flagImagic) && s.hasCompat(compatImagicInodes) {
		marks |= factImagic
	}
	c.setFacts(in.ino, kind, in.Links, marks)
	w.checkFields(in)
	use := w.checkExtra(in)
	w.checkLooksLikeDirectory(in)
	if s.hasIncompat(incompatExtents) && in.has(flagExtents) && in.isSymlink() && !s.hasMap(in) {
		c.report(CodeInodeFlags, inodeObject(in.ino), "a symlink whose target is in the inode is marked as having extents")
	}
	if in.has(flagEncrypt) {
		w.checkEncrypted(in)
	}
	contents := true
	switch kind {
	case kindDir, kindRegular:
	case kindChar, kindBlock, kindFIFO, kindSocket:
		w.checkDevice(in)
	case kindSymlink:
		contents = w.checkSymlink(in)
	default:
		w.oddity(CodeInode, "no type of file has mode %#o", in.Mode)
	}
	if contents {
		w.checkContents(in, use)
	}
	w.settleOddities(in)
}
