// This file makes new images: a file that comes into being whole or not at all.

package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"boringboot/internal/atomicfile"
)

// Output is an image in the making. It has a temporary name beside its destination, mode 0600 from its first moment, and is
// locked; Commit gives it its name. Until then, and after any failure, the destination is as it was.
type Output struct {
	dest   string // as the caller named it, for texts
	target string // where the file goes: dest with symbolic links resolved
	force  bool
	packed bool // the destination is compressed with zstd

	original *original        // what it will replace; nil: it comes into being
	raw      *atomicfile.Temp // the image that is written; of a packed output a file without a name where the system has such
	size     int64
	filled   bool
	done     bool // committed or aborted
}

// What a name promises that is not kept: only raw images and zstd are written.
var refusedSuffixes = []string{".xz", ".gz", ".bz2", ".zstd", ".lz4", ".lzma", ".zip", ".7z", ".tar", ".tgz", ".qcow2", ".vmdk", ".vdi", ".vhd", ".vhdx"}

const zstdSuffix = ".zst"

// Create begins an image that will be dest. The directory must be there and writable; a dest that exists is an error
// (fs.ErrExist) without force, and with force stays until Commit. A dest that ends in .zst will be compressed. Where dest is
// a symbolic link, the file it points to is made or replaced and the link stays, as a shell's redirection would have it.
// Temporary files that killed runs left for the same dest are removed.
func Create(dest string, force bool) (*Output, error) {
	if err := checkName(dest); err != nil {
		return nil, err
	}
	o, err := create(dest, force)
	if err != nil {
		return nil, err
	}
	if o.packed = strings.HasSuffix(strings.ToLower(dest), zstdSuffix); o.packed {
		// It never gets a name, so it needs none: a kill leaves nothing.
		if err := o.raw.Unname(); err != nil {
			return nil, errors.Join(err, o.Abort())
		}
	}
	return o, nil
}

// Check fails where Create would, and makes nothing and removes nothing.
func Check(dest string, force bool) error {
	if err := checkName(dest); err != nil {
		return err
	}
	return atomicfile.Check(dest, force)
}

// checkName refuses a name that promises a format which is not written.
func checkName(dest string) error {
	lower := strings.ToLower(dest)
	for _, s := range refusedSuffixes {
		if strings.HasSuffix(lower, s) {
			return fmt.Errorf("%s: %s is not written: name a raw image (.img) or one compressed with zstd (.img.zst)", dest, s)
		}
	}
	return nil
}

// create begins a raw output.
func create(dest string, force bool) (*Output, error) {
	target, err := atomicfile.Dest(dest, force)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.RemoveStale(target); err != nil {
		return nil, fmt.Errorf("%s: remove what an earlier run left: %w", dest, err)
	}
	o := &Output{dest: dest, target: target, force: force}
	if o.raw, err = createTemp(target); err != nil {
		return nil, fmt.Errorf("%s: cannot write to the directory %s: %w", dest, filepath.Dir(target), atomicfile.Pathless(err))
	}
	return o, nil
}

func existsError(dest string) error { return &fs.PathError{Op: "create", Path: dest, Err: fs.ErrExist} }

// createTemp makes a temporary file beside target that may have holes.
func createTemp(target string) (*atomicfile.Temp, error) {
	t, err := atomicfile.NewTemp(target)
	if err == nil {
		makeSparse(t.File)
	}
	return t, err
}

// Fill copies the image at src, or unpacks it where it is compressed. Holes stay holes, and blocks of zeros in a compressed
// image become some. After an error the output is gone.
func (o *Output) Fill(ctx context.Context, src string, p Progress) error {
	if o.done || o.filled {
		return fmt.Errorf("%s: filled twice, or after its end", o.dest)
	}
	f, err := openSource(src)
	if err == nil {
		err = errors.Join(o.copyFrom(ctx, f, src, orSilent(p)), f.Close())
	}
	if err != nil {
		return errors.Join(err, o.Abort())
	}
	return nil
}

