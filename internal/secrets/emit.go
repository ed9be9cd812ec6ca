// Writing a tree of mappings and strings, without comments and lists: what Encrypt makes. The metadata adds lists of mappings.
package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"
	"gopkg.in/ini.v1"
)

// emit writes an encrypted tree with its metadata.
func (f Format) emit(tree sops.Tree) ([]byte, error) {
	branches, err := stores.SerializeMetadata(tree, f.metadataOptions())
	if err != nil {
		return nil, fmt.Errorf("%w: a key is one that sops reserves for itself", ErrValue)
	}
	b := branches[0]
	switch f {
	case JSON:
		var out bytes.Buffer
		if err := emitJSON(&out, b); err != nil {
			return nil, err
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, out.Bytes(), "", "\t"); err != nil {
			return nil, err
		}
		indented.WriteByte('\n')
		return indented.Bytes(), nil
	case Dotenv:
		return emitDotenv(b)
	case INI:
		return emitINI(b)
	}
	n, err := yamlNode(b)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(4)
	if err := e.Encode(n); err != nil {
		return nil, err
	}
	return out.Bytes(), e.Close()
}

func yamlNode(v any) (*yaml.Node, error) {
	n := &yaml.Node{}
	switch v := v.(type) {
	case sops.TreeBranch:
		n.Kind = yaml.MappingNode
		for _, item := range v {
			for _, part := range []any{item.Key, item.Value} {
				c, err := yamlNode(part)
				if err != nil {
					return nil, err
				}
				n.Content = append(n.Content, c)
			}
		}
		return n, nil
	case []any:
		n.Kind = yaml.SequenceNode
		for _, item := range v {
			c, err := yamlNode(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		return n, nil
	}
	return n, n.Encode(v)
}

func emitJSON(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case sops.TreeBranch:
		out.WriteByte('{')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := emitJSON(out, item.Key); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := emitJSON(out, item.Value); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := emitJSON(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	}
	text, err := json.Marshal(v)
	out.Write(text)
	return err
}

func emitDotenv(b sops.TreeBranch) ([]byte, error) {
	var out bytes.Buffer
	for _, item := range b {
		if stores.IsComplexValue(item.Value) {
			return nil, fmt.Errorf("%w: dotenv files do not nest", ErrValue)
		}
		name := fmt.Sprint(item.Key)
		if strings.ContainsAny(name, "=\n") || strings.HasPrefix(name, "#") {
			return nil, fmt.Errorf("%w: a name that dotenv files cannot have", ErrValue)
		}
		fmt.Fprintf(&out, "%s=%s\n", name, strings.ReplaceAll(stores.ValToString(item.Value), "\n", `\n`))
	}
	return out.Bytes(), nil
}

func emitINI(b sops.TreeBranch) ([]byte, error) {
	file := ini.Empty(ini.LoadOptions{AllowNonUniqueSections: true})
	file.DeleteSection(ini.DefaultSection)
	for _, item := range b {
		section, err := file.NewSection(fmt.Sprint(item.Key))
		if err != nil {
			return nil, err
		}
		keys, ok := item.Value.(sops.TreeBranch)
		if !ok {
			return nil, fmt.Errorf("%w: a value of an ini file stands in a section", ErrValue)
		}
		for _, k := range keys {
			if stores.IsComplexValue(k.Value) {
				return nil, fmt.Errorf("%w: ini files nest once", ErrValue)
			}
			if _, err := section.NewKey(fmt.Sprint(k.Key), stores.ValToString(k.Value)); err != nil {
				return nil, err
			}
		}
	}
	var out bytes.Buffer
	if _, err := file.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
