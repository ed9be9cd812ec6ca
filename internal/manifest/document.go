// A document: what YAML and JSON texts have in common, each value with the line it stands on.
//
// Both are read into the same tree, so that a manifest means the same in either form, and every complaint can name a line. YAML's
// shorthands that make one text stand in several places (anchors, aliases, merge keys, tags) are refused: a manifest says what
// it means where it says it.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	// maxDocument bounds the text of a manifest; large content belongs into a file: item.
	maxDocument = 1 << 20
	// maxDepth is far above the four levels that a manifest has, and far below what exhausts a parser's stack.
	maxDepth = 100
)

// kind is what a value is.
type kind string

const (
	aMapping  kind = "a mapping"
	aList     kind = "a list"
	aString   kind = "a string"
	aNumber   kind = "a number"
	aBoolean  kind = "a boolean"
	emptiness kind = "empty"
)

// value is a node of a document.
type value struct {
	kind    kind
	line    int    // from 1
	text    string // of a string its content, of a number or a boolean its literal
	entries []entry
	items   []value
}

// entry is one key of a mapping.
type entry struct {
	key   string
	line  int
	value value
}

// lineError is a complaint about a line of a document.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func complain(line int, format string, args ...any) error {
	return &lineError{line, fmt.Errorf("%w: "+format, append([]any{ErrManifest}, args...)...)}
}

// readDocument reads JSON where the text is JSON, and else YAML.
func readDocument(data []byte) (value, error) {
	if len(data) > maxDocument {
		return value{}, fmt.Errorf("%w: it has %d bytes, at most %d are read (put large content into a file: item)", ErrManifest, len(data), maxDocument)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' && json.Valid(data) {
		return readJSON(data)
	}
	return readYAML(data)
}

func readJSON(data []byte) (value, error) {
	d := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	d.dec.UseNumber()
	return d.value(0)
}

type jsonReader struct {
	data []byte
	dec  *json.Decoder
}

// token returns the next token and the line that it ends on.
func (d *jsonReader) token() (json.Token, int, error) {
	t, err := d.dec.Token()
	line := 1 + bytes.Count(d.data[:d.dec.InputOffset()], []byte("\n"))
	if err != nil {
		return nil, line, &lineError{line, fmt.Errorf("%w: %w", ErrManifest, err)}
	}
	return t, line, nil
}

func (d *jsonReader) value(depth int) (value, error) {
	t, line, err := d.token()
	if err != nil {
		return value{}, err
	}
	if depth > maxDepth {
		return value{}, complain(line, "more than %d levels", maxDepth)
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return d.object(line, depth)
		}
		return d.array(line, depth)
	case string:
		return value{kind: aString, line: line, text: t}, nil
	case json.Number:
		return value{kind: aNumber, line: line, text: t.String()}, nil
	case bool:
		return value{kind: aBoolean, line: line, text: fmt.Sprint(t)}, nil
	}
	return value{kind: emptiness, line: line}, nil
}

func (d *jsonReader) object(line, depth int) (value, error) {
	v := value{kind: aMapping, line: line}
	for d.dec.More() {
		t, line, err := d.token()
		if err != nil {
			return value{}, err
		}
		member, err := d.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.entries = append(v.entries, entry{key: t.(string), line: line, value: member})
	}
	_, _, err := d.token()
	return v, err
}

func (d *jsonReader) array(line, depth int) (value, error) {
	v := value{kind: aList, line: line}
	for d.dec.More() {
		item, err := d.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
	}
	_, _, err := d.token()
	return v, err
}

