package ext4

// This file clears what directories hold besides their entries of names that were taken out of them: when the kernel divides a
// full block, it packs the entries that stay, and what lay behind them stays there, too.

import (
	"maps"
	"slices"

	"boringboot/ext4/internal/format"
)

// goneNames are names that were taken out of one directory.
type goneNames struct {
	names   map[string]bool
	lengths map[int]bool // of them
}

// nameGone notes that a name was taken out of a directory whose entries are in blocks.
func (tx *Tx) nameGone(dir Ino, name string) {
	g, ok := tx.gone[dir]
	if !ok {
		g = goneNames{map[string]bool{}, map[int]bool{}}
		tx.gone[dir] = g
	}
	g.names[name] = true
	g.lengths[len(name)] = true
}

// within tells whether bytes hold one of the names. What is left of an entry lies where the entry lay, at a multiple of 4.
func (g goneNames) within(slack []byte) bool {
	for at := 0; at < len(slack); at += 4 {
		if slack[at] == 0 { // no name begins so
			continue
		}
		for n := range g.lengths {
			if at+n <= len(slack) && g.names[string(slack[at:at+n])] {
				return true
			}
		}
	}
	return false
}

// clearSlack clears the slack of those blocks where it has names that are gone. All blocks of a directory that lost names are read,
// once in a transaction.
func (tx *Tx) clearSlack() error {
	for _, ino := range slices.Sorted(maps.Keys(tx.gone)) {
		used, err := tx.inodeUsed(ino)
		if err != nil {
			return err
		}
		if !used { // the directory went as a whole
			continue
		}
		dir, err := tx.inode(ino)
		if err != nil {
			return err
		}
		if dir.Type() != format.ModeDir || dir.flag(format.InodeInlineData) {
			continue
		}
		if err := tx.clearSlackOf(dir, tx.gone[ino]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) clearSlackOf(dir node, gone goneNames) error {
	blocks, err := tx.dirBlocks(dir)
	if err != nil {
		return err
	}
	for fb := range blocks {
		at, data, index, err := tx.dirBlock(dir, fb)
		if err != nil {
			return err
		}
		found := false
		err = tx.eachSlack(dir, fb, data, index, func(slack []byte) { found = found || gone.within(slack) })
		if err != nil || !found {
			if err != nil {
				return err
			}
			continue
		}
		block, err := tx.over.Edit(at)
		if err != nil {
			return err
		}
		if err := tx.eachSlack(dir, fb, block, index, func(slack []byte) { clear(slack) }); err != nil {
			return err
		}
		if !index { // the checksum of an index is over its entries only
			tx.sealLeaf(dir, block)
		}
	}
	return nil
}

// eachSlack calls visit for the parts of a directory's block that mean nothing: in a leaf what is behind an entry's name and all of
// a free entry but its head, in a node of the index what is behind its last entry.
func (v *view) eachSlack(dir node, fb FileBlock, data []byte, index bool, visit func(slack []byte)) error {
	if index {
		x, err := v.dxNode(fb, data)
		if err != nil {
			return corruptf("inode %d: directory block %d: %w", dir.ino, fb, err)
		}
		visit(x.Slack())
		return nil
	}
	_, err := v.eachInBlock(dir, fb, data, func(d format.Dirent) (bool, error) {
		used := format.DirentSize(len(d.Name))
		if d.Ino == 0 {
			used = format.DirentSize(0)
		}
		visit(data[d.Offset+used : d.Offset+d.RecLen])
		return false, nil
	})
	return err
}
