// The names of a file that holds a secret: whoever made another one can read it, and keep it, where nobody looks.

package verify

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// maxOtherNames bounds the names that are told of one file.
const maxOtherNames = 3

// otherNames finds wanted files with a secret that have more names than wanted paths lead to, by our own decoder.
func (j *judgement) otherNames(ctx context.Context, disk io.ReaderAt, size int64, own *witness) error {
	wanted := map[uint32][]string{} // by inode, paths without symlinks on the way
	for _, v := range own.wanted {
		if v.known && !slices.Contains(wanted[v.ino], v.path) {
			wanted[v.ino] = append(wanted[v.ino], v.path)
		}
	}
	others := map[uint32]*names{}
	for i, v := range own.wanted {
		extra := int(v.links) - len(wanted[v.ino])
		if e := j.want[i]; !v.known || e.Kind != manifest.File || v.kind != kindFile || !e.Secret || extra <= 0 {
			continue
		}
		if others[v.ino] == nil {
			others[v.ino] = &names{wanted: wanted[v.ino], count: extra}
		}
		others[v.ino].told = append(others[v.ino].told, j.want[i].Path)
	}
	if len(others) == 0 {
		return nil
	}
	if ro, err := ext4ro.Open(disk, size); err == nil {
		ro.EachName(maxNamed, func(ino uint32, path string) bool {
			if n := others[ino]; n != nil && !slices.Contains(n.wanted, path) {
				n.found = append(n.found, path)
			}
			return ctx.Err() == nil
		})
	}
	for _, v := range own.wanted {
		if n := others[v.ino]; n != nil {
			for _, path := range n.told {
				j.find(codeOtherName, Error, path, "%s", n)
			}
			delete(others, v.ino)
		}
	}
	return ctx.Err()
}

// names are those of a file besides the wanted ones.
type names struct {
	wanted []string // without symlinks on the way
	told   []string // the wanted paths, as the manifest has them
	count  int      // how many there are besides, by the link count
	found  []string // which these are, as far as they were found
}

func (n *names) String() string {
	text := fmt.Sprintf("its content can be reached by %d other names", n.count)
	if n.count == 1 {
		text = "its content can be reached by another name"
	}
	slices.Sort(n.found)
	switch listed := n.found[:min(len(n.found), maxOtherNames)]; {
	case len(listed) == 0:
		return text + ", as its link count says"
	case len(listed) < n.count:
		return text + ", among them " + printable(strings.Join(listed, ", "))
	default:
		return text + ": " + printable(strings.Join(listed, ", "))
	}
}
