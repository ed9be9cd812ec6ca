// Trees: the four formats read into sops' tree.
//
// sops has packages for this (stores/yaml, stores/json, …), and they are what tree_test.go compares these functions with. They are
// not imported because they link sops' configuration, and through it the clients of two object stores: 23 MB and 5 ms at each
// start of a program that may run for 20 ms. What a tree means (metadata, which values are encrypted, the MAC) stays with sops.
package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"
	"gopkg.in/ini.v1"
)

// metadataOptions is how a format holds sops' metadata, whose values nest.
func (f Format) metadataOptions() stores.MetadataOpts {
	switch f {
	case Dotenv:
		return stores.MetadataOpts{Flatten: stores.MetadataFlattenFull}
	case INI:
		return stores.MetadataOpts{Flatten: stores.MetadataFlattenBelowTop, EscapeNewlines: true}
	}
	return stores.MetadataOpts{Flatten: stores.MetadataFlattenNone}
}

// read parses a text. Errors name a line at most, never what is on it.
func (f Format) read(data []byte) (sops.TreeBranches, error) {
	switch f {
	case JSON:
		return readJSON(data)
	case Dotenv:
		return readDotenv(data)
	case INI:
		return readINI(data)
	}
	return readYAML(data)
}

// comment is a comment in a mapping: sops lets one decide whether what follows it is encrypted.
func comment(text string, inline bool) sops.TreeItem {
	return sops.TreeItem{Key: sops.Comment{Value: text, Inline: inline}}
}

// readJSON reads one JSON object. json.Valid refuses nesting beyond 10,000 levels, and so bounds what follows.
func readJSON(data []byte) (sops.TreeBranches, error) {
	if !json.Valid(data) {
		var v any
		var syntax *json.SyntaxError
		if err := json.Unmarshal(data, &v); errors.As(err, &syntax) {
			return nil, fmt.Errorf("it is not json (line %d)", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
		}
		return nil, errors.New("it is not json")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := jsonValue(d)
	if err != nil {
		return nil, err
	}
	b, ok := v.(sops.TreeBranch)
	if !ok {
		return nil, errors.New("its json is not an object")
	}
	return sops.TreeBranches{b}, nil
}

func jsonValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, errors.New("it is not json")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return jsonObject(d)
		}
		return jsonArray(d)
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return int(n), nil
		}
		n, err := t.Float64()
		if err != nil {
			return nil, errors.New("it has a number that is too large")
		}
		return n, nil
	}
	return t, nil // string, bool, nil
}

func jsonObject(d *json.Decoder) (any, error) {
	var b sops.TreeBranch
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not json")
		}
		v, err := jsonValue(d)
		if err != nil {
			return nil, err
		}
		b = append(b, sops.TreeItem{Key: key, Value: v})
	}
	_, err := d.Token()
	return b, err
}

func jsonArray(d *json.Decoder) (any, error) {
	var list []any
	for d.More() {
		v, err := jsonValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

// readDotenv reads lines NAME=value, in which \n stands for a line feed: sops' notion of the format, without quotes.
func readDotenv(data []byte) (sops.TreeBranches, error) {
	var b sops.TreeBranch
	for i, line := range strings.Split(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "#"); ok {
			b = append(b, comment(text, false))
			continue
		}
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("it is not dotenv (line %d has no =)", i+1)
		}
		b = append(b, sops.TreeItem{Key: name, Value: strings.ReplaceAll(value, `\n`, "\n")})
	}
	return sops.TreeBranches{b}, nil
}

// readINI reads sections of keys, the first of which may go without a name and is then called DEFAULT.
func readINI(data []byte) (sops.TreeBranches, error) {
	file, err := ini.LoadSources(ini.LoadOptions{AllowNonUniqueSections: true}, data)
	if err != nil {
		return nil, errors.New("it is not ini")
	}
	var b sops.TreeBranch
	for _, s := range file.Sections() {
		var items sops.TreeBranch
		if s.Comment != "" {
			items = append(items, comment(iniComment(s.Comment), false))
		}
		for _, k := range s.Keys() {
			items = append(items, sops.TreeItem{Key: k.Name(), Value: k.Value()})
			if k.Comment != "" {
				items = append(items, comment(iniComment(k.Comment), false))
			}
		}
		b = append(b, sops.TreeItem{Key: s.Name(), Value: items})
	}
	return sops.TreeBranches{b}, nil
}

func iniComment(text string) string {
	if strings.HasPrefix(text, ";") {
		return strings.TrimLeft(text, "; ")
	}
	if strings.HasPrefix(text, "#") {
		return strings.TrimLeft(text, "# ")
	}
	return text
}
