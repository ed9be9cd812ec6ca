// This file changes an image through a copy beside it, which takes its place when it is whole: where a cut in the middle of a change
// would leave something that nobody can repair.

package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"boringboot/internal/atomicfile"
)

// LinkedError says that an image has other names that would keep the old content.
type LinkedError struct {
	Path  string
	Names uint64
}

func (e *LinkedError) Error() string {
	return fmt.Sprintf("%s has %d names (hard links), and a changed copy can take the place of one only", e.Path, e.Names)
}

// original is the image that an output will take the place of.
type original struct {
	image *Image
	info  fs.FileInfo // when it was copied
}

// Replaceable fails where Replace would refuse to begin, and makes nothing.
func (i *Image) Replaceable() error {
	info, err := i.file.Stat()
	if err != nil {
		return err
	}
	if err := i.replaceable(info); err != nil {
		return err
	}
	return atomicfile.Check(i.path, true)
}

func (i *Image) replaceable(info fs.FileInfo) error {
	if i.device {
		return fmt.Errorf("%s is %s: a copy cannot take its place", i.path, atomicfile.KindName(info.Mode()))
	}
	if n := links(info); n > 1 {
		return &LinkedError{Path: i.path, Names: n}
	}
	return nil
}

// Replace begins an output that is a copy of an image file which was opened in place, and which it will replace on Commit, with the same
// mode, owner and extended attributes. Where the image was named by a symbolic link, the link stays. Until Commit, and after any
// failure, the image is as it was. An image with several names is refused with a *LinkedError.
func (i *Image) Replace(ctx context.Context, p Progress) (*Output, error) {
	info, err := i.file.Stat()
	if err != nil {
		return nil, err
	}
	if err := i.replaceable(info); err != nil {
		return nil, err
	}
	o, err := create(i.path, true)
	if err != nil {
		return nil, err
	}
	o.original = &original{image: i, info: info}
	if err := o.copyFrom(ctx, i.file, i.path, orSilent(p)); err != nil {
		return nil, errors.Join(err, o.Abort())
	}
	return o, nil
}

// handOver gives the new file what makes it the old one but for its content, and makes sure that it was a copy of what is replaced.
func (w *original) handOver(to *os.File) error {
	i := w.image
	same, err := i.named()
	if err == nil && !same {
		err = fmt.Errorf("%s is another file by now", i.path)
	}
	if err == nil {
		err = unchanged(i.file, w.info)
	}
	if err == nil {
		err = keepAttributes(to, i.file, w.info)
	}
	if err != nil || !closeBeforeRename {
		return err
	}
	return i.Close()
}
