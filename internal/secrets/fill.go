// Filling in: what the sops program has decrypted comes as a plain file, in which a number is no longer told from a text that looks like one,
// nor a byte that is no letter from another. The encrypted file tells: its values say what type and how many bytes they have.
package secrets

import (
	"slices"
	"strings"
	"time"
)

// fill puts the values of plain, which are those of f decrypted, into f.
func (f *File) fill(md *metadata, plain []branch) error {
	mismatch := &Error{File: f.path, Kind: ErrValue, text: "what sops answered is not what this file holds"}
	var values []leaf
	for _, document := range plain {
		if _, err := walk(document, nil, nil, func(l leaf) (any, error) {
			if !l.isComment() {
				values = append(values, l)
			}
			return l.value, nil
		}); err != nil {
			return mismatch
		}
	}
	for _, document := range f.documents {
		if _, err := walk(document, nil, nil, func(l leaf) (any, error) {
			if l.isComment() {
				return l.value, nil
			}
			encrypted := md.rule.encrypted(l)
			if encrypted && isCommentCiphertext(l.value) {
				return comment(""), nil
			}
			if len(values) == 0 || !slices.Equal(values[0].path, l.path) {
				return nil, mismatch
			}
			value := values[0].value
			values = values[1:]
			if !encrypted {
				return l.value, nil // it is in the file
			}
			typed, ok := retype(l.value, value)
			if !ok {
				return nil, &Error{File: f.path, Kind: ErrValue, text: printable(strings.Join(l.path, "/")) + " is no text, which sops does not answer byte for byte"}
			}
			return typed, nil
		}); err != nil {
			return err
		}
	}
	if len(values) > 0 {
		return mismatch
	}
	return nil
}

// isCommentCiphertext says whether v is a comment of a list: once encrypted, it looks like an element.
func isCommentCiphertext(v any) bool {
	text, _ := v.(string)
	c, err := parseCiphertext(text)
	return err == nil && c.kind == "comment"
}

// retype gives a decrypted value the type that encrypted says it had, if it can have been that.
func retype(encrypted, plain any) (any, bool) {
	text, ok := encrypted.(string)
	if !ok {
		return nil, false
	}
	if text == "" {
		return plain, plain == ""
	}
	c, err := parseCiphertext(text)
	if err != nil {
		return nil, false
	}
	switch p := plain.(type) {
	case string:
		var t time.Time
		if c.kind == "time" && t.UnmarshalText([]byte(p)) == nil {
			return t, true
		}
		return p, c.kind == "str" && len(p) == c.size()
	case int:
		if c.kind == "float" {
			return float64(p), true
		}
		return p, c.kind == "int"
	case float64:
		return p, c.kind == "float"
	case bool:
		return p, c.kind == "bool"
	case time.Time:
		return p, c.kind == "time"
	}
	return nil, false
}
