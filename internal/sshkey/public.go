// Public keys: the line of a .pub file, the fingerprint, the line of a known_hosts file.
package sshkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
)

// PublicKey is an ed25519 public key and its comment.
type PublicKey struct {
	Key     ed25519.PublicKey
	Comment string // may be empty; never holds a control character
}

// ParsePublic reads one line of a .pub file, with or without its newline. Errors are ErrFormat or ErrType.
func ParsePublic(line []byte) (*PublicKey, error) {
	if len(line) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes are too many for a public key", ErrFormat, len(line))
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%w: a public key is one line", ErrFormat)
	}
	if strings.HasPrefix(text, "-----BEGIN") {
		return nil, fmt.Errorf("%w: not a public key", ErrFormat)
	}
	typ, rest, _ := strings.Cut(text, " ")
	encoded, comment, _ := strings.Cut(rest, " ")
	if typ != keyType {
		if strings.HasPrefix(typ, "ssh-") || strings.HasPrefix(typ, "ecdsa-") || strings.HasPrefix(typ, "sk-") {
			if isName([]byte(typ)) {
				return nil, fmt.Errorf("%w: its type is %s", ErrType, typ)
			}
		}
		return nil, fmt.Errorf("%w: a public key begins with %q", ErrFormat, keyType+" ")
	}
	wire, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: the base64 text of the public key is damaged", ErrFormat)
	}
	r := reader{rest: wire}
	inner, key := r.string(), r.string()
	if r.bad || len(r.rest) != 0 || string(inner) != keyType || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: the public key is damaged", ErrFormat)
	}
	if err := checkComment(comment); err != nil {
		return nil, err
	}
	return &PublicKey{Key: ed25519.PublicKey(key), Comment: comment}, nil
}

// Marshal returns the line of a .pub file, as ssh-keygen writes it.
func (p *PublicKey) Marshal() []byte {
	line := keyType + " " + base64.StdEncoding.EncodeToString(wirePublic(p.Key))
	if p.Comment != "" {
		line += " " + p.Comment
	}
	return []byte(line + "\n")
}

// Equal reports whether both are the same key; comments do not count.
func (p *PublicKey) Equal(q *PublicKey) bool { return bytes.Equal(p.Key, q.Key) }

// Fingerprint returns "SHA256:" and the unpadded base64 of the wire form's hash, as ssh-keygen -l prints it.
func (p *PublicKey) Fingerprint() string {
	sum := sha256.Sum256(wirePublic(p.Key))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// KnownHosts returns the line of a known_hosts file that pins host to the key, without a newline. The host is a name or an
// address, or either with a port: "bastet", "192.168.1.7", "::1", "bastet:2222", "[::1]:2222". It is "" for a host that
// CheckHost refuses, so that a hostile name never becomes a second line.
func (p *PublicKey) KnownHosts(host string) string {
	pattern, err := hostPattern(host)
	if err != nil {
		return ""
	}
	return pattern + " " + keyType + " " + base64.StdEncoding.EncodeToString(wirePublic(p.Key))
}

// CheckHost says why KnownHosts cannot pin host: a port that is none, or a character that means something else in known_hosts.
func CheckHost(host string) error {
	_, err := hostPattern(host)
	return err
}

// hostPattern is host as OpenSSH looks it up: without the port if that is 22, else "[host]:port"; in lower case.
func hostPattern(host string) (string, error) {
	name, port := host, ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	} else if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		name = strings.TrimSuffix(inner, "]")
	}
	if name == "" {
		return "", fmt.Errorf("%q names no host", host)
	}
	if net.ParseIP(name) == nil {
		if i := strings.IndexFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' && r != '_' && r != '%' && r != ':'
		}); i >= 0 || strings.Contains(name, "::") && !strings.Contains(name, "%") || strings.ContainsRune(name, unicode.ReplacementChar) {
			return "", fmt.Errorf("%q is not a host name or an address", host)
		}
	}
	name = strings.ToLower(name)
	if port == "" {
		return name, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("%q: a port is a number from 1 to 65535", host)
	}
	if n == 22 {
		return name, nil
	}
	return fmt.Sprintf("[%s]:%d", name, n), nil
}

// checkComment refuses what would break the one line of a .pub file or steer a terminal.
func checkComment(comment string) error {
	if strings.IndexFunc(comment, unicode.IsControl) >= 0 {
		return fmt.Errorf("%w: its comment holds a control character", ErrFormat)
	}
	return nil
}
