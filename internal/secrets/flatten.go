// Flattened metadata: in dotenv and INI, which do not nest, age__list_0__map_recipient is the recipient of the first of age.
package secrets

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

const (
	mapMark  = "__map_"
	listMark = "__list_"
	// maxNesting is far above what metadata has: a context of a key, in a recipient, in a group.
	maxNesting = 32
)

// flatNode is a place in what is unflattened: of its members one kind is used.
type flatNode struct {
	leaf     *item
	keys     map[string]*flatNode
	elements map[int]*flatNode
}

// unflatten gives metadata back its mappings and lists. The order of a mapping is that of its names.
func unflatten(flat branch) (branch, error) {
	root := &flatNode{}
	for i, it := range flat {
		if _, ok := it.key.(comment); ok {
			continue
		}
		name, ok := it.key.(string)
		if !ok {
			return nil, errors.New("a name is not a string")
		}
		n, err := root.at(name)
		if err != nil {
			return nil, err
		}
		if n.leaf != nil {
			return nil, errors.New("a name is there twice")
		}
		n.leaf = &flat[i]
	}
	v, err := root.value()
	if err != nil {
		return nil, err
	}
	return v.(branch), nil // the root has keys, or nothing at all
}

// at is the node that name leads to, which is made.
func (n *flatNode) at(name string) (*flatNode, error) {
	n = n.key(nextPart(&name))
	for depth := 0; name != ""; depth++ {
		if depth == maxNesting {
			return nil, errors.New("it nests too deep")
		}
		if rest, ok := strings.CutPrefix(name, mapMark); ok {
			name = rest
			n = n.key(nextPart(&name))
			continue
		}
		name = strings.TrimPrefix(name, listMark)
		index, _ := strconv.Atoi(nextPart(&name)) // what is no number is 0 to sops
		n = n.element(index)
	}
	return n, nil
}

// nextPart cuts off name what stands before the next mark.
func nextPart(name *string) string {
	end := len(*name)
	for _, mark := range []string{mapMark, listMark} {
		if i := strings.Index((*name)[:end], mark); i >= 0 {
			end = i
		}
	}
	part := (*name)[:end]
	*name = (*name)[end:]
	return part
}

func (n *flatNode) key(name string) *flatNode {
	if n.keys == nil {
		n.keys = make(map[string]*flatNode)
	}
	if n.keys[name] == nil {
		n.keys[name] = &flatNode{}
	}
	return n.keys[name]
}

func (n *flatNode) element(i int) *flatNode {
	if n.elements == nil {
		n.elements = make(map[int]*flatNode)
	}
	if n.elements[i] == nil {
		n.elements[i] = &flatNode{}
	}
	return n.elements[i]
}

func (n *flatNode) value() (any, error) {
	switch {
	case n.leaf != nil && n.keys == nil && n.elements == nil:
		return n.leaf.value, nil
	case n.leaf == nil && n.elements == nil:
		return n.mapping()
	case n.leaf == nil && n.keys == nil:
		return n.list()
	}
	return nil, errors.New("a name is used for a value, a mapping or a list at once")
}

func (n *flatNode) mapping() (branch, error) {
	names := make([]string, 0, len(n.keys))
	for name := range n.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	b := make(branch, len(names))
	for i, name := range names {
		v, err := n.keys[name].value()
		if err != nil {
			return nil, err
		}
		b[i] = item{name, v}
	}
	return b, nil
}

func (n *flatNode) list() ([]any, error) {
	list := make([]any, len(n.elements))
	for i := range list {
		element := n.elements[i]
		if element == nil {
			return nil, errors.New("a list is not complete")
		}
		v, err := element.value()
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return list, nil
}
