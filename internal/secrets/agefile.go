// Files encrypted with age alone.
package secrets

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	sopsage "github.com/getsops/sops/v3/age"
)

// DecryptAge decrypts an .age file, binary or armored, with the identities that Open would use, and ends with ctx as Open does.
func DecryptAge(ctx context.Context, path string) ([]byte, error) {
	return await(ctx, path, func() ([]byte, error) { return decryptAgeFile(path) })
}

func decryptAgeFile(path string) ([]byte, error) {
	data, err := readAll(path)
	if err != nil {
		return nil, err
	}
	armored, recipients, err := armorAge(path, data)
	if err != nil {
		return nil, err
	}
	// To sops the data key of a file is an armored age file like any other, so its search for identities serves here too.
	plaintext, err := decryptAge(&sopsage.MasterKey{EncryptedKey: armored})
	if err == nil {
		return plaintext, nil
	}
	e := &Error{File: path, hint: identityHint(recipients)}
	switch {
	case anyIs([]error{err}, ErrDamaged):
		e.Kind, e.text, e.hint = ErrDamaged, "damaged: it is not what age wrote", ""
	case anyIs([]error{err}, ErrNoIdentity):
		e.Kind, e.text = ErrNoIdentity, "no age identity was found: "+strings.Join(describe(places(), false), ", ")
		if locked, ok := err.(*lockedError); ok {
			e.text = locked.why
		}
	default:
		e.Kind, e.text = ErrWrongIdentity, "it is encrypted to none of the identities found"
		if troubles := describe(places(), true); len(troubles) > 0 {
			e.text += " (" + strings.Join(troubles, ", ") + ")"
		}
	}
	return nil, e
}

// armorAge returns the text form of an age file and the kinds of its recipients (X25519, ssh-ed25519), and refuses what is none or was
// encrypted with a passphrase.
func armorAge(path string, data []byte) (armored string, recipients []string, err error) {
	text := data
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		text = trimmed
	} else if bytes.HasPrefix(data, []byte("age-encryption.org/")) {
		var b bytes.Buffer
		w := armor.NewWriter(&b)
		if _, err := w.Write(data); err != nil {
			return "", nil, err
		}
		if err := w.Close(); err != nil {
			return "", nil, err
		}
		text = b.Bytes()
	} else {
		return "", nil, &Error{File: path, Kind: ErrNotEncrypted, text: "not encrypted: it is not an age file"}
	}
	header, err := age.ExtractHeader(armor.NewReader(bytes.NewReader(text)))
	if err != nil {
		return "", nil, &Error{File: path, Kind: ErrDamaged, text: "damaged: it begins as an age file and does not go on as one"}
	}
	for line := range strings.Lines(string(header)) {
		if kind, ok := strings.CutPrefix(line, "-> "); ok {
			kind, _, _ = strings.Cut(strings.TrimSuffix(kind, "\n"), " ")
			recipients = append(recipients, kind)
		}
	}
	if slices.Contains(recipients, "scrypt") {
		return "", nil, &Error{File: path, Kind: ErrWrongIdentity, text: "it is encrypted with a passphrase instead of to an identity"}
	}
	return string(text), recipients, nil
}