// copyFrom copies the image in f, or unpacks it. src is its name, for texts.
func (o *Output) copyFrom(ctx context.Context, f *os.File, src string, p Progress) error {
	format, err := Detect(f)
	if err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	size, err := sizeOf(f)
	if err != nil {
		return err
	}
	before, err := f.Stat()
	if err != nil {
		return err
	}
	verb := "unpacking "
	if format == Raw {
		verb = "copying "
	}
	p.Start(verb+filepath.Base(src), size)
	defer p.Done()
	if format == Raw {
		o.size, err = size, copyFile(ctx, o.raw.File, f, size, p)
	} else {
		o.size, err = unpack(ctx, o.raw.File, f, format, src, p)
	}
	if err == nil {
		err = o.raw.File.Truncate(o.size) // a hole at the end, and the end itself
	}
	if err == nil {
		err = unchanged(f, before)
	}
	if err != nil {
		return o.explain(err)
	}
	o.filled = true
	return nil
}

// explain puts the destination's name in place of the temporary file's.
func (o *Output) explain(err error) error {
	var pe *fs.PathError
	if !errors.As(err, &pe) || !atomicfile.IsTempOf(o.target, pe.Path) {
		return err
	}
	if atomicfile.DiskFull(err) {
		return fmt.Errorf("%s: the disk is full: %w", o.dest, pe.Err)
	}
	return fmt.Errorf("%s: %s: %w", o.dest, pe.Op, pe.Err)
}

// Section is the part of the raw image from byte off, n bytes long, to read and to write.
func (o *Output) Section(off, n int64) *Section {
	return newSection(explained{o}, o.size, off, n, true)
}

// Size is the raw image's length in bytes; 0 before Fill.
func (o *Output) Size() int64 { return o.size }

// explained is the raw image with errors that name the destination.
type explained struct{ o *Output }

func (e explained) ReadAt(b []byte, off int64) (int, error) {
	return e.o.raw.File.ReadAt(b, off)
}

func (e explained) WriteAt(b []byte, off int64) (int, error) {
	n, err := e.o.raw.File.WriteAt(b, off)
	if err != nil {
		err = e.o.explain(err)
	}
	return n, err
}

func (e explained) Sync() error {
	if err := e.o.raw.File.Sync(); err != nil {
		return e.o.explain(err)
	}
	return nil
}

// Commit makes the output the destination: it compresses where dest ends in .zst and compares what that unpacks to with the
// image, syncs, renames and syncs the directory. Without force, a destination that has come into being meanwhile is an error
// (fs.ErrExist). After an error the output is gone and the destination as it was.
func (o *Output) Commit(ctx context.Context, p Progress) error {
	if o.done || !o.filled {
		return fmt.Errorf("%s: committed before it was filled, or after its end", o.dest)
	}
	if err := o.commit(ctx, orSilent(p)); err != nil {
		return errors.Join(err, o.Abort())
	}
	return nil
}

func (o *Output) commit(ctx context.Context, p Progress) (err error) {
	final := o.raw
	if o.packed {
		if final, err = o.pack(ctx, p); err != nil {
			return o.explain(err)
		}
		defer final.Remove() // of no effect once it is renamed
	}
	if o.original != nil {
		if err := o.original.handOver(final.File); err != nil {
			return o.explain(err)
		}
	}
	if err := final.File.Sync(); err != nil {
		return o.explain(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := final.Rename(o.target, o.force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return existsError(o.dest)
		}
		return fmt.Errorf("%s: %w", o.dest, atomicfile.Pathless(err))
	}
	o.done = true
	if o.packed {
		if err := o.raw.Remove(); err != nil {
			return fmt.Errorf("%s is made, but its temporary file could not be removed: %w", o.dest, err) // err names it
		}
	}
	if err := atomicfile.SyncDir(filepath.Dir(o.target)); err != nil {
		return fmt.Errorf("%s is made, but its directory could not be synced: %w", o.dest, atomicfile.Pathless(err))
	}
	return nil
}

// Abort removes the output. After Commit, or a second time, it does nothing.
func (o *Output) Abort() error {
	if o.done {
		return nil
	}
	o.done = true
	if err := o.raw.Remove(); err != nil {
		return fmt.Errorf("remove the temporary file: %w", err)
	}
	return nil
}
