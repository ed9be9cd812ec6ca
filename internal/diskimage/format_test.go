package diskimage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormatsAreToldByTheirFirstBytes(t *testing.T) {
	skip := "\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
	at := func(off int, s string) string { return strings.Repeat("\x00", off) + s }
	tests := []struct {
		name, head string
		want       Format
		refused    string // part of the error
	}{
		{name: "an empty file", head: "", want: Raw},
		{name: "one byte", head: "\x1f", want: Raw},
		{name: "zeros", head: at(4096, ""), want: Raw},
		{name: "zstd", head: "\x28\xb5\x2f\xfd\x04", want: Zstd},
		{name: "zstd behind skippable frames", head: skip + skip + "\x28\xb5\x2f\xfd\x04", want: Zstd},
		{name: "skippable frames alone", head: skip + skip, want: Zstd},
		{name: "a skippable frame that is cut short", head: skip[:9], want: Zstd},
		{name: "a skippable frame before something else", head: skip + "MBR", want: Raw},
		{name: "lz4 behind a skippable frame", head: skip + "\x04\x22\x4d\x18\x00\x00\x00\x00", refused: "lz4"},
		{name: "xz", head: "\xfd7zXZ\x00\x00", want: XZ},
		{name: "gzip", head: "\x1f\x8b\x08\x00", want: Gzip},
		{name: "bzip2", head: "BZh91AY&SY", want: Bzip2},
		{name: "bzip2 of nothing", head: "BZh9\x17\x72\x45\x38\x50\x90", want: Bzip2},
		{name: "boot code that starts with BZh", head: "BZh9 boot code", want: Raw},
		{name: "the block magic of bzip2 without its header", head: "xxxx1AY&SY", want: Raw},
		{name: "an MBR", head: at(510, "\x55\xaa"), want: Raw},
		{name: "qcow2", head: "QFI\xfb\x00\x00\x00\x03", refused: "qcow2"},
		{name: "a VMDK", head: "KDMV\x01", refused: "VMDK"},
		{name: "a VMDK descriptor", head: "# Disk DescriptorFile\nversion=1\n", refused: "VMDK"},
		{name: "a VDI", head: "<<< Oracle VM VirtualBox Disk Image >>>" + at(25, "\x7f\x10\xda\xbe"), refused: "VDI"},
		{name: "a VHDX", head: "vhdxfile", refused: "VHDX"},
		{name: "an Android sparse image", head: "\x3a\xff\x26\xed\x01\x00", refused: "Android sparse"},
		{name: "a zip", head: "PK\x03\x04\x14", refused: "zip"},
		{name: "a 7z", head: "7z\xbc\xaf\x27\x1c", refused: "7z"},
		{name: "a tar", head: at(257, "ustar\x0000"), refused: "tar"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Detect(strings.NewReader(tt.head))
			if tt.refused == "" {
				if err != nil || got != tt.want {
					t.Errorf("Detect = %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("Detect = %q, %v, want an ErrFormat that names %s", got, err, tt.refused)
			}
			path := filepath.Join(t.TempDir(), "image.img")
			if err := os.WriteFile(path, []byte(tt.head), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(context.Background(), path, nil); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, want an ErrFormat that names the file", err)
			}
			if _, err := OpenInPlace(path); !errors.Is(err, ErrFormat) {
				t.Errorf("OpenInPlace: %v, want an ErrFormat", err)
			}
			o, err := Create(filepath.Join(t.TempDir(), "out.img"), false)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Fill(context.Background(), path, nil); !errors.Is(err, ErrFormat) {
				t.Errorf("Fill: %v, want an ErrFormat", err)
			}
		})
	}
}

func TestEndlessSkippableFramesEnd(t *testing.T) {
	head := strings.Repeat("\x50\x2a\x4d\x18\x00\x00\x00\x00", 100000)
	if got, err := Detect(strings.NewReader(head)); err != nil || got != Raw {
		t.Errorf("Detect = %q, %v, want raw: no encoder writes that", got, err)
	}
}

// FuzzUnpack: whatever the bytes are, unpacking ends without a panic, and within bounds.
func FuzzUnpack(f *testing.F) {
	for _, s := range []string{"", "\x28\xb5\x2f\xfd\x04\x00", "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "BZh91AY&SY\x00\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		format, err := Detect(bytes.NewReader(b))
		if err != nil || format == Raw {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		in := &sourceReader{ctx: ctx, r: bytes.NewReader(b), p: silent{}}
		// A bomb is cut off as a user would.
		sink := writerAt(func(b []byte, off int64) (int, error) {
			if off > 64*mib {
				cancel()
			}
			return len(b), nil
		})
		_, _ = unpackStream(in, sink, format, int64(len(b)))
	})
}

type writerAt func([]byte, int64) (int, error)

func (w writerAt) WriteAt(b []byte, off int64) (int, error) { return w(b, off) }
