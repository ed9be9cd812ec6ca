// Encrypting, for files that are made on the spot: the demo's, and those of tests.
package secrets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sopsage "github.com/getsops/sops/v3/age"
)

// sopsVersion is the version of sops whose form we write.
const sopsVersion = "3.13.3"

// dataKeySize is AES-256's.
const dataKeySize = 32

// Encrypt returns a SOPS file with these values, sorted by key, encrypted to age recipients ("age1…" or "ssh-ed25519 …"). The
// file is YAML, and is to be called name. "a/b" is b in a.
func Encrypt(name string, values map[string]string, recipients []string) ([]byte, error) {
	if formatOf(name, nil) != YAML {
		return nil, fmt.Errorf("%s: only YAML is written", name)
	}
	var root branch
	for _, key := range slices.Sorted(maps.Keys(values)) {
		var err error
		if root, err = root.with(strings.Split(key, "/"), values[key]); err != nil {
			return nil, fmt.Errorf("key %s: %w", printable(key), err)
		}
	}
	for _, it := range root {
		if it.key == metadataKey {
			return nil, fmt.Errorf("%w: a key is one that sops reserves for itself", ErrValue)
		}
	}
	key := make([]byte, dataKeySize)
	rand.Read(key) // which never fails: crypto/rand
	age, err := encryptKey(key, recipients)
	if err != nil {
		return nil, err
	}
	md := &metadata{rule: suffixRule(defaultSuffix, false), lastModified: time.Now().UTC()}
	if err := encryptTree([]branch{root}, md, key); err != nil {
		return nil, err
	}
	return emitYAML(append(root, item{metadataKey, branch{
		{"age", age},
		{"lastmodified", macData(md)},
		{"mac", md.mac},
		{"unencrypted_suffix", defaultSuffix},
		{"version", sopsVersion},
	}}))
}

// with is b with a value at a path.
func (b branch) with(path []string, value string) (branch, error) {
	i := slices.IndexFunc(b, func(it item) bool { return it.key == path[0] })
	if i < 0 {
		i = len(b)
		b = append(b, item{path[0], nil})
	}
	if len(path) == 1 {
		b[i].value = value
		return b, nil
	}
	below, ok := b[i].value.(branch)
	if b[i].value != nil && !ok {
		return nil, fmt.Errorf("%w: a key of it has a value already", ErrValue)
	}
	below, err := below.with(path[1:], value)
	b[i].value = below
	return b, err
}

// encryptTree encrypts every value in place, and puts the MAC into md.
func encryptTree(documents []branch, md *metadata, key []byte) error {
	c, err := newValueCipher(key)
	if err != nil {
		return err
	}
	mac, err := encryptDocuments(documents, md, c)
	if err != nil {
		return err
	}
	md.mac, err = c.encrypt(mac, macData(md))
	return err
}

// encryptKey encrypts the data key to each recipient, as metadata lists them.
func encryptKey(key []byte, recipients []string) ([]any, error) {
	var list []any
	for _, r := range recipients {
		mk, err := sopsage.MasterKeyFromRecipient(r)
		if err != nil {
			return nil, errors.New("a recipient is not one of age's") // not quoted: it might be an identity
		}
		if err := mk.Encrypt(key); err != nil {
			return nil, errors.New("the data key could not be encrypted to every recipient")
		}
		list = append(list, branch{{"enc", mk.EncryptedKey}, {"recipient", mk.Recipient}})
	}
	if len(list) == 0 {
		return nil, errors.New("no recipient to encrypt to")
	}
	return list, nil
}
