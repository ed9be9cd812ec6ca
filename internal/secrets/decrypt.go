// Decryption: the data key through an age identity, then every value, then the MAC over all of them.
package secrets

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/shamir"
)

// maxRecipients bounds how many are tried.
const maxRecipients = 100

func decrypt(ctx context.Context, path string, data []byte) (*File, error) {
	format := formatOf(path, data)
	documents, md, err := load(path, format, data)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, format: format, documents: documents}
	key, err := dataKey(ctx, path, md)
	var e *Error
	switch {
	case errors.As(err, &e) && e.Kind != ErrDamaged && md.foreign():
		return nil, &keyless{f, md, data, e}
	case err != nil:
		return nil, err
	}
	if err := f.decrypt(md, key); err != nil {
		return nil, err
	}
	return f, nil
}

// dataKey recovers the key that the file's values are encrypted with, from as many groups of recipients as it takes.
func dataKey(ctx context.Context, path string, md *metadata) ([]byte, error) {
	need, err := md.need()
	if err != nil {
		return nil, &Error{File: path, Kind: ErrDamaged, text: "damaged: " + err.Error()}
	}
	var parts [][]byte
	var failures []error
	for _, g := range md.groups {
		if len(parts) == need {
			break
		}
		for _, r := range g {
			if r.kind != kindAge || ctx.Err() != nil || len(failures) >= maxRecipients {
				continue
			}
			part, err := decryptAge(&sopsage.MasterKey{Recipient: r.name, EncryptedKey: r.key})
			if err == nil {
				parts = append(parts, part)
				break
			}
			failures = append(failures, err)
		}
	}
	if len(parts) < need {
		return nil, noDataKey(path, md, len(parts), need, failures)
	}
	if len(md.groups) == 1 {
		return parts[0], nil
	}
	key, err := shamir.Combine(parts)
	if err != nil {
		return nil, &Error{File: path, Kind: ErrDamaged, text: "damaged: the parts of its key do not fit together"}
	}
	return key, nil
}

// need is how many groups have to give their part of the data key.
func (md *metadata) need() (int, error) {
	n := len(md.groups)
	if n == 1 {
		return 1, nil
	}
	need := md.threshold
	if need == 0 {
		need = n
	}
	if need < 2 || need > n {
		return 0, fmt.Errorf("%d of its %d groups of recipients cannot be what it takes", need, n)
	}
	return need, nil
}

// foreign says whether there are recipients that are no age keys.
func (md *metadata) foreign() bool {
	return slices.ContainsFunc(md.groups, func(g group) bool {
		return slices.ContainsFunc(g, func(r recipient) bool { return r.kind != kindAge })
	})
}

// noDataKey says why no age recipient's key was to be had.
func noDataKey(path string, md *metadata, have, need int, failures []error) *Error {
	var names, ageNames []string
	damaged := len(failures) > 0
	for _, g := range md.groups {
		for _, r := range g {
			if r.kind == kindAge {
				ageNames = append(ageNames, r.name)
				names = append(names, printable(r.name))
			} else {
				names = append(names, printable(r.kind+" "+r.name))
				damaged = false
			}
		}
	}
	for _, err := range failures {
		damaged = damaged && errors.Is(err, ErrDamaged)
	}
	e := &Error{File: path}
	recipients, hint := shortList(names, 5), identityHint(ageNames)+orUpdateKeys
	switch {
	case damaged:
		e.Kind, e.text = ErrDamaged, "damaged: its key cannot be read for any of "+recipients
	case len(ageNames) == 0:
		e.Kind, e.text = ErrWrongIdentity, "encrypted to "+recipients
	case !anyIs(failures, ErrWrongIdentity) && anyIs(failures, ErrNoIdentity):
		e.Kind, e.text, e.hint = ErrNoIdentity, "encrypted to "+recipients+", and no age identity was found: "+strings.Join(describe(places(), false), ", "), hint
	default:
		e.Kind, e.text, e.hint = ErrWrongIdentity, "encrypted to "+recipients+", and none of the identities found is among them", hint
		if troubles := describe(places(), true); len(troubles) > 0 {
			e.text += " (" + strings.Join(troubles, ", ") + ")"
		}
	}
	if need > 1 {
		e.text += fmt.Sprintf("; %d of its %d groups are needed, %d opened", need, len(md.groups), have)
	}
	for _, err := range failures {
		var locked *lockedError
		if errors.As(err, &locked) {
			e.text += "; " + locked.why
			break
		}
	}
	return e
}

func anyIs(errs []error, kind error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, kind) })
}

// decrypt decrypts every value in place and checks the MAC.
func (f *File) decrypt(md *metadata, key []byte) error {
	damaged := func(what string) error {
		return &Error{File: f.path, Kind: ErrDamaged, text: "damaged: " + what}
	}
	c, err := newValueCipher(key)
	if err != nil {
		return damaged("its key is none of sops'")
	}
	mac, where, err := decryptDocuments(f.documents, md, c)
	switch {
	case errors.Is(err, errPlain):
		return damaged(printable(strings.Join(where, "/")) + ": the value is not encrypted although its file is; was it edited without sops?")
	case err != nil && where != nil:
		return damaged(printable(strings.Join(where, "/")) + ": a value is not what sops encrypted")
	case err != nil:
		return damaged("a value is not what sops encrypted")
	}
	return f.checkMAC(md, c, mac)
}

// checkMAC compares the MAC that the file has, which is encrypted, with that of its values.
func (f *File) checkMAC(md *metadata, c *valueCipher, mac string) error {
	want, err := c.decrypt(md.mac, macData(md))
	if err != nil {
		return &Error{File: f.path, Kind: ErrDamaged, text: "damaged: its MAC is not what sops wrote"}
	}
	if text, ok := want.(string); !ok || subtle.ConstantTimeCompare([]byte(text), []byte(mac)) != 1 {
		return &Error{File: f.path, Kind: ErrDamaged, text: "damaged: its MAC does not match its values; something was changed without sops"}
	}
	return nil
}
