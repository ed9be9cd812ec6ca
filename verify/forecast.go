// What would defeat the files on first boot, read from the image itself: warnings, since the image may be meant so.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// Codes of the forecast.
const (
	codeHostKeyUnused     = "host-key-unused"
	codeEnvironmentUnused = "environment-unused"
	codeImmutable         = "immutable"
	codeFewInodes         = "few-free-inodes"
	codeFewBlocks         = "few-free-blocks"
)

const (
	// A first boot of NixOS makes /etc, /var, /run/current-system's links, profiles, logs and machine state: some hundred names. Images with 68
	// free inodes have hung in it, and resize2fs, which runs before, adds inodes only where there is room for another block group.
	leastInodes = 256
	// nixpkgs' make-ext4-fs leaves 16 MiB free, which the first boot lives on until the file system has been grown; half of it is too little for
	// the database of the store alone.
	leastBytes = 8 << 20

	maxConfig = 1 << 20 // bytes of a file that is read
	maxEtcs   = 64      // generations of /etc in the store that are looked at
	maxFiles  = 2000    // files of a directory of configuration that are looked at
)

// Forecast warns of what would keep the wanted files from being of use: an sshd_config of which no HostKey line names the private key;
// configuration of NetworkManager in which nothing names the environment file; files, and directories above them, that cannot be changed; too few free blocks or inodes. Configuration is looked for in
// /etc and, where the system is one of NixOS that was not booted yet, in the store's …-etc paths. Where there is none, nothing is said.
//
// What is damaged is left to the audit. The error is for what could not be read.
func Forecast(ctx context.Context, root io.ReaderAt, size int64, s *Structure, want []manifest.Entry) ([]Finding, error) {
	var findings []Finding
	warn := func(code, path, format string, args ...any) {
		findings = append(findings, Finding{Code: code, Severity: Warning, Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if s != nil && s.Groups != nil {
		if s.FreeInodes < leastInodes {
			warn(codeFewInodes, "", "%d inodes are free: a first boot makes more files than that", s.FreeInodes)
		}
		if free := s.FreeBlocks * uint64(s.BlockSize); free < leastBytes {
			warn(codeFewBlocks, "", "%d KiB are free: a first boot may need more before the file system is grown", free>>10)
		}
	}
	b := newBudget(ctx, root, size)
	b.grow(maxFiles * maxConfig / 8)
	r, err := openOwnReader(b)
	if err != nil {
		return findings, b.failed()
	}
	defer r.close()
	for _, i := range immutables(r, want) {
		warn(codeImmutable, i.path, "%s", i.text)
	}
	c := &config{r}
	etcs := c.etcs()
	for _, e := range want {
		switch e.Role {
		case manifest.PrivateKey:
			if at, ok := c.hostKeyUnused(etcs, e.Path); ok {
				warn(codeHostKeyUnused, e.Path, "no HostKey line of %s names it: sshd would present another key", printable(at))
			}
		case manifest.Environment:
			if at, ok := c.environmentUnused(etcs, e.Path); ok {
				warn(codeEnvironmentUnused, e.Path, "the configuration of NetworkManager in %s never names it", printable(at))
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return findings, b.failed()
}

// config reads the image's own configuration.
type config struct{ r *reader }

// follow goes to a path and through the symlink that may be there.
func (c *config) follow(path string) (*way, error) {
	for range maxLinks {
		w, err := c.r.walk(path)
		if err != nil {
			return nil, err
		}
		if w.last.kind != kindSymlink {
			return w, nil
		}
		dir := w.dirs[len(w.dirs)-1]
		if path = w.last.target; !strings.HasPrefix(path, "/") {
			path = dir.join(path)
		}
	}
	return nil, errors.New("too many symlinks")
}

// text reads a file; empty where there is none that can be read.
func (c *config) text(path string) string {
	text, _ := c.read(path)
	return text
}

// read reads a file. It is not ok that there is none, or that it cannot be read.
func (c *config) read(path string) (text string, ok bool) {
	w, err := c.follow(path)
	if err != nil || w.last.kind != kindFile || w.last.size > maxConfig {
		return "", false
	}
	content, err := c.r.content(w)
	if err != nil {
		return "", false
	}
	data, err := io.ReadAll(io.LimitReader(content, maxConfig))
	return string(data), err == nil
}

// list gives the names in a directory, in order; none where there is none.
func (c *config) list(path string) []string {
	w, err := c.follow(path)
	if err != nil || w.last.kind != kindDirectory {
		return nil
	}
	names, err := ext4ro.List(c.r.ro, w.last.ino)
	if err != nil {
		return nil
	}
	var list []string
	for name := range names {
		if name != "." && name != ".." {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list[:min(len(list), maxFiles)]
}

// etcs are the directories that are /etc, or will be.
func (c *config) etcs() []string {
	if len(c.list("/etc")) > 0 {
		return []string{"/etc"}
	}
	var etcs []string
	store, err := c.follow("/nix/store")
	if err != nil || store.last.kind != kindDirectory {
		return nil
	}
	names, err := ext4ro.List(c.r.ro, store.last.ino)
	if err != nil {
		return nil
	}
	for name := range names {
		if strings.HasSuffix(name, "-etc") {
			etcs = append(etcs, "/nix/store/"+name+"/etc")
		}
	}
	slices.Sort(etcs)
	return etcs[:min(len(etcs), maxEtcs)]
}
