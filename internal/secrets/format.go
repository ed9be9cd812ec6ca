// The formats of SOPS files: which one a file has, and loading it into sops' tree without trusting its shape.
package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"go.yaml.in/yaml/v3"
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

func (f Format) store() sops.Store {
	switch f {
	case JSON:
		return sopsjson.NewStore(&config.JSONStoreConfig{Indent: -1})
	case Dotenv:
		return dotenv.NewStore(&config.DotenvStoreConfig{})
	case INI:
		return ini.NewStore(&config.INIStoreConfig{})
	}
	return sopsyaml.NewStore(&config.YAMLStoreConfig{})
}

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

// load parses an encrypted file. sops' parsers trust what they read: JSON may end anywhere, and YAML may grow without bound through
// aliases. Both are looked for before.
func load(path string, format Format, data []byte) (sops.Tree, error) {
	damaged := func(what string, args ...any) error {
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: " + fmt.Sprintf(what, args...)}
	}
	switch format {
	case JSON:
		if err := checkJSON(data); err != nil {
			return sops.Tree{}, damaged("%v", err)
		}
	case YAML:
		if err := checkYAML(data); err != nil {
			return sops.Tree{}, damaged("%v", err)
		}
	}
	tree, err := format.store().LoadEncryptedFile(data)
	if err == nil {
		return tree, nil
	}
	if errors.Is(err, sops.MetadataNotFound) {
		return sops.Tree{}, &Error{
			File: path, Kind: ErrNotEncrypted,
			text: "not encrypted: it is plain " + string(format) + " without sops' metadata",
			hint: "encrypt it before it is committed: sops encrypt --in-place " + path,
		}
	}
	if _, plainErr := format.store().LoadPlainFile(data); plainErr != nil {
		return sops.Tree{}, damaged("it is not %s%s", format, atLine(plainErr))
	}
	return sops.Tree{}, damaged("its sops metadata cannot be read")
}

// checkJSON refuses what is not one JSON value, and nesting beyond 10,000 levels.
func checkJSON(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	var syntax *json.SyntaxError
	var v any
	if err := json.Unmarshal(data, &v); errors.As(err, &syntax) {
		return fmt.Errorf("it is not json (line %d)", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
	}
	return errors.New("it is not json")
}

// checkYAML refuses what is not YAML, and aliases: sops writes none, and its reader follows them without counting.
func checkYAML(data []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not yaml%s", atLine(err))
		}
		if a := findAlias(&n); a != nil {
			return fmt.Errorf("it has a YAML alias, which sops never writes (line %d)", a.Line)
		}
	}
}

func findAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n
	}
	for _, c := range n.Content {
		if a := findAlias(c); a != nil {
			return a
		}
	}
	return nil
}

var lineNumber = regexp.MustCompile(`\bline (\d+)`)

// atLine takes the line number out of a parser's error, and nothing else: the rest may quote the file.
func atLine(err error) string {
	if m := lineNumber.FindStringSubmatch(err.Error()); m != nil {
		return " (line " + m[1] + ")"
	}
	return ""
}
