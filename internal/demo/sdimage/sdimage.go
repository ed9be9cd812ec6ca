// Package sdimage holds the SD image of the demo, and how it is made.
package sdimage

import "embed"

// Name is the image's file name, as nixpkgs names such files.
const Name = "nixos-sd-image-demo.img.zst"

// Compressed is the disk image, in zstd: some 34 KB, unpacked some 79 MiB. Not to be changed.
//
//go:embed nixos-sd-image-demo.img.zst
var Compressed []byte

// Recipe is what makes it: make.sh, which takes the output's name, and the mke2fs.conf it reads beside itself. The linker leaves
// it out of programs that do not ask for it.
//
//go:embed make.sh mke2fs.conf
var Recipe embed.FS
