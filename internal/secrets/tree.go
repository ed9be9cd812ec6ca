// Trees: what a SOPS file holds, in the order of the file, and the walk over it that decrypting, encrypting and the MAC have in common.
package secrets

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// branch is a mapping, or a whole document. A comment in it is an item without a value.
type branch []item

// item is one line of a mapping. Its key is a string or a comment; its value a string, int, float64, bool, time.Time, nil, a
// branch or a list ([]any) of such values and comments.
type item struct{ key, value any }

// comment is the text of a comment without the character that makes it one. sops encrypts comments too.
type comment string

// leaf is one value or comment on the walk, and what decides whether it is encrypted.
type leaf struct {
	value any
	path  []string // the keys above it; lists add nothing
	// comments are those that may speak about it: for each mapping and list around it, from the outside in, those that stand right
	// above. Where the leaf is a comment itself, it is the last of the last.
	comments [][]string
}

func (l leaf) isComment() bool {
	_, ok := l.value.(comment)
	return ok
}

// walk calls visit for each leaf below v, in order, and puts what it returns in the leaf's place.
func walk(v any, path []string, comments [][]string, visit func(leaf) (any, error)) (any, error) {
	switch v := v.(type) {
	case branch:
		return v, walkBranch(v, path, comments, visit)
	case []any:
		return v, walkList(v, path, comments, visit)
	case string, int, float64, bool, time.Time, comment:
		return visit(leaf{v, path, comments})
	case nil:
		return nil, nil
	}
	return nil, fmt.Errorf("a value has the type %T", v)
}

func walkBranch(b branch, path []string, comments [][]string, visit func(leaf) (any, error)) error {
	comments = append(comments, nil)
	above := &comments[len(comments)-1]
	for i, it := range b {
		if c, ok := it.key.(comment); ok {
			*above = append(*above, string(c))
			v, err := walk(c, path, comments, visit)
			if err != nil {
				return err
			}
			if b[i].key, err = asComment(v); err != nil {
				return err
			}
			continue
		}
		name, ok := it.key.(string)
		if !ok {
			return errors.New("a key is not a string")
		}
		v, err := walk(it.value, append(slices.Clip(path), name), comments, visit)
		if err != nil {
			return err
		}
		b[i].value, *above = v, nil
	}
	return nil
}

// asComment is what a comment of a mapping has become: one again, or the text of one.
func asComment(v any) (comment, error) {
	switch v := v.(type) {
	case comment:
		return v, nil
	case string:
		return comment(v), nil
	}
	return "", errors.New("a comment is none")
}

func walkList(list []any, path []string, comments [][]string, visit func(leaf) (any, error)) error {
	comments = append(comments, nil)
	above := &comments[len(comments)-1]
	for i, element := range list {
		c, isComment := element.(comment)
		if isComment {
			*above = append(*above, string(c))
		}
		v, err := walk(element, path, comments, visit)
		if err != nil {
			return err
		}
		list[i] = v
		if !isComment {
			*above = nil
		}
	}
	return nil
}
