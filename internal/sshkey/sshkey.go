// Package sshkey reads and writes the one kind of SSH key that boringboot installs: an unencrypted ed25519 host key in
// OpenSSH's own format ("openssh-key-v1", PROTOCOL.key in the OpenSSH sources).
//
// A host key goes into an image byte for byte, so the package is stricter than ssh: what it accepts, sshd loads. No error
// text holds a byte of a private key.
package sshkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Kinds of refusal, for errors.Is.
var (
	// ErrFormat: not a private (or public) key in OpenSSH's format, or a damaged one.
	ErrFormat = errors.New("not a usable OpenSSH key")
	// ErrType: a sound key of another type than ed25519.
	ErrType = errors.New("not an ed25519 key")
	// ErrPassphrase: the key is encrypted, and nobody will be there to type its passphrase.
	ErrPassphrase = errors.New("protected by a passphrase")
)

// Key is an ed25519 private key together with the bytes of the file it came from.
type Key struct {
	PublicKey
	file    []byte
	private ed25519.PrivateKey
}

// ParsePrivate reads an OpenSSH private key file. The text is kept as it is except at two points where YAML and editors
// are known to lose something that sshd needs: the newline after the END line is restored (and surplus empty lines after it
// dropped), and CRLF line ends become the LF that ssh-keygen writes.
//
// Errors are ErrFormat, ErrType or ErrPassphrase.
func ParsePrivate(pem []byte) (*Key, error) {
	file, err := canonicalText(pem)
	if err != nil {
		return nil, err
	}
	blob, err := dearmor(file)
	if err != nil {
		return nil, err
	}
	c, err := parseContainer(blob)
	if err != nil {
		return nil, err
	}
	// The same bytes through an implementation that is not ours: a key both agree on is a key.
	raw, err := ssh.ParseRawPrivateKey(file)
	if err != nil {
		return nil, fmt.Errorf("%w: golang.org/x/crypto/ssh does not read it", ErrFormat)
	}
	if k, ok := raw.(*ed25519.PrivateKey); !ok || !bytes.Equal(*k, c.private) {
		return nil, fmt.Errorf("%w: two readers find different keys in it", ErrFormat)
	}
	return &Key{
		PublicKey: PublicKey{Key: ed25519.PublicKey(c.public), Comment: c.comment},
		file:      file,
		private:   c.private,
	}, nil
}

// Generate makes a new key with the given comment, in a file of the form that ssh-keygen -t ed25519 -N ” writes.
func Generate(comment string) (*Key, error) {
	if err := checkComment(comment); err != nil {
		return nil, err
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating an ed25519 key: %w", err)
	}
	var check [4]byte
	if _, err := rand.Read(check[:]); err != nil {
		return nil, fmt.Errorf("generating an ed25519 key: %w", err)
	}
	file := armor(container{check: check, public: pub, private: priv, comment: comment}.marshal())
	return ParsePrivate(file)
}

// Private returns the bytes of the private key file, ending in one newline.
func (k *Key) Private() []byte { return bytes.Clone(k.file) }

// Public returns the line of the .pub file, "ssh-ed25519 AAAA… comment" and a newline.
func (k *Key) Public() []byte { return k.PublicKey.Marshal() }
