// This file holds temporary files beside a destination: their names, their locks, and the removal of those that a killed run
// left.

package atomicfile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// A temporary file of NAME is ".NAME.boringboot-" + 16 hexadecimal digits + ".tmp".
const (
	tempMark   = ".boringboot-"
	tempSuffix = ".tmp"
	tempDigits = 16
	// File systems limit a name to 255 bytes (some encrypting ones to 143); a longer stem is cut and told apart by its hash.
	tempStemMax = 100
)

func tempStem(target string) string {
	name := filepath.Base(target)
	if len(name) > tempStemMax {
		sum := sha256.Sum256([]byte(name))
		cut := tempStemMax - 1 - 2*8
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "~" + hex.EncodeToString(sum[:8])
	}
	return "." + name + tempMark
}

// IsTempOf reports whether path is the name of a temporary file of target.
func IsTempOf(target, path string) bool {
	rest, ok := strings.CutPrefix(filepath.Base(path), tempStem(target))
	if !ok {
		return false
	}
	digits, ok := strings.CutSuffix(rest, tempSuffix)
	if !ok || len(digits) != tempDigits {
		return false
	}
	_, err := hex.DecodeString(digits)
	return err == nil
}

// Temp is a temporary file that is open and locked.
type Temp struct {
	File *os.File // nil once it is closed
	Path string   // "" once it has no name, or another than a temporary one
}

// NewTemp makes a temporary file beside target: mode 0600 whatever the umask is, and locked.
func NewTemp(target string) (*Temp, error) {
	for range 100 {
		digits := make([]byte, tempDigits/2)
		if _, err := rand.Read(digits); err != nil {
			return nil, err
		}
		path := filepath.Join(filepath.Dir(target), tempStem(target)+hex.EncodeToString(digits)+tempSuffix)
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t := &Temp{File: f, Path: path}
		lost, err := t.secure()
		if err == nil && !lost {
			return t, nil
		}
		if lost {
			t.close()
			continue
		}
		return nil, errors.Join(err, t.Remove())
	}
	return nil, errors.New("no name for a temporary file is free")
}

// secure takes hold of a file that was just made. Between its making and its lock another run may have taken it for a stale
// one, locked it and removed it: then it is lost, and another is made.
func (t *Temp) secure() (lost bool, err error) {
	// The umask may have taken the owner's own bits away.
	if err := t.File.Chmod(0o600); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return false, err
	}
	if err := Lock(t.File, true); err != nil {
		return errors.Is(err, ErrInUse), err
	}
	same, err := t.named()
	if err != nil {
		return false, err
	}
	if !same {
		return true, nil
	}
	return false, nil
}

// named reports whether the file still has its name.
func (t *Temp) named() (bool, error) {
	ours, err := t.File.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(ours, there), nil
}

// Remove deletes the file. A second call, or one after Rename, does nothing.
func (t *Temp) Remove() error { return t.remove() }

// Rename gives the file its final name and closes it. Where target exists, that is fs.ErrExist unless force is set. After an error
// the file is as temporary as it was.
func (t *Temp) Rename(target string, force bool) error { return t.rename(target, force) }

// Unname takes the file's name away where the system has files without one: it lives as long as it is open.
func (t *Temp) Unname() error { return t.unname() }

// close closes the file, once.
func (t *Temp) close() error {
	if t.File == nil {
		return nil
	}
	err := t.File.Close()
	t.File = nil
	return err
}

// unlink deletes the file's name, once. That it is gone already is what was wanted.
func (t *Temp) unlink() error {
	if t.Path == "" {
		return nil
	}
	err := os.Remove(t.Path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Path = ""
		return nil
	}
	return err
}

// Clean removes what killed runs left of dest, as far as it can. Create does so, too, and says what is wrong with it; Clean is for a
// run that may fail before that.
func Clean(dest string) {
	if target, err := resolve(dest); err == nil {
		_ = RemoveStale(target)
	}
}

// RemoveStale removes temporary files of target that nobody has locked: their run was killed. Those of other targets stay: where a
// file system has no locks, they may be those of a run that is at work. In a directory that may not be listed nothing is found.
func RemoveStale(target string) error {
	dir := filepath.Dir(target)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !IsTempOf(target, e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if err := removeIfStale(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

func removeIfStale(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ETXTBSY) {
		return nil // gone by now, or another user's, which is theirs to remove, or a program that runs and none of ours
	}
	if err != nil {
		return Pathless(err)
	}
	t := &Temp{File: f, Path: path}
	if err := Lock(f, true); err != nil {
		f.Close()
		if errors.Is(err, ErrInUse) {
			return nil
		}
		return err
	}
	// Its run may have given it its final name since the directory was read: what has the name now is looked at.
	if same, err := t.named(); err != nil || !same {
		f.Close()
		return err
	}
	if err := t.Remove(); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil // another user's in a directory like /tmp
}
