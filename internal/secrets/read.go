// Reading: the formats but YAML read into trees as sops' own packages for them do, which read_test.go compares these functions with.
package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/ini.v1"
)

// read parses a text. Errors name a line at most, never what is on it.
func (f Format) read(data []byte) ([]branch, error) {
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

// readJSON reads one JSON object. json.Valid refuses nesting beyond 10,000 levels, and so bounds what follows.
func readJSON(data []byte) ([]branch, error) {
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
	b, ok := v.(branch)
	if !ok {
		return nil, errors.New("its json is not an object")
	}
	return []branch{b}, nil
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
	var b branch
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not json")
		}
		v, err := jsonValue(d)
		if err != nil {
			return nil, err
		}
		b = append(b, item{key, v})
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
func readDotenv(data []byte) ([]branch, error) {
	var b branch
	for i, line := range strings.Split(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "#"); ok {
			b = append(b, item{key: comment(text)})
			continue
		}
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("it is not dotenv (line %d has no =)", i+1)
		}
		b = append(b, item{name, strings.ReplaceAll(value, `\n`, "\n")})
	}
	return []branch{b}, nil
}

// readINI reads sections of keys, the first of which may go without a name and is then called DEFAULT.
func readINI(data []byte) ([]branch, error) {
	file, err := ini.LoadSources(ini.LoadOptions{AllowNonUniqueSections: true}, data)
	if err != nil {
		return nil, errors.New("it is not ini")
	}
	var b branch
	for _, s := range file.Sections() {
		var items branch
		if s.Comment != "" {
			items = append(items, item{key: iniComment(s.Comment)})
		}
		for _, k := range s.Keys() {
			items = append(items, item{k.Name(), k.Value()})
			if k.Comment != "" {
				items = append(items, item{key: iniComment(k.Comment)})
			}
		}
		b = append(b, item{s.Name(), items})
	}
	return []branch{b}, nil
}

func iniComment(text string) comment {
	if strings.HasPrefix(text, ";") {
		return comment(strings.TrimLeft(text, "; "))
	}
	if strings.HasPrefix(text, "#") {
		return comment(strings.TrimLeft(text, "# "))
	}
	return comment(text)
}
