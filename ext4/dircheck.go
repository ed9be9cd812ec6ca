package ext4

// This file looks at every entry of a directory's block: names that are part of no path, names twice, "." and ".." where they do
// not belong, inodes that cannot be meant. Nothing else catches them where there are no checksums, and an entry that is put
// beside them would be called done. Blocks are looked at once in a transaction, before they are changed: all of a linear
// directory, of a hashed one its index (htreecheck.go) and the leaf that is changed. What an entry leads to is looked up in the
// inode bitmaps, one block for each group. Inodes themselves are read only of entries that a path leads through: those have the
// type that their entry says, and a directory among them its parent in "..".

import (
	"strings"

	"boringboot/ext4/internal/format"
)

// dirCheck is the check of one directory, block by block.
type dirCheck struct {
	v       *view
	dir     node
	names   map[string]bool
	subdirs uint32                      // entries of that type, "." and ".." not counted
	inUse   func(ino Ino) (bool, error) // nil: neither it nor file types are looked at, as for reading
}

func (v *view) newDirCheck(dir node) *dirCheck {
	return &dirCheck{v: v, dir: dir, names: map[string]bool{}}
}

// block looks at all entries of block fb. visit, if not nil, gets those in use but "." and "..".
func (c *dirCheck) block(fb FileBlock, data []byte, visit func(d format.Dirent) error) error {
	count := 0
	_, err := c.v.eachInBlock(c.dir, fb, data, func(d format.Dirent) (bool, error) {
		count++
		if fb == 0 && count <= 2 {
			return false, c.dots(d, count)
		}
		if d.Ino == 0 {
			return false, nil
		}
		if err := c.entry(fb, d); err != nil {
			return false, err
		}
		if visit == nil {
			return false, nil
		}
		return false, visit(d)
	})
	if err == nil && fb == 0 && count < 2 {
		return c.wrong(0, 0, `no ".." in the first block`)
	}
	return err
}

func (c *dirCheck) wrong(fb FileBlock, off int, format string, args ...any) error {
	return corruptf("inode %d: directory block %d: entry at byte %d: "+format, append([]any{c.dir.ino, fb, off}, args...)...)
}

// dots: the first entry is the directory itself, the second its parent, which is the root for the root.
func (c *dirCheck) dots(d format.Dirent, which int) error {
	want := ".."[:which]
	if string(d.Name) != want {
		return c.wrong(0, d.Offset, "%q where %q belongs", d.Name, want)
	}
	root := c.dir.ino == format.RootIno
	switch {
	case which == 1 && d.RecLen != format.MinDirentSize:
		return c.wrong(0, d.Offset, `"." with rec_len %d`, d.RecLen)
	case (which == 1 || root) && d.Ino != c.dir.ino:
		return c.wrong(0, d.Offset, "%q leads to inode %d", want, d.Ino)
	case d.Ino != format.RootIno && d.Ino < c.v.firstIno:
		return c.wrong(0, d.Offset, "%q leads to the reserved inode %d", want, d.Ino)
	}
	return c.target(0, d)
}

func (c *dirCheck) entry(fb FileBlock, d format.Dirent) error {
	name := string(d.Name)
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return c.wrong(fb, d.Offset, "the name %q", name)
	case d.Ino < c.v.firstIno:
		return c.wrong(fb, d.Offset, "the reserved inode %d", d.Ino)
	case c.names[name]:
		return c.wrong(fb, d.Offset, "the name %q for the second time", name)
	}
	c.names[name] = true
	if d.Type == format.FTDir {
		c.subdirs++
	}
	return c.target(fb, d)
}

// target looks at what an entry leads to, where something is to be written.
func (c *dirCheck) target(fb FileBlock, d format.Dirent) error {
	if c.inUse == nil {
		return nil
	}
	if known := d.Type >= format.FTRegular && d.Type <= format.FTSymlink; c.v.filetype != known || !c.v.filetype && d.Type != format.FTUnknown {
		return c.wrong(fb, d.Offset, "file type %d", d.Type)
	}
	used, err := c.inUse(d.Ino)
	if err == nil && !used {
		err = c.wrong(fb, d.Offset, "inode %d, which the bitmap calls free", d.Ino)
	}
	return err
}

// inodeUsed asks the inode bitmap.
func (tx *Tx) inodeUsed(ino Ino) (bool, error) {
	g, index := tx.inodeGroup(ino)
	d, err := tx.desc(g)
	if err != nil {
		return false, err
	}
	bits, err := tx.loadInodes(g, d)
	if err != nil || bits == nil {
		return false, err
	}
	return bits.next(false, index, index+1) != index, nil
}

