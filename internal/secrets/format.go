// The formats of SOPS files: which one a file has, and taking sops' metadata out of it.
package secrets

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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

// What tells INI and dotenv where a name does not. Expressions are compiled where one is used: most runs use none.
var (
	iniSection = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\[sops\]\s*$`) })
	dotenvMAC  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^sops_mac=`) })
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
	case dotenvMAC().Match(data):
		return Dotenv
	case iniSection().Match(data):
		return INI
	}
	return YAML
}

// load parses an encrypted file.
func load(path string, format Format, data []byte) ([]branch, *metadata, error) {
	damaged := func(what string) error {
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: " + what}
	}
	documents, err := format.read(data)
	if err != nil {
		return nil, nil, damaged(err.Error())
	}
	documents, md, err := takeMetadata(format, documents)
	if errors.Is(err, errNoMetadata) {
		return nil, nil, &Error{
			File: path, Kind: ErrNotEncrypted,
			text: "not encrypted: it is plain " + string(format) + " without sops' metadata",
			hint: "encrypt it before it is committed: sops encrypt --in-place " + path,
		}
	}
	if err != nil {
		return nil, nil, damaged("its sops metadata cannot be read")
	}
	return documents, md, nil
}

var lineNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bline (\d+)`) })

// atLine takes the line number out of a parser's error, and nothing else: the rest may quote the file.
func atLine(err error) string {
	if m := lineNumber().FindStringSubmatch(err.Error()); m != nil {
		return " (line " + m[1] + ")"
	}
	return ""
}
