// Writing a tree of mappings and strings, without comments and lists, as YAML: what Encrypt makes. The metadata adds lists of mappings.
package secrets

import (
	"bytes"
	"fmt"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"
)

// emitYAML writes an encrypted tree with its metadata.
func emitYAML(tree sops.Tree) ([]byte, error) {
	branches, err := stores.SerializeMetadata(tree, YAML.metadataOptions())
	if err != nil {
		return nil, fmt.Errorf("%w: a key is one that sops reserves for itself", ErrValue)
	}
	n, err := yamlNode(branches[0])
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
