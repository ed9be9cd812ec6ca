// The formats of SOPS files: which one a file has, and taking sops' metadata out of it.
package secrets

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"
)

// Format is the form of a SOPS file.
type Format string

// The formats.
const (
	YAML   Format = "yaml"
	JSON   Format = "json"
	Dotenv Format = "dotenv"
	INI    Format = "ini"
)

var (
	iniSection = regexp.MustCompile(`(?m)^\[sops\]\s*$`)
	dotenvMAC  = regexp.MustCompile(`(?m)^sops_mac=`)
)

// formatOf tells a file's format by its extension, as sops does, or else by its content.
func formatOf(path string, data []byte) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return YAML
	case ".json":
		return JSON
	case ".env":
		return Dotenv
	case ".ini":
		return INI
	}
	switch text := bytes.TrimSpace(data); {
	case bytes.HasPrefix(text, []byte("{")):
		return JSON
	case dotenvMAC.Match(data):
		return Dotenv
	case iniSection.Match(data):
		return INI
	}
	return YAML
}

// load parses an encrypted file.
func load(path string, format Format, data []byte) (sops.Tree, error) {
	damaged := func(what string) error {
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: " + what}
	}
	branches, err := format.read(data)
	if err != nil {
		return sops.Tree{}, damaged(err.Error())
	}
	branches, metadata, err := stores.ExtractMetadata(branches, format.metadataOptions())
	if errors.Is(err, sops.MetadataNotFound) {
		return sops.Tree{}, &Error{
			File: path, Kind: ErrNotEncrypted,
			text: "not encrypted: it is plain " + string(format) + " without sops' metadata",
			hint: "encrypt it before it is committed: sops encrypt --in-place " + path,
		}
	}
	if err != nil {
		return sops.Tree{}, damaged("its sops metadata cannot be read")
	}
	return sops.Tree{Branches: branches, Metadata: metadata}, nil
}

var lineNumber = regexp.MustCompile(`\bline (\d+)`)

// atLine takes the line number out of a parser's error, and nothing else: the rest may quote the file.
func atLine(err error) string {
	if m := lineNumber.FindStringSubmatch(err.Error()); m != nil {
		return " (line " + m[1] + ")"
	}
	return ""
}
