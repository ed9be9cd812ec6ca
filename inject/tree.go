package inject

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"boringboot/internal/manifest"
)

// This file turns files of the provisioning machine into entries: a whole directory tree, or one file.

// Tree returns an entry for every file, directory and symbolic link below dir, owned by root, with dir's permission bits. dir itself
// stands for the image's root. Directories that are in the image already keep their mode and owner. Anything else below dir (a
// socket, a device) is an error.
func Tree(dir string) (entries []manifest.Entry, err error) {
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
			e.Kind, e.Content = manifest.File, newFileContent(p, info)
		default:
			return fmt.Errorf("%s: a %s cannot be put into an image", p, kindOf(info.Mode()))
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// sourceMode returns a file's permission bits. Windows has none to give: there files are 0644, directories 0755.
func sourceMode(m fs.FileMode) fs.FileMode {
	switch {
	case runtime.GOOS != "windows":
		return m & permissionBits
	case m.IsDir():
		return 0o755
	}
	return 0o644
}

// FileSpec parses SRC:DEST[:MODE[:UID:GID]] and returns the entry of that file. Without MODE the source's permission bits are
// taken; the owner is root unless UID and GID are named. On Windows SRC may begin with a drive letter.
func FileSpec(spec string) (manifest.Entry, error) {
	bad := func(why string) (manifest.Entry, error) {
		return manifest.Entry{}, fmt.Errorf("--file %s: %s (it is SRC:DEST[:MODE[:UID:GID]])", spec, why)
	}
	src, rest := cutSource(spec)
	parts := strings.Split(rest, ":")
	if src == "" || parts[0] == "" {
		return bad("source or destination is missing")
	}
	e := manifest.Entry{Path: parts[0], Kind: manifest.File, Origin: src}
	if err := manifest.CheckPath(e.Path); err != nil {
		return manifest.Entry{}, fmt.Errorf("--file %s: %w", spec, err)
	}
	info, err := os.Stat(src)
	if err != nil {
		return manifest.Entry{}, fmt.Errorf("--file %s: %w", spec, err)
	}
	if !info.Mode().IsRegular() {
		return bad(fmt.Sprintf("%s is a %s, not a regular file", src, kindOf(info.Mode())))
	}
	e.Mode = sourceMode(info.Mode())
	switch len(parts) {
	case 1, 2, 4:
	case 3:
		return bad("UID and GID come together")
	default:
		return bad("too many fields")
	}
	if len(parts) > 1 {
		mode, err := strconv.ParseUint(parts[1], 8, 32)
		if err != nil || mode > 0o7777 {
			return bad(fmt.Sprintf("mode %q is not octal, 0000 to 7777", parts[1]))
		}
		e.Mode = fromOctal(uint32(mode))
	}
	if len(parts) == 4 {
		for i, id := range []*uint32{&e.UID, &e.GID} {
			n, err := strconv.ParseUint(parts[2+i], 10, 32)
			if err != nil {
				return bad(fmt.Sprintf("%q is not a numeric user or group", parts[2+i]))
			}
			*id = uint32(n)
		}
	}
	e.Content = newFileContent(src, info)
	return e, nil
}

// cutSource splits at the first colon, a drive letter's aside.
func cutSource(spec string) (src, rest string) {
	from := 0
	if runtime.GOOS == "windows" && len(spec) > 2 && spec[1] == ':' && (spec[2] == '\\' || spec[2] == '/') {
		from = 2
	}
	i := strings.IndexByte(spec[from:], ':')
	if i < 0 {
		return spec, ""
	}
	return spec[:from+i], spec[from+i+1:]
}