// vetDir looks at the blocks of a directory that adding, replacing or removing the entry called name is going to change, unless
// this was done.
func (tx *Tx) vetDir(dir node, name string) error {
	this := vettedName{dir.ino, name}
	if tx.dirs.last == this {
		return nil
	}
	if !tx.dirs.vetted[dir.ino] {
		tx.dirs.unlist(dir.ino)
		if err := tx.vetWhole(dir); err != nil {
			return err
		}
		tx.dirs.vetted[dir.ino] = true
	}
	if tx.hashed(dir) {
		if err := tx.vetLeaf(dir, name); err != nil {
			return err
		}
	}
	tx.dirs.last = this
	return nil
}

// vetWhole looks at a linear directory, or at a hashed one's root and index.
func (tx *Tx) vetWhole(dir node) error {
	if err := tx.checkMapped(dir); err != nil {
		return err
	}
	c := tx.newDirCheck(dir)
	c.inUse = tx.inodeUsed
	known, err := c.whole()
	if err != nil {
		return err
	}
	links := uint32(format.ILinksCount.Get(dir.Inode))
	tooMany := links == 1 && tx.sb.HasROCompat(format.ROCompatDirNlink)
	if tx.hashed(dir) {
		if links < 2 && !tooMany {
			return corruptf("inode %d: a directory of %d links", dir.ino, links)
		}
		blocks, err := tx.dirBlocks(dir)
		if err != nil {
			return err
		}
		return tx.vetIndex(dir, blocks)
	}
	if tx.filetype && !tooMany && links != c.subdirs+2 {
		return corruptf("inode %d: a directory of %d subdirectories has %d links", dir.ino, c.subdirs, links)
	}
	if known != nil {
		tx.dirs.linear[dir.ino] = known
	}
	return nil
}

// whole looks at all of a linear directory and returns what is there, or at a hashed one's root. Of one in the inode nothing has to
// be remembered.
func (c *dirCheck) whole() (*linearDir, error) {
	if c.dir.flag(format.InodeInlineData) {
		return nil, c.inline(nil)
	}
	blocks, err := c.v.dirBlocks(c.dir)
	if err != nil {
		return nil, err
	}
	if c.v.hashed(c.dir) {
		blocks = 1
	}
	known := &linearDir{names: map[string]FileBlock{}}
	for fb := FileBlock(0); fb < blocks; fb++ {
		_, data, _, err := c.v.dirBlock(c.dir, fb)
		if err == nil {
			err = c.block(fb, data, func(d format.Dirent) error {
				known.names[string(d.Name)] = fb
				return nil
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// vetLeaf looks at the leaf of a hashed directory where name belongs, with those that continue its hash, and that what is there
// belongs there, too.
func (tx *Tx) vetLeaf(dir node, name string) error {
	done := true
	err := tx.eachLeaf(dir, name, func(_ []dxFrame, fb FileBlock) (bool, error) {
		r, err := tx.lookup(dir, fb)
		done = done && tx.dirs.vettedLeaf[r.start]
		return !done, err
	})
	if done || err != nil {
		return err
	}
	c := tx.newDirCheck(dir)
	c.inUse = tx.inodeUsed
	return tx.eachLeaf(dir, name, func(frames []dxFrame, fb FileBlock) (bool, error) {
		return false, tx.vetOneLeaf(dir, frames, fb, c)
	})
}

func (tx *Tx) vetOneLeaf(dir node, frames []dxFrame, fb FileBlock, c *dirCheck) error {
	at, data, index, err := tx.dirBlock(dir, fb)
	if err != nil {
		return err
	}
	if index {
		return corruptf("inode %d: directory block %d: an index node where a leaf belongs", dir.ino, fb)
	}
	lo, hi := hashRange(frames)
	err = c.block(fb, data, func(d format.Dirent) error {
		hash, err := tx.nameHash(frames[0].node.HashVersion(), d.Name)
		if err != nil {
			return unsupportedf("inode %d: %w", dir.ino, err)
		}
		if uint64(hash) < lo || uint64(hash) >= hi {
			return c.wrong(fb, d.Offset, "hash %#x in the leaf of %#x to %#x", hash, lo, hi)
		}
		return nil
	})
	tx.dirs.vettedLeaf[at] = err == nil
	return err
}

// hashRange is what hashes the leaf holds that the frames lead to, the end excluded. The lowest bit of an index entry's hash says
// that the leaf continues the one before it.
func hashRange(frames []dxFrame) (lo, hi uint64) {
	hi = 1 << 32
	for _, f := range frames {
		if f.at > 0 {
			lo = max(lo, uint64(f.node.Hash(f.at)&^1))
		}
		if f.at+1 < f.node.Count() {
			hi = min(hi, hashEnd(f.node.Hash(f.at+1)))
		}
	}
	return lo, hi
}
