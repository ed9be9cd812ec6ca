// The MAC: one hash over the values of a file, in order, so that none can be changed, added or taken away without the data key. On the
// way every value is decrypted, or encrypted.
package secrets

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"time"
)

// macOnlyEncryptedStart is hashed first where only encrypted values are, so that one kind of MAC is never taken for the other. It is
// SHA-256 of "sops".
var macOnlyEncryptedStart = []byte("\x8a\x3f\xd2\xad\x54\xce\x66\x52\x7b\x10\x34\xf3\xd1\x47\xbe\x0b\x0b\x97\x5b\x3b\xf4\x4f\x72\xc6\xfd\xad\xec\x81\x76\xf2\x7d\x69")

// macHash hashes plaintexts. Comments are not part of it.
type macHash struct{ hash.Hash }

func newMAC(onlyEncrypted bool) macHash {
	h := macHash{sha512.New()}
	if onlyEncrypted {
		h.Write(macOnlyEncryptedStart)
	}
	return h
}

func (h macHash) add(v any) error {
	if _, ok := v.(comment); ok {
		return nil
	}
	plain, _, err := plaintext(v)
	h.Write(plain)
	return err
}

func (h macHash) text() string { return strings.ToUpper(hex.EncodeToString(h.Sum(nil))) }

// additionalData is what a value is authenticated with: where it stands.
func additionalData(path []string) string { return strings.Join(path, ":") + ":" }

// macData is what the MAC itself is authenticated with.
func macData(md *metadata) string { return md.lastModified.Format(time.RFC3339) }

// decryptDocuments decrypts every value in place and returns the MAC over them. Of an error, where is the path of the value
// that has it.
func decryptDocuments(documents []branch, md *metadata, c *valueCipher) (mac string, where []string, err error) {
	h := newMAC(md.macOnlyEncrypted)
	for _, document := range documents {
		_, err := walk(document, nil, nil, func(l leaf) (any, error) {
			encrypted := md.rule.encrypted(l)
			v, err := l.value, error(nil)
			if encrypted {
				v, err = c.decryptLeaf(l)
			}
			if err == nil && (encrypted || !md.macOnlyEncrypted) {
				err = h.add(v)
			}
			if err != nil {
				where = l.path
			}
			return v, err
		})
		if err != nil {
			return "", where, err
		}
	}
	return h.text(), nil, nil
}

// errPlain says of a value that it should be encrypted and is not.
var errPlain = errors.New("not encrypted")

func (c *valueCipher) decryptLeaf(l leaf) (any, error) {
	text, ok := l.value.(string)
	if l.isComment() {
		text, ok = string(l.value.(comment)), true
	}
	if !ok {
		return nil, errPlain
	}
	v, err := c.decrypt(text, additionalData(l.path))
	switch {
	case err != nil && l.isComment(): // versions of sops before 3.0 left comments alone
		return l.value, nil
	case err != nil && !strings.HasPrefix(text, "ENC["):
		return nil, errPlain
	}
	return v, err
}

// encryptDocuments encrypts every value in place and returns the MAC over what they were.
func encryptDocuments(documents []branch, md *metadata, c *valueCipher) (mac string, err error) {
	h := newMAC(md.macOnlyEncrypted)
	for _, document := range documents {
		_, err := walk(document, nil, nil, func(l leaf) (any, error) {
			encrypted := md.rule.encrypted(l)
			if encrypted || !md.macOnlyEncrypted {
				if err := h.add(l.value); err != nil {
					return nil, err
				}
			}
			if !encrypted {
				return l.value, nil
			}
			return c.encrypt(l.value, additionalData(l.path))
		})
		if err != nil {
			return "", err
		}
	}
	return h.text(), nil
}
