// Package diskimage opens disk images, raw or compressed, and makes new ones: sparse, atomic and private.
//
// An image is opened to read (Open), to change where it lies (OpenInPlace), or copied into a file that comes into being
// whole or not at all (Create, Fill, Commit), which may take the place of the image itself (Replace, Commit). What an image is compressed with is told by its first bytes, never by its name.
//
// An image that was provisioned holds private keys. So a file that is made is 0600 from its first moment, and what Open
// unpacks goes to a spool that has no name and is encrypted under a key that only this process knows.
//
// This file tells formats apart.
package diskimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"boringboot/internal/atomicfile"
)

// Format is how an image is stored.
type Format string

// The formats that are read.
const (
	Raw   Format = "raw"
	Zstd  Format = "zstd"
	XZ    Format = "xz"
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
)

// Kinds of error, for errors.Is.
var (
	// ErrCompressed: a compressed image cannot be changed where it lies.
	ErrCompressed = errors.New("a compressed image cannot be changed in place")
	// ErrFormat: a container that is recognised and not read.
	ErrFormat = errors.New("not a raw image")
	// ErrInUse: another run has the file locked.
	ErrInUse = atomicfile.ErrInUse
	// ErrDamaged: a compressed stream that cannot be unpacked; where it ends too early, errors.Is(err, io.ErrUnexpectedEOF) too.
	ErrDamaged = errors.New("the compressed stream is damaged")
)

// signature is bytes that a format has at a fixed place.
type signature struct {
	off   int
	bytes string
}

func (s signature) matches(head []byte) bool {
	return len(head) >= s.off+len(s.bytes) && string(head[s.off:s.off+len(s.bytes)]) == s.bytes
}

var compressions = []struct {
	format Format
	sig    signature
}{
	{Zstd, signature{0, "\x28\xb5\x2f\xfd"}}, // RFC 8878, 3.1.1
	{XZ, signature{0, xzMagic}},
	{Gzip, signature{0, gzipMagic}}, // RFC 1952; 8: deflate, the only method there is
	// "BZh", a digit for the block size, then the first block or, when nothing was compressed, the end.
	{Bzip2, signature{4, "\x31\x41\x59\x26\x53\x59"}},
	{Bzip2, signature{4, "\x17\x72\x45\x38\x50\x90"}},
}

// containers are what people have that looks like a disk image and is none. Each is refused by name.
var containers = []struct {
	sig  signature
	what string
	todo string
}{
	{signature{0, "QFI\xfb"}, "a qcow2 image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "KDMV"}, "a VMDK image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "COWD"}, "a VMDK image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "# Disk DescriptorFile"}, "the descriptor of a VMDK image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{64, "\x7f\x10\xda\xbe"}, "a VDI image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "vhdxfile"}, "a VHDX image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "conectix"}, "a VHD image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "QED\x00"}, "a QED image", "convert it to raw first (qemu-img convert -O raw)"},
	{signature{0, "\x3a\xff\x26\xed"}, "an Android sparse image", "convert it to raw first (simg2img)"},
	{signature{0, "PK\x03\x04"}, "a zip archive", "unpack it first"},
	{signature{0, "PK\x05\x06"}, "an empty zip archive", "unpack it first"},
	{signature{0, "7z\xbc\xaf\x27\x1c"}, "a 7z archive", "unpack it first"},
	{signature{0, "Rar!\x1a\x07"}, "a rar archive", "unpack it first"},
	{signature{257, "ustar"}, "a tar archive", "unpack it first"},
	{signature{0, "\x04\x22\x4d\x18"}, "compressed with lz4", "unpack it first (lz4 -d)"},
	{signature{0, "\x02\x21\x4c\x18"}, "compressed with lz4", "unpack it first (lz4 -d)"},
	{signature{0, "LZIP"}, "compressed with lzip", "unpack it first (lzip -d)"},
	{signature{0, "\x89LZO\x00\x0d\x0a\x1a\x0a"}, "compressed with lzop", "unpack it first (lzop -d)"},
	{signature{0, "\x5d\x00\x00\x80\x00\xff"}, "compressed with lzma", "unpack it first (xz -d --format=lzma)"},
	{signature{0, "\x1f\x9d"}, "compressed with compress", "unpack it first (gzip -d)"},
	{signature{0, "bmap"}, "a block map", "name the image it belongs to"},
	{signature{0, "<?xml"}, "an XML file", "name the image it belongs to"},
}

const (
	headSize = 512
	// A skippable frame (RFC 8878, 3.1.2) starts with one of 16 magic numbers and its length.
	skippableMagic = 0x184d2a50
	skippableMask  = 0xfffffff0
	// pzstd writes one before each frame; more than a few in a row before the first data are not written by anything.
	maxSkippable = 64
)

// Detect tells an image's format by its first bytes. Anything that is not recognised is raw. The error, of kind ErrFormat,
// names a container that is recognised and not read.
func Detect(r io.ReaderAt) (Format, error) {
	return detect(r, 0, 0)
}

func detect(r io.ReaderAt, off int64, depth int) (Format, error) {
	head := make([]byte, headSize)
	n, err := r.ReadAt(head, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the first bytes: %w", err)
	}
	head = head[:n]
	for _, c := range compressions {
		if c.sig.matches(head) && (c.format != Bzip2 || bytes.HasPrefix(head, []byte("BZh"))) {
			return c.format, nil
		}
	}
	if len(head) >= 8 && binary.LittleEndian.Uint32(head)&skippableMask == skippableMagic && depth < maxSkippable {
		// Both zstd and lz4 have such frames: what follows tells.
		next := off + 8 + int64(binary.LittleEndian.Uint32(head[4:]))
		f, err := detect(r, next, depth+1)
		if f == Zstd || err != nil {
			return f, err
		}
		if end := make([]byte, 1); depth == 0 || f == Raw {
			if _, err := r.ReadAt(end, next); errors.Is(err, io.EOF) {
				return Zstd, nil // nothing but skippable frames: a zstd file without content, or one cut short
			}
		}
		return Raw, nil
	}
	for _, c := range containers {
		if c.sig.matches(head) {
			return "", &containerError{c.what, c.todo}
		}
	}
	return Raw, nil
}

// containerError names what the file is instead of an image.
type containerError struct{ what, todo string }

func (e *containerError) Error() string { return fmt.Sprintf("this is %s: %s", e.what, e.todo) }
func (e *containerError) Unwrap() error { return ErrFormat }
