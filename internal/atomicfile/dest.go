// This file says whether a destination can be made or replaced, and what it is if a symbolic link stands there.

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"boringboot/internal/filemode"
)

// Dest returns where a file that is to be called dest goes: dest itself, or what it points to where it is a symbolic link, so that
// the link stays, as a shell's redirection would have it. It is an error where no file can come into being there; one that
// exists is fs.ErrExist without force, and one that is no regular file is never replaced.
func Dest(dest string, force bool) (target string, err error) {
	if target, err = resolve(dest); err != nil {
		return "", err
	}
	return target, check(dest, target, force)
}

// resolve follows the symbolic links that dest is, so that the file they point to is replaced and not the link.
func resolve(dest string) (string, error) {
	if dest == "" {
		return "", errors.New("the destination has no name")
	}
	target := dest
	for range 40 { // the kernel's limit
		info, err := os.Lstat(target)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return target, nil // check says what err is
		}
		// Linux does not follow others' links in a directory like /tmp (fs.protected_symlinks): whoever made it chose what is replaced.
		if _, err := os.Stat(target); errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("%s is a symbolic link that may not be followed: %w", dest, Pathless(err))
		}
		to, err := os.Readlink(target)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(target), to)
		}
		target = to
		if _, err := os.Lstat(target); err != nil {
			return "", fmt.Errorf("%s is a symbolic link to %s: %w", dest, target, Pathless(err))
		}
	}
	return "", fmt.Errorf("%s: too many levels of symbolic links", dest)
}

func check(dest, target string, force bool) error {
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir := filepath.Dir(target)
		d, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("%s: the directory %s: %w", dest, dir, Pathless(err))
		}
		if !d.IsDir() {
			return fmt.Errorf("%s: %s is not a directory", dest, dir)
		}
		if os.IsPathSeparator(dest[len(dest)-1]) {
			return fmt.Errorf("%s: there is no such directory", dest)
		}
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", dest, Pathless(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is %s: it is not replaced", dest, KindName(info.Mode()))
	case !force:
		return exists(dest)
	}
	return nil
}

func exists(dest string) error { return &fs.PathError{Op: "create", Path: dest, Err: fs.ErrExist} }

// KindName says what a file is by its mode's type bits, with its article.
func KindName(m fs.FileMode) string { return "a " + filemode.Kind(m) }

// Pathless is an error without the path it names, for texts that name another.
func Pathless(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
