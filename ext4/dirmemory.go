package ext4

// This file is what a transaction remembers of directories, so that none is searched or looked at again for every name: without
// it a linear directory of n names would cost n² steps to fill.

import (
	"boringboot/ext4/internal/format"
)

// dirMemory belongs to a transaction's view. It holds for as long as directories are changed by link, relink and unlink only.
type dirMemory struct {
	vetted     map[Ino]bool     // by vetDir: a linear directory as a whole, a hashed one's root
	vettedLeaf map[FSBlock]bool // leaves of hashed directories
	last       vettedName       // what vetDir was asked for last
	below      map[Ino]Ino      // directories and the parent that their ".." was found to lead to
	linear     map[Ino]*linearDir
	// Linear directories that names were looked up in and that are not vetted, so not changed: how often, and then their names.
	lookups map[Ino]int
	listed  map[Ino]*linearDir
}

type vettedName struct {
	dir  Ino
	name string
}

func newDirMemory() *dirMemory {
	return &dirMemory{vetted: map[Ino]bool{}, vettedLeaf: map[FSBlock]bool{}, below: map[Ino]Ino{}, linear: map[Ino]*linearDir{},
		lookups: map[Ino]int{}, listed: map[Ino]*linearDir{}}
}

// forget is for an inode that begins a new life.
func (m *dirMemory) forget(ino Ino) {
	delete(m.vetted, ino)
	m.last = vettedName{}
	delete(m.below, ino)
	delete(m.linear, ino)
	m.unlist(ino)
}

// unlist is for a directory that is going to be changed.
func (m *dirMemory) unlist(ino Ino) {
	delete(m.lookups, ino)
	delete(m.listed, ino)
}

// fewLookups is how many names are looked up in a linear directory block by block before its names are listed.
const fewLookups = 8

// listNames gives the names of a linear directory that is looked up in again and again, without looking at what they are. It is nil
// for another, and for one that cannot be read to its end: who searches it block by block finds where.
func (v *view) listNames(n node, blocks FileBlock) *linearDir {
	m := v.dirs
	if known := m.listed[n.ino]; known != nil || m.vetted[n.ino] {
		return known
	}
	if m.lookups[n.ino]++; m.lookups[n.ino] != fewLookups {
		return nil
	}
	known := &linearDir{names: map[string]FileBlock{}}
	for fb := range blocks {
		_, data, _, err := v.dirBlock(n, fb)
		if err != nil {
			return nil
		}
		_, err = v.eachInBlock(n, fb, data, func(d format.Dirent) (bool, error) {
			if _, twice := known.names[string(d.Name)]; d.Ino != 0 && !twice {
				known.names[string(d.Name)] = fb
			}
			return false, nil
		})
		if err != nil {
			return nil
		}
	}
	m.listed[n.ino] = known
	return known
}

// linearDir knows the names of a directory without an index, "." and ".." left out, and where there may be room.
type linearDir struct {
	names map[string]FileBlock
	// No block before gaps[k] has a gap for an entry of 4k bytes.
	gaps [(format.MaxNameLen+8+3)/4 + 1]FileBlock
}

// firstGap is the first block that may have room for an entry of size bytes.
func (l *linearDir) firstGap(size int) FileBlock { return l.gaps[size/4] }

// added: an entry of size bytes is in block fb now, and no block before it had room.
func (l *linearDir) added(name string, size int, fb FileBlock) {
	l.names[name] = fb
	for k := size / 4; k < len(l.gaps); k++ {
		l.gaps[k] = max(l.gaps[k], fb)
	}
}

// removed: block fb has room again.
func (l *linearDir) removed(name string, fb FileBlock) {
	delete(l.names, name)
	for k := range l.gaps {
		l.gaps[k] = min(l.gaps[k], fb)
	}
}

// linearOf is what is known of a linear directory, nil if it was not looked at.
func (v *view) linearOf(dir node) *linearDir {
	if v.dirs == nil {
		return nil
	}
	return v.dirs.linear[dir.ino]
}

// checkParent: ".." of a directory that was reached through another one leads there. A transaction looks once.
func (v *view) checkParent(dir node, parent Ino) error {
	if v.dirs == nil || v.dirs.below[dir.ino] == parent {
		return nil
	}
	up, err := v.parent(dir)
	if err != nil {
		return err
	}
	if up != parent {
		return corruptf("inode %d: its \"..\" leads to inode %d, it is in directory %d", dir.ino, up, parent)
	}
	v.dirs.below[dir.ino] = up
	return nil
}

// checkEntry: an entry says of the inode that it leads to what that inode says itself.
func (v *view) checkEntry(dir node, d format.Dirent, child node) error {
	want := format.FileType(format.IMode.Get(child.Inode))
	if !v.filetype {
		want = format.FTUnknown
	}
	if d.Type != want {
		return corruptf("inode %d: its entry %q has file type %d, inode %d has mode %#o", dir.ino, d.Name, d.Type, child.ino, format.IMode.Get(child.Inode))
	}
	return nil
}
