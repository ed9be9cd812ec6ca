// What the inodes of wanted files, and of the directories that were made for them, hold besides their content.

package verify

import (
	"errors"
	"maps"
	"slices"

	"boringboot/verify/internal/ext4ro"
)

// besides explains what is in a wanted inode: nothing that is not its content, from its directory, or what it had before.
func (e *explainer) besides(ino uint32) error {
	if e.beside[ino] {
		return nil
	}
	e.beside[ino] = true
	found, err := e.findBesides(ino)
	if errors.Is(err, ext4ro.ErrCorrupt) {
		return nil // the audit tells
	}
	for _, what := range found {
		e.unexplained("%s of inode %d, a wanted file or a directory made for one", what, ino)
	}
	return err
}

func (e *explainer) findBesides(ino uint32) ([]string, error) {
	is, err := e.fsIs.Inode(ino)
	if err != nil {
		return nil, err
	}
	was, err := e.fsWas.Inode(ino)
	if err != nil {
		return nil, err
	}
	if was.Links > 0 {
		origin, err := e.fsIs.Kept(was, is, e.fsWas)
		if err != nil {
			return nil, err
		}
		return e.fsIs.Besides(is, origin)
	}
	var parents []*ext4ro.Inode
	for _, dir := range slices.Sorted(maps.Keys(e.parents[ino])) {
		p, err := e.fsIs.Inode(dir)
		if err != nil {
			return nil, err
		}
		parents = append(parents, p)
	}
	return e.fsIs.Besides(is, e.fsIs.Made(is, parents))
}
