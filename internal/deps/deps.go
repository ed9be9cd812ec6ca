// Package deps keeps the project's dependencies in go.mod while the packages that use them are being written.
package deps

import (
	_ "filippo.io/age"
	_ "filippo.io/age/agessh"
	_ "github.com/diskfs/go-diskfs"
	_ "github.com/dsoprea/go-ext4"
	_ "github.com/getsops/sops/v3/aes"
	_ "github.com/getsops/sops/v3/decrypt"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/masahiro331/go-ext4-filesystem/ext4"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/ulikunitz/xz"
	_ "golang.org/x/crypto/ssh"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
)
