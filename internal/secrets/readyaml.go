// YAML read into trees: mappings, lists and scalars, and the comments between them in sops' order.
package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads every document of a YAML text. Aliases are refused: sops writes none, and following them may take forever.
func readYAML(data []byte) ([]branch, error) {
	var documents []branch
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is not yaml%s", atLine(err))
		}
		b, err := yamlDocument(&n)
		if err != nil {
			return nil, err
		}
		documents = append(documents, b)
	}
}

func yamlDocument(n *yaml.Node) (branch, error) {
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
func yamlMapping(n *yaml.Node, commentsTaken bool) (branch, error) {
	b := make(branch, 0, len(n.Content)/2)
	if !commentsTaken {
		b = yamlComments(b, n.HeadComment, n.LineComment)
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		scalar := value.Kind == yaml.ScalarNode
		b = yamlComments(b, key.HeadComment, key.LineComment)
		if scalar {
			b = yamlComments(b, value.HeadComment, value.LineComment)
		}
		name, err := yamlKey(key, lines)
		if err != nil {
			return nil, err
		}
		v, err := yamlValue(value, scalar)
		if err != nil {
			return nil, err
		}
		b = append(b, item{name, v})
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
	add := func(texts ...string) {
		for _, c := range yamlLines(texts...) {
			list = append(list, c)
		}
	}
	if !commentsTaken {
		add(n.HeadComment, n.LineComment)
	}
	for _, element := range n.Content {
		add(element.HeadComment, element.LineComment)
		v, err := yamlValue(element, true)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		add(element.FootComment)
	}
	if !commentsTaken {
		add(n.FootComment)
	}
	return list, nil
}

func yamlComments(b branch, texts ...string) branch {
	for _, c := range yamlLines(texts...) {
		b = append(b, item{key: c})
	}
	return b
}

// yamlLines is a comment of several lines as one comment a line, without their #.
func yamlLines(texts ...string) []comment {
	var lines []comment
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			if line != "" {
				lines = append(lines, comment(line[1:]))
			}
		}
	}
	return lines
}
