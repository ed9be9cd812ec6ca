// Fields: metadata's values by name. They are taken leniently, as sops does: where a format or a hand has made a text of a number or a
// truth, it is read as what it should be.
package secrets

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"
)

// fields are the items of a mapping without its comments.
type fields branch

// get returns the value of a field, or nil. Where none has that name, one that differs in case will do; of several, the last.
func (f fields) get(name string) any {
	var exact, folded *item
	for i, it := range f {
		switch key := it.key.(string); {
		case key == name:
			exact = &f[i]
		case strings.EqualFold(key, name):
			folded = &f[i]
		}
	}
	switch {
	case exact != nil:
		return exact.value
	case folded != nil:
		return folded.value
	}
	return nil
}

// fieldReader reads fields and keeps the first error. A field that is not there, or is null, is the zero value.
type fieldReader struct{ err error }

func (r *fieldReader) fail(why string) {
	if r.err == nil {
		r.err = errors.New(why)
	}
}

func (r *fieldReader) fields(b branch) fields {
	var f fields
	for _, it := range b {
		switch it.key.(type) {
		case comment:
		case string:
			f = append(f, it)
		default:
			r.fail("a field's name is not a string")
		}
	}
	return f
}

func (r *fieldReader) text(f fields, name string) string {
	switch v := f.get(name).(type) {
	case nil:
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	case int:
		return strconv.Itoa(v)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		r.fail(name + " is not a text")
	}
	return ""
}

func (r *fieldReader) number(f fields, name string) int {
	switch v := f.get(name).(type) {
	case nil:
	case int:
		return v
	case uint64:
		return int(v)
	case float64:
		return int(v)
	case bool:
		if v {
			return 1
		}
	case string:
		n, err := strconv.ParseInt(cmp.Or(v, "0"), 0, strconv.IntSize)
		if err != nil {
			r.fail(name + " is not a number")
		}
		return int(n)
	default:
		r.fail(name + " is not a number")
	}
	return 0
}

func (r *fieldReader) truth(f fields, name string) bool {
	switch v := f.get(name).(type) {
	case nil:
	case bool:
		return v
	case int:
		return v != 0
	case uint64:
		return v != 0
	case float64:
		return v != 0
	case string:
		b, err := strconv.ParseBool(cmp.Or(v, "false"))
		if err != nil {
			r.fail(name + " is neither true nor false")
		}
		return b
	default:
		r.fail(name + " is neither true nor false")
	}
	return false
}

func (r *fieldReader) time(f fields, name string) time.Time {
	t, err := time.Parse(time.RFC3339, r.text(f, name))
	if err != nil {
		r.fail(name + " is not a time")
	}
	return t
}

// list reads mappings. One that stands alone is a list of one, and an empty one that of none.
func (r *fieldReader) list(f fields, name string) []fields {
	var list []fields
	switch v := f.get(name).(type) {
	case nil:
	case branch:
		if one := r.fields(v); len(one) > 0 {
			return []fields{one}
		}
	case []any:
		for _, element := range v {
			switch e := element.(type) {
			case comment:
			case nil:
				list = append(list, nil)
			case branch:
				list = append(list, r.fields(e))
			default:
				r.fail(name + " has an element that is no mapping")
			}
		}
	default:
		r.fail(name + " is not a list")
	}
	return list
}
