// Files and directories that a flag keeps from being changed: what boots cannot make anything beside them, or renew them.

package verify

import (
	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// fixed is a path that cannot be changed, and why.
type fixed struct{ path, text string }

// immutables finds what is immutable or append-only of the wanted paths and the directories above them. Each is told once, in the order of the
// paths.
func immutables(r *reader, want []manifest.Entry) []fixed {
	var list []fixed
	seen := map[string]bool{}
	for _, e := range want {
		w, err := r.walk(e.Path)
		at := w.dirs
		if err == nil {
			at = append(at[:len(at):len(at)], w.last)
		}
		for _, p := range at {
			if seen[p.path] {
				continue
			}
			seen[p.path] = true
			in, err := r.ro.Inode(p.ino)
			if err != nil {
				continue
			}
			if text := fixedBy(in.Flags, p.kind == kindDirectory); text != "" {
				list = append(list, fixed{p.path, text})
			}
		}
	}
	return list
}

func fixedBy(flags uint32, directory bool) string {
	switch immutable := flags&ext4ro.FlagImmutable != 0; {
	case immutable && directory:
		return "the directory is immutable: nothing can be made or removed in it"
	case immutable:
		return "it is immutable: it cannot be replaced or removed"
	case flags&ext4ro.FlagAppend == 0:
		return ""
	case directory:
		return "the directory is append-only: nothing can be removed or renamed in it"
	}
	return "it is append-only: it cannot be replaced or removed"
}
