// This file opens images to change them where they lie.

package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"boringboot/internal/atomicfile"
)

// ErrBusy: the image is in use by something that is no run of ours, a mount above all.
var ErrBusy = errors.New("in use")

// OpenInPlace opens the raw image at path, a regular file or a block device, to change it where it lies, and locks it: a second run
// gets ErrInUse. One that is mounted, or otherwise somebody's, is refused with ErrBusy, a compressed one with ErrCompressed.
func OpenInPlace(path string) (*Image, error) {
	for range 100 {
		i, err := openInPlace(path)
		if err != nil {
			return nil, err
		}
		same, err := i.named()
		if err != nil {
			return nil, errors.Join(err, i.Close())
		}
		if same {
			return i, nil
		}
		if err := i.Close(); err != nil { // another run has put a changed copy into its place
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is replaced by another file again and again", path)
}

// RehearseInPlace opens an image as OpenInPlace does, and refuses what that refuses. It cannot be written.
func RehearseInPlace(path string) (*Image, error) {
	i, err := OpenInPlace(path)
	if err != nil {
		return nil, err
	}
	i.writable = false
	return i, nil
}

func openInPlace(path string) (*Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, info, "changed in place"); err != nil {
		return nil, err
	}
	i := &Image{path: path, format: Raw, writable: true, device: !info.Mode().IsRegular()}
	if i.file, err = openToWrite(path, i.device); err != nil {
		return nil, err
	}
	if err := i.take(info); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// take locks the image, and makes sure that it is one that can be changed.
func (i *Image) take(info fs.FileInfo) error {
	if err := i.lock(); err != nil {
		return fmt.Errorf("%s: %w", i.path, err)
	}
	if device := loopDevice(info); device != "" {
		return fmt.Errorf("%s is %w: %s makes a disk of it, which may be mounted", i.path, ErrBusy, device)
	}
	format, err := Detect(i.file)
	if err != nil {
		return fmt.Errorf("%s: %w", i.path, err)
	}
	if format != Raw {
		return fmt.Errorf("%s is compressed with %s: %w", i.path, format, ErrCompressed)
	}
	i.size, err = sizeOf(i.file)
	return err
}

// deviceWait is how long a device's lock is waited for: what looks at a card that was just put in has it for a moment.
const deviceWait = 2 * time.Second

func (i *Image) lock() error {
	if !i.device {
		return atomicfile.Lock(i.file, true)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deviceWait)
	defer cancel()
	err := atomicfile.Await(ctx, i.file)
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrInUse
	}
	return err
}

// named reports whether the image is still the file that its path names.
func (i *Image) named() (bool, error) {
	ours, err := i.file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(i.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, there), err
}

// Device reports whether the image is a block device.
func (i *Image) Device() bool { return i.device }

// Forget has the next reads of a device see what is on it, rather than what the system remembers of it. Of a file it does nothing:
// there nobody but the system itself would read it otherwise.
func (i *Image) Forget() error {
	if !i.device {
		return nil
	}
	return forget(i.file)
}
