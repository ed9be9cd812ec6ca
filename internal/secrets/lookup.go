// Looking up: a key's value as the bytes that were encrypted.
package secrets

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Lookup returns the value of a key: "a/b/c" is c in b in a, and a number is an index of a list, from 0. A key that has a slash in
// its name is found too. In an INI file a key without a section is that of the section DEFAULT.
//
// A string comes back byte for byte. An integer is written in decimal and a boolean as true or false, which is what sops has kept of
// them; of a time or a long fraction it has not kept enough, and that is an error. Errors are ErrKeyMissing or ErrValue.
func (f *File) Lookup(key string) ([]byte, error) {
	found := f.find(key)
	if len(found) == 0 && f.format == INI && !strings.Contains(key, "/") {
		found = f.find("DEFAULT/" + key)
	}
	switch len(found) {
	case 0:
		return nil, f.missing(key)
	case 1:
		return f.bytes(key, found[0])
	}
	return nil, f.unusable(key, fmt.Sprintf("is there %d times", len(found)))
}

func (f *File) unusable(key, why string) error {
	return &Error{File: f.path, Kind: ErrValue, text: fmt.Sprintf("key %s %s", printable(key), why)}
}

// find returns every value that key names. Of several documents in one YAML file each is looked at.
func (f *File) find(key string) []any {
	var found []any
	for _, b := range f.documents {
		found = append(found, find(b, key)...)
	}
	return found
}

func find(v any, key string) []any {
	var found []any
	below := func(name string, child any) {
		if name == key {
			found = append(found, child)
		} else if rest, ok := strings.CutPrefix(key, name+"/"); ok {
			found = append(found, find(child, rest)...)
		}
	}
	switch v := v.(type) {
	case branch:
		for _, it := range v {
			if name, ok := it.key.(string); ok { // else it is a comment
				below(name, it.value)
			}
		}
	case []any:
		i := 0
		for _, element := range v {
			if _, ok := element.(comment); ok {
				continue
			}
			below(strconv.Itoa(i), element)
			i++
		}
	}
	return found
}

func (f *File) bytes(key string, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case int:
		return []byte(strconv.Itoa(v)), nil
	case bool:
		return []byte(strconv.FormatBool(v)), nil
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if math.IsInf(v, 0) || math.IsNaN(v) || len(strings.Trim(strings.ReplaceAll(text, ".", ""), "-0")) > 15 {
			return nil, f.unusable(key, "was encrypted as a number that keeps no more than 15 digits: put it in quotes and encrypt it again")
		}
		return []byte(text), nil
	case time.Time:
		return nil, f.unusable(key, "was encrypted as a time, which does not keep how it was written: put it in quotes and encrypt it again")
	case nil:
		return nil, f.unusable(key, "has no value")
	case branch:
		return nil, f.unusable(key, "is a mapping, its values are "+shortList(leaves(printable(key)+"/", v), 12))
	case []any:
		return nil, f.unusable(key, "is a list, its values are "+shortList(leaves(printable(key)+"/", v), 12))
	}
	return nil, f.unusable(key, fmt.Sprintf("is of the type %T, which is none of text", v))
}

// Keys returns the names of all values, in the order of the file.
func (f *File) Keys() []string {
	var all []string
	for _, b := range f.documents {
		all = append(all, leaves("", b)...)
	}
	return all
}

func leaves(prefix string, v any) []string {
	var all []string
	add := func(name string, child any) {
		switch child.(type) {
		case branch, []any:
			all = append(all, leaves(prefix+name+"/", child)...)
		default:
			all = append(all, prefix+name)
		}
	}
	switch v := v.(type) {
	case branch:
		for _, it := range v {
			if name, ok := it.key.(string); ok {
				add(printable(name), it.value)
			}
		}
	case []any:
		i := 0
		for _, element := range v {
			if _, ok := element.(comment); !ok {
				add(strconv.Itoa(i), element)
				i++
			}
		}
	}
	return all
}

// missing names the keys that are there, the most similar first. A SOPS file shows its keys to everybody, so they are no secret.
func (f *File) missing(key string) error {
	names := f.Keys()
	text := fmt.Sprintf("has no key %s", printable(key))
	if len(names) == 0 {
		text += "; it has no keys at all"
	} else {
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(distance(key, a), distance(key, b)) })
		text += "; it has " + shortList(names, 8)
	}
	return &Error{File: f.path, Kind: ErrKeyMissing, text: text}
}

// distance is Levenshtein's: how many bytes must be inserted, deleted or replaced to make b of a. Only the first 64 bytes
// count.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
