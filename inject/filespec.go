package inject

// This file turns SRC:DEST[:MODE[:UID:GID]] into the entry of one file.

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
)

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
		return bad(fmt.Sprintf("%s is a %s, not a regular file", src, filemode.Kind(info.Mode())))
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
		e.Mode = filemode.FromUnix(uint32(mode))
	}
	if len(parts) == 4 {
		for i, id := range []*uint32{&e.UID, &e.GID} {
			n, err := strconv.ParseUint(parts[2+i], 10, 32)
			if err != nil || n == noOwner {
				return bad(fmt.Sprintf("%q is not a numeric user or group", parts[2+i]))
			}
			*id = uint32(n)
		}
	}
	e.Content = manifest.NewFileContent(src, info)
	return e, nil
}

// noOwner is what chown takes for "leave it": nobody's number.
const noOwner = 1<<32 - 1

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