func readYAML(data []byte) (v value, err error) {
	if line := tooDeep(data); line > 0 {
		return value{}, complain(line, "more than %d levels", maxDepth)
	}
	// The parser is not ours, and a panic of it is an input it did not foresee.
	defer func() {
		if recover() != nil {
			v, err = value{}, fmt.Errorf("%w: the YAML parser fails on it", ErrManifest)
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			return value{}, complain(syntax.GetToken().Position.Line, "%s", syntax.GetMessage())
		}
		return value{}, fmt.Errorf("%w: not YAML", ErrManifest)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return value{}, complain(lineOf(doc.Body), "a second document in one file")
		}
		body = doc.Body
	}
	if body == nil {
		return value{kind: emptiness, line: 1}, nil
	}
	return fromYAML(body, 0)
}

// tooDeep returns the first line on which a YAML text could be nested deeper than maxDepth, or 0. It overestimates: brackets and
// dashes inside strings count too.
func tooDeep(data []byte) int {
	flow := 0
	for n, line := range bytes.Split(data, []byte("\n")) {
		indent := bytes.IndexFunc(line, func(r rune) bool { return r != ' ' })
		marks := 0 // "- - - x" and "? ? x" open a level each
		for i, c := range line {
			switch c {
			case '[', '{':
				flow++
			case ']', '}':
				flow = max(flow-1, 0)
			case '-', '?', ':':
				if i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\t') {
					marks++
				}
			}
			if flow > maxDepth {
				return n + 1
			}
		}
		if marks > maxDepth && bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("- -")) || indent > 10*maxDepth && !bytes.HasPrefix(line, []byte(strings.Repeat(" ", 10*maxDepth)+" ")) {
			return n + 1
		}
	}
	return 0
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

func fromYAML(n ast.Node, depth int) (value, error) {
	line := lineOf(n)
	if depth > maxDepth {
		return value{}, complain(line, "more than %d levels", maxDepth)
	}
	switch n := n.(type) {
	case *ast.StringNode:
		return value{kind: aString, line: line, text: n.Value}, nil
	case *ast.LiteralNode:
		return value{kind: aString, line: line, text: n.Value.Value}, nil
	case *ast.IntegerNode:
		return value{kind: aNumber, line: line, text: n.Token.Value}, nil
	case *ast.FloatNode:
		return value{kind: aNumber, line: line, text: n.Token.Value}, nil
	case *ast.InfinityNode, *ast.NanNode:
		return value{kind: aNumber, line: line, text: n.GetToken().Value}, nil
	case *ast.BoolNode:
		return value{kind: aBoolean, line: line, text: fmt.Sprint(n.Value)}, nil
	case *ast.NullNode:
		return value{kind: emptiness, line: line}, nil
	case *ast.SequenceNode:
		v := value{kind: aList, line: line}
		for _, item := range n.Values {
			iv, err := fromYAML(item, depth+1)
			if err != nil {
				return value{}, err
			}
			v.items = append(v.items, iv)
		}
		return v, nil
	case *ast.MappingNode:
		return mappingFromYAML(line, n.Values, depth)
	case *ast.MappingValueNode:
		return mappingFromYAML(lineOf(n.Key), []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode, *ast.AliasNode:
		return value{}, complain(line, "anchors and aliases are not for manifests: write it out")
	case *ast.TagNode:
		return value{}, complain(line, "tags are not for manifests")
	}
	return value{}, complain(line, "%s is not for manifests", strings.ToLower(n.Type().String()))
}

func mappingFromYAML(line int, members []*ast.MappingValueNode, depth int) (value, error) {
	v := value{kind: aMapping, line: line}
	for _, m := range members {
		keyLine := lineOf(m.Key)
		key, err := fromYAML(m.Key, depth+1)
		if err != nil {
			return value{}, err
		}
		if key.kind != aString {
			return value{}, complain(keyLine, "a key is %s where it must be a string", key.kind)
		}
		member := value{kind: emptiness, line: keyLine}
		if m.Value != nil {
			if member, err = fromYAML(m.Value, depth+1); err != nil {
				return value{}, err
			}
		}
		v.entries = append(v.entries, entry{key: key.text, line: keyLine, value: member})
	}
	return v, nil
}
