package diskimage

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkFill copies and unpacks an image of 108 MiB, a third of which is data, from each source.
func BenchmarkFill(b *testing.B) {
	image := holeyImage()
	for len(image) < 100*mib {
		image = append(image, image[:12*mib]...)
	}
	for _, tt := range sources {
		b.Run(tt.name, func(b *testing.B) {
			src := store(b, image, tt.command, tt.tools)
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				o, err := Create(filepath.Join(b.TempDir(), "out.img"), false)
				if err != nil {
					b.Fatal(err)
				}
				if err := o.Fill(context.Background(), src, nil); err != nil {
					b.Fatal(err)
				}
				if err := o.Abort(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFillFile does so with the image $BORINGBOOT_BENCH_IMAGE, to compare with zstd, xz and cp on the same file.
func BenchmarkFillFile(b *testing.B) {
	src := os.Getenv("BORINGBOOT_BENCH_IMAGE")
	if src == "" {
		b.Skip("BORINGBOOT_BENCH_IMAGE is not set")
	}
	for b.Loop() {
		o, err := Create(filepath.Join(b.TempDir(), "out.img"), false)
		if err != nil {
			b.Fatal(err)
		}
		if err := o.Fill(context.Background(), src, nil); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(o.Size())
		if err := o.Abort(); err != nil {
			b.Fatal(err)
		}
	}
}
