// This file is for Windows, where a directory's listing does not say which names are names of one file: each is taken for one of its own.

package inject

import "io/fs"

type identity struct{}

func identify(fs.FileInfo) (id identity, several bool) { return identity{}, false }
