// Writing a tree of mappings and strings, without comments and lists, as YAML: what Encrypt makes. The metadata adds lists of mappings.
package secrets

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

func emitYAML(b branch) ([]byte, error) {
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
	case branch:
		n.Kind = yaml.MappingNode
		for _, it := range v {
			for _, part := range []any{it.key, it.value} {
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
		for _, element := range v {
			c, err := yamlNode(element)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		return n, nil
	}
	return n, n.Encode(v)
}
