// What wanted files, new directories and the journal may hold, looked at as a whole.

package verify

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// content explains a block of a wanted file: its content, with zeros behind its end, or its map. Whatever else it keeps could be
// anything.
func (e *explainer) content(ino uint32, block uint64, now []byte) error {
	if e.hasOtherNames(ino) {
		e.unexplained("a change in block %d, of inode %d, which has names besides the wanted ones", block, ino)
		return nil
	}
	l, err := e.layout(ino, block)
	if l == nil {
		return err
	}
	switch n, kind := l.At(block); {
	case kind == ext4ro.NotThere:
		e.unexplained("what is in block %d, which inode %d keeps beside its content", block, ino)
	case kind == ext4ro.InContent && !allZero(now[n:]):
		e.unexplained("what is in block %d behind the end of inode %d", block, ino)
	}
	return nil
}

// layout is where a file or a directory has its content. There is none, and no error, where that is told.
func (e *explainer) layout(ino uint32, block uint64) (*ext4ro.Layout, error) {
	if l := e.maps[ino]; l != nil {
		return l, nil
	}
	l, err := e.fsIs.Layout(ino)
	if errors.Is(err, ext4ro.ErrCorrupt) {
		e.unexplained("what is in block %d of inode %d, whose map cannot be read", block, ino)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e.maps[ino] = l
	return l, nil
}

// ofAbove explains a block of a directory above: its content, of which the names are compared, or its map.
func (e *explainer) ofAbove(ino uint32, block uint64, old, now []byte) error {
	l, err := e.layout(ino, block)
	if l == nil {
		return err
	}
	switch _, kind := l.At(block); kind {
	case ext4ro.NotThere:
		e.unexplained("what is in block %d, which the directory with inode %d keeps beside its content", block, ino)
		return nil
	case ext4ro.InMap:
		same, err := e.fsIs.SameBesideNode(ino, old, now)
		if err == nil && !same {
			e.unexplained("what is in block %d beside the map of the directory with inode %d", block, ino)
		}
		return err
	}
	return e.directory(ino)
}

// hasOtherNames says whether an inode was there before, and has more names now than wanted paths lead to: what becomes of those is not
// explained. A directory's links are those of what is in it.
func (e *explainer) hasOtherNames(ino uint32) bool {
	in, err := e.fsIs.Inode(ino)
	if err != nil || in.Mode&ext4ro.ModeType == ext4ro.ModeDir {
		return false
	}
	was, err := e.fsWas.Inode(ino)
	return err == nil && was.Links > 0 && int(in.Links) > e.paths[ino]
}

// newDirectories compares the names in directories that were made for wanted paths: there are no others.
func (e *explainer) newDirectories() error {
	for _, ino := range slices.Sorted(maps.Keys(e.wanted)) {
		in, err := e.fsIs.Inode(ino)
		if err != nil || in.Mode&ext4ro.ModeType != ext4ro.ModeDir {
			continue
		}
		names, err := ext4ro.List(e.fsIs, ino)
		if err != nil {
			if errors.Is(err, ext4ro.ErrCorrupt) {
				continue // the audit tells
			}
			return err
		}
		extra := 0
		for name := range names {
			if name != "." && name != ".." && !e.names[ino][name] {
				extra++
			}
		}
		if extra > 0 {
			e.unexplained("%d names in the new directory with inode %d", extra, ino)
		}
	}
	return nil
}

// attributes explains a block of extended attributes: one that was there may have another count of those that share it, a new one
// belongs to a wanted path. One that only wanted paths have is compared with their inodes.
func (e *explainer) attributes(block uint64, had bool, old, now []byte) error {
	switch {
	case had && ext4ro.SameAttributes(old, now):
		return nil
	case !e.sharedByWanted(block), had && !e.onlyOfWanted(block):
		e.unexplained("a change of the extended attributes in block %d", block)
		return nil
	case !ext4ro.TidyAttributes(now):
		e.unexplained("what is in block %d beside extended attributes", block)
	}
	for _, o := range e.is.owners {
		if o.Block == block && o.Use == audit.UseAttributes && e.wanted[o.Number] {
			if err := e.besides(o.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyOfWanted says whether all that have a block of attributes are wanted, and those that had it wanted or replaced.
func (e *explainer) onlyOfWanted(block uint64) bool {
	for _, o := range e.was.owners {
		if o.Block == block && o.Use == audit.UseAttributes && !e.wanted[o.Number] && !e.replaced[o.Number] {
			return false
		}
	}
	for _, o := range e.is.owners {
		if o.Block == block && o.Use == audit.UseAttributes && !e.wanted[o.Number] {
			return false
		}
	}
	return true
}

// sharedByWanted says whether a wanted inode is among those that have a block of attributes.
func (e *explainer) sharedByWanted(block uint64) bool {
	for _, o := range e.is.owners {
		if o.Block == block && o.Use == audit.UseAttributes && e.wanted[o.Number] {
			return true
		}
	}
	return false
}

// journalIsEmpty compares the journal's superblock: its log is empty, and what is not about the log is as it was.
func (e *explainer) journalIsEmpty() error {
	was, err := e.fsWas.JournalSuper()
	if err != nil {
		return err
	}
	is, err := e.fsIs.JournalSuper()
	if err != nil {
		return err
	}
	switch {
	case is == nil && was == nil:
	case is == nil || was == nil:
		e.unexplained("that there is a journal, or that there is none any more")
	case !bytes.Equal(is[0x1C:0x20], []byte{0, 0, 0, 0}): // s_start
		e.unexplained("what the journal holds: its log does not begin nowhere")
	case !ext4ro.SameJournalSuper(was, is):
		e.unexplained("what was changed of the journal's superblock besides its numbers")
	}
	return nil
}
