package inject

// This file turns a directory of the provisioning machine into entries.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
)

// Tree returns an entry for every file, directory and symbolic link below dir, owned by root, with dir's permission bits. dir itself
// stands for the image's root, and may be a symbolic link to a directory; an empty one is an error. Directories that are in the image already keep their mode and owner. Files that are one file with several
// names below dir will be one in the image. Anything else below dir (a socket, a device) is an error.
func Tree(dir string) (entries []manifest.Entry, err error) {
	names := map[identity]string{} // of files with several names: the first
	// A link to a directory, as nix's result is: WalkDir does not follow it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: not a directory", dir)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		e := manifest.Entry{Path: "/" + filepath.ToSlash(rel), Origin: p}
		if err := manifest.CheckPath(e.Path); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e.Mode = sourceMode(info.Mode())
		switch {
		case info.IsDir():
			e.Kind, e.KeepAttr = manifest.Directory, true
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			e.Kind, e.Target, e.Mode = manifest.Symlink, filepath.ToSlash(target), 0o777
		case info.Mode().IsRegular():
			e.Kind, e.Content = manifest.File, manifest.NewFileContent(p, info)
			if id, several := identify(info); several {
				if e.Link = names[id]; e.Link == "" {
					names[id] = e.Path
				}
			}
		default:
			return fmt.Errorf("%s: a %s cannot be put into an image", p, filemode.Kind(info.Mode()))
		}
		entries = append(entries, e)
		return nil
	})
	if err == nil && len(entries) == 0 {
		return nil, fmt.Errorf("%s: there is nothing in it", dir)
	}
	return entries, err
}

// sourceMode returns a file's permission bits. Windows has none to give: there files are 0644, directories 0755.
func sourceMode(m fs.FileMode) fs.FileMode {
	switch {
	case runtime.GOOS != "windows":
		return m & filemode.Permissions
	case m.IsDir():
		return 0o755
	}
	return 0o644
}
