// YAML into sops' tree: mappings, lists and scalars, and the comments between them in sops' order.
package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"
)

// readYAML reads every document of a YAML text. Aliases are refused: sops writes none, and following them may take forever.
func readYAML(data []byte) (sops.TreeBranches, error) {
	var branches sops.TreeBranches
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return branches, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is not yaml%s", atLine(err))
		}
		b, err := yamlDocument(&n)
		if err != nil {
			return nil, err
		}
		branches = append(branches, b)
	}
}

func yamlDocument(n *yaml.Node) (sops.TreeBranch, error) {
	b := yamlComments(nil, n.HeadComment, n.LineComment)
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode && c.ShortTag() == "!!null" {
			b = yamlComments(b, c.HeadComment, c.LineComment)
			continue // an empty document
		}
		if c.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("its yaml is not a mapping (line %d)", c.Line)
		}
		inner, err := yamlMapping(c, false)
		if err != nil {
			return nil, err
		}
		b = append(b, inner...)
	}
	return yamlComments(b, n.FootComment), nil
}

// yamlMapping reads a mapping. Whoever has taken the comments around it already says so.
func yamlMapping(n *yaml.Node, commentsTaken bool) (sops.TreeBranch, error) {
	b := make(sops.TreeBranch, 0, len(n.Content)/2)
	if !commentsTaken {
		b = yamlComments(b, n.HeadComment, n.LineComment)
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		scalar := value.Kind == yaml.ScalarNode
		b = yamlComments(b, key.HeadComment, key.LineComment)
		if scalar {
			b = yamlComments(b, value.HeadComment)
			b = append(b, yamlLines(true, value.LineComment)...)
		}
		name, err := yamlKey(key, lines)
		if err != nil {
			return nil, err
		}
		v, err := yamlValue(value, scalar)
		if err != nil {
			return nil, err
		}
		b = append(b, sops.TreeItem{Key: name, Value: v})
		if scalar {
			b = yamlComments(b, value.FootComment)
		}
		b = yamlComments(b, key.FootComment)
	}
	if !commentsTaken {
		b = yamlComments(b, n.FootComment)
	}
	return b, nil
}

// yamlKey returns a mapping's key, a string that is there once. lines has the keys before it.
func yamlKey(n *yaml.Node, lines map[string]int) (string, error) {
	var key any
	if n.Kind != yaml.ScalarNode || n.Decode(&key) != nil {
		return "", fmt.Errorf("a key of its yaml is not a string (line %d)", n.Line)
	}
	name, ok := key.(string)
	if !ok {
		return "", fmt.Errorf("a key of its yaml is not a string (line %d)", n.Line)
	}
	if first, twice := lines[name]; twice {
		return "", fmt.Errorf("a key of its yaml is there twice (lines %d and %d)", first, n.Line)
	}
	lines[name] = n.Line
	return name, nil
}

func yamlValue(n *yaml.Node, commentsTaken bool) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return yamlMapping(n, commentsTaken)
	case yaml.SequenceNode:
		return yamlList(n, commentsTaken)
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("a value of its yaml is not of its type (line %d)", n.Line)
		}
		return v, nil
	}
	return nil, fmt.Errorf("it has a YAML alias, which sops never writes (line %d)", n.Line)
}

func yamlList(n *yaml.Node, commentsTaken bool) (any, error) {
	var list []any
	add := func(inline bool, texts ...string) {
		for _, item := range yamlLines(inline, texts...) {
			list = append(list, item.Key)
		}
	}
	if !commentsTaken {
		add(false, n.HeadComment, n.LineComment)
	}
	for _, c := range n.Content {
		add(false, c.HeadComment)
		add(true, c.LineComment)
		v, err := yamlValue(c, true)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		add(false, c.FootComment)
	}
	if !commentsTaken {
		add(false, n.FootComment)
	}
	return list, nil
}

func yamlComments(b sops.TreeBranch, texts ...string) sops.TreeBranch {
	return append(b, yamlLines(false, texts...)...)
}

// yamlLines is a comment of several lines as one item a line, without their #.
func yamlLines(inline bool, texts ...string) []sops.TreeItem {
	var items []sops.TreeItem
	for _, text := range texts {
		for _, line := range strings.Split(text, "\n") {
			if line != "" {
				items = append(items, comment(line[1:], inline))
			}
		}
	}
	return items
}
