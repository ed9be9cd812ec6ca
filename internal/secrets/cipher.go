// Values: how sops encrypts one, ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]. The place of a value in the file is authenticated with it, so
// that values cannot change places.
package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// nonceSize is how many bytes of nonce sops gives a value. AES-GCM takes any number, and so do we when we decrypt.
const nonceSize = 32

var errNotCiphertext = errors.New("not what sops encrypted")

// valueCipher encrypts and decrypts with one data key.
type valueCipher struct {
	block cipher.Block
	gcm   cipher.AEAD // for nonces of nonceSize
}

func newValueCipher(key []byte) (*valueCipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.New("the data key has a wrong length")
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, nonceSize)
	return &valueCipher{block, gcm}, err
}

// ciphertext is an encrypted value taken apart.
type ciphertext struct {
	sealed []byte // data and tag
	nonce  []byte
	kind   string
}

// size is how many bytes the plaintext has.
func (c ciphertext) size() int { return max(0, len(c.sealed)-aes.BlockSize) }

// parseCiphertext says of an error only that it is one: the text may be a secret that somebody has typed in.
func parseCiphertext(text string) (ciphertext, error) {
	text, _, _ = strings.Cut(text, "\n")
	rest, ok := strings.CutPrefix(text, "ENC[AES256_GCM,data:")
	data, rest, ok2 := strings.Cut(rest, ",iv:")
	nonce, rest, ok3 := strings.Cut(rest, ",tag:")
	tag, rest, ok4 := strings.Cut(rest, ",type:")
	end := strings.LastIndexByte(rest, ']') // what follows is no matter to sops
	if !ok || !ok2 || !ok3 || !ok4 || data == "" || nonce == "" || tag == "" || end < 1 {
		return ciphertext{}, errNotCiphertext
	}
	var parts [3][]byte
	for i, part := range []string{data, nonce, tag} {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(part); err != nil {
			return ciphertext{}, errNotCiphertext
		}
	}
	if len(parts[1]) == 0 {
		return ciphertext{}, errNotCiphertext
	}
	return ciphertext{sealed: append(parts[0], parts[2]...), nonce: parts[1], kind: rest[:end]}, nil
}

// decrypt decrypts a value that stands at a place. The empty text is its own ciphertext.
func (c *valueCipher) decrypt(text, additionalData string) (any, error) {
	if text == "" {
		return "", nil
	}
	ct, err := parseCiphertext(text)
	if err != nil {
		return nil, err
	}
	gcm := c.gcm
	if len(ct.nonce) != nonceSize {
		if gcm, err = cipher.NewGCMWithNonceSize(c.block, len(ct.nonce)); err != nil {
			return nil, errNotCiphertext
		}
	}
	plain, err := gcm.Open(nil, ct.nonce, ct.sealed, []byte(additionalData))
	if err != nil {
		return nil, errNotCiphertext
	}
	return ct.value(plain)
}

// value gives a decrypted text the type that was encrypted.
func (ct ciphertext) value(plain []byte) (v any, err error) {
	switch ct.kind {
	case "str":
		return string(plain), nil
	case "comment":
		return comment(plain), nil
	case "int":
		v, err = strconv.Atoi(string(plain))
	case "float":
		v, err = strconv.ParseFloat(string(plain), 64)
	case "bool":
		v, err = strconv.ParseBool(string(plain))
	case "time":
		var t time.Time
		err = t.UnmarshalText(plain)
		v = t
	default:
		err = errNotCiphertext
	}
	if err != nil {
		return nil, errNotCiphertext // a parser's own error quotes the plaintext
	}
	return v, nil
}

// encrypt encrypts a value that stands at a place.
func (c *valueCipher) encrypt(v any, additionalData string) (string, error) {
	plain, kind, err := plaintext(v)
	if err != nil || len(plain) == 0 && (kind == "str" || kind == "comment") {
		return "", err
	}
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // which never fails: crypto/rand
	sealed := c.gcm.Seal(nil, nonce, plain, []byte(additionalData))
	tag := len(sealed) - c.gcm.Overhead()
	text := base64.StdEncoding.EncodeToString
	return "ENC[AES256_GCM,data:" + text(sealed[:tag]) + ",iv:" + text(nonce) + ",tag:" + text(sealed[tag:]) + ",type:" + kind + "]", nil
}

// plaintext is a value as it is encrypted and as it goes into the MAC, and the name of its type.
func plaintext(v any) (plain []byte, kind string, err error) {
	switch v := v.(type) {
	case string:
		return []byte(v), "str", nil
	case comment:
		return []byte(v), "comment", nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), "int", nil
	case float64:
		return strconv.AppendFloat(nil, v, 'f', -1, 64), "float", nil
	case bool: // sops was written in Python once
		if v {
			return []byte("True"), "bool", nil
		}
		return []byte("False"), "bool", nil
	case time.Time:
		plain, err = v.MarshalText()
		return plain, "time", err
	}
	return nil, "", errors.New("a value has a type that sops does not encrypt")
}
