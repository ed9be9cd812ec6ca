// The container "openssh-key-v1" (PROTOCOL.key in the OpenSSH sources): the text armor around it, its fields, and its padding.
package sshkey

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	beginLine = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
	endLine   = "-----END OPENSSH PRIVATE KEY-----\n"
	magic     = "openssh-key-v1\x00"
	keyType   = "ssh-ed25519"

	// maxFile bounds what is looked at: an ed25519 key file has about 400 bytes and its comment.
	maxFile = 64 << 10
	// armorWidth is the line length that ssh-keygen uses.
	armorWidth = 70
	// blockSize is the multiple that the private section is padded to under the cipher "none".
	blockSize = 8
)

// canonicalText gives pem the line ends that ssh-keygen writes, and says what else it is where it is no OpenSSH key.
func canonicalText(pem []byte) ([]byte, error) {
	if len(pem) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes are too many for an ed25519 key", ErrFormat, len(pem))
	}
	text := strings.ReplaceAll(string(pem), "\r\n", "\n")
	text = strings.TrimRight(text, "\n") + "\n"
	if strings.HasPrefix(text, beginLine) {
		return []byte(text), nil
	}
	switch {
	case strings.TrimSpace(text) == "":
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	case strings.HasPrefix(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----"):
		return nil, fmt.Errorf("%w (and in PKCS#8 form; ssh-keygen -p -f FILE rewrites it in OpenSSH's)", ErrPassphrase)
	case strings.HasPrefix(text, "-----BEGIN PRIVATE KEY-----"):
		return nil, fmt.Errorf("%w: it is a PKCS#8 private key; make one in OpenSSH's form with ssh-keygen -t ed25519", ErrFormat)
	case strings.HasPrefix(text, "-----BEGIN RSA PRIVATE KEY-----"):
		return nil, fmt.Errorf("%w: it is an RSA key in PEM form", ErrType)
	case strings.HasPrefix(text, "-----BEGIN EC PRIVATE KEY-----"):
		return nil, fmt.Errorf("%w: it is an ECDSA key in PEM form", ErrType)
	case strings.HasPrefix(text, "-----BEGIN DSA PRIVATE KEY-----"):
		return nil, fmt.Errorf("%w: it is a DSA key in PEM form", ErrType)
	case strings.HasPrefix(text, "PuTTY-User-Key-File-"):
		return nil, fmt.Errorf("%w: it is a PuTTY key; puttygen -O private-openssh-new converts it", ErrFormat)
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-"):
		return nil, fmt.Errorf("%w: it is a public key, not a private one", ErrFormat)
	case strings.Contains(text, strings.TrimSuffix(beginLine, "\n")):
		return nil, fmt.Errorf("%w: something stands before or beside its BEGIN line", ErrFormat)
	}
	return nil, fmt.Errorf("%w: it does not begin with -----BEGIN OPENSSH PRIVATE KEY-----", ErrFormat)
}

// dearmor returns the container inside canonical text.
func dearmor(text []byte) ([]byte, error) {
	body, ok := bytes.CutPrefix(text, []byte(beginLine))
	if !ok {
		return nil, fmt.Errorf("%w: no BEGIN line", ErrFormat)
	}
	end := bytes.Index(body, []byte("-----END"))
	if end < 0 {
		return nil, fmt.Errorf("%w: its END line is missing (cut off?)", ErrFormat)
	}
	if rest := string(body[end:]); rest != endLine {
		if strings.HasPrefix(rest, strings.TrimSuffix(endLine, "\n")) {
			return nil, fmt.Errorf("%w: something stands behind its END line", ErrFormat)
		}
		return nil, fmt.Errorf("%w: its END line is damaged", ErrFormat)
	}
	body = body[:end]
	if len(body) == 0 || body[len(body)-1] != '\n' {
		return nil, fmt.Errorf("%w: its END line does not start a line", ErrFormat)
	}
	// encoding/base64 skips CR as well; a bare CR is no line end that ssh-keygen writes.
	if bytes.ContainsRune(body, '\r') {
		return nil, fmt.Errorf("%w: it holds a carriage return", ErrFormat)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(string(body))
	if err != nil {
		// The error of encoding/base64 gives an offset only, but "illegal base64 data at input byte 17" helps nobody.
		return nil, fmt.Errorf("%w: its base64 text is damaged (is each line where it was, without spaces?)", ErrFormat)
	}
	return blob, nil
}

// armor is the inverse of dearmor, with ssh-keygen's line length.
func armor(blob []byte) []byte {
	text := base64.StdEncoding.EncodeToString(blob)
	var b bytes.Buffer
	b.WriteString(beginLine)
	for len(text) > armorWidth {
		b.WriteString(text[:armorWidth] + "\n")
		text = text[armorWidth:]
	}
	b.WriteString(text + "\n" + endLine)
	return b.Bytes()
}

// container is what an unencrypted openssh-key-v1 file of one ed25519 key holds.
type container struct {
	check   [4]byte            // "checkint", stored twice
	public  ed25519.PublicKey  // 32 bytes
	private ed25519.PrivateKey // 64 bytes: seed and public key
	comment string
}

func parseContainer(blob []byte) (container, error) {
	var c container
	r := reader{rest: blob}
	if !r.literal(magic) {
		return c, fmt.Errorf("%w: inside the armor is no openssh-key-v1 container", ErrFormat)
	}
	cipher, kdf, kdfOptions := r.string(), r.string(), r.string()
	count := r.uint32()
	if !r.bad && count != 1 {
		return c, fmt.Errorf("%w: it holds %d keys instead of one", ErrFormat, count)
	}
	publicBlob := r.string()
	section := r.string()
	if r.bad || len(r.rest) != 0 {
		return c, fmt.Errorf("%w: its container is cut off or has something behind it", ErrFormat)
	}
	pub := reader{rest: publicBlob}
	if t := pub.string(); pub.bad || string(t) != keyType {
		if pub.bad || !isName(t) {
			return c, fmt.Errorf("%w: its public half is damaged", ErrFormat)
		}
		return c, fmt.Errorf("%w: its type is %s", ErrType, t)
	}
	if string(cipher) != "none" || string(kdf) != "none" || len(kdfOptions) != 0 {
		return c, ErrPassphrase
	}
	c.public = pub.string()
	if pub.bad || len(pub.rest) != 0 || len(c.public) != ed25519.PublicKeySize {
		return c, fmt.Errorf("%w: its public half is damaged", ErrFormat)
	}
	return c, c.parsePrivateSection(section)
}

// parsePrivateSection reads what the cipher would protect: twice the check number, the key, the comment, the padding.
func (c *container) parsePrivateSection(section []byte) error {
	if len(section)%blockSize != 0 {
		return fmt.Errorf("%w: the length of its private section is no multiple of %d", ErrFormat, blockSize)
	}
	r := reader{rest: section}
	copy(c.check[:], r.bytes(4))
	if again := r.bytes(4); !r.bad && !bytes.Equal(c.check[:], again) {
		return fmt.Errorf("%w: its two check numbers differ", ErrFormat)
	}
	typ, public, private, comment := r.string(), r.string(), r.string(), r.string()
	if r.bad || string(typ) != keyType || len(public) != ed25519.PublicKeySize || len(private) != ed25519.PrivateKeySize {
		return fmt.Errorf("%w: its private section is damaged", ErrFormat)
	}
	if len(r.rest) >= blockSize {
		return fmt.Errorf("%w: it has %d bytes of padding, at most %d are possible", ErrFormat, len(r.rest), blockSize-1)
	}
	for i, b := range r.rest {
		if int(b) != i+1 {
			return fmt.Errorf("%w: its padding is damaged", ErrFormat)
		}
	}
	// A key whose halves do not belong together signs what nobody can verify.
	derived := publicHalf(private[:ed25519.SeedSize])
	if !bytes.Equal(derived, private[ed25519.SeedSize:]) || !bytes.Equal(derived, public) || !bytes.Equal(derived, c.public) {
		return fmt.Errorf("%w: its private and its public half do not belong together", ErrFormat)
	}
	c.private, c.comment = bytes.Clone(private), string(comment)
	return checkComment(c.comment)
}

func (c container) marshal() []byte {
	var section []byte
	section = append(section, c.check[:]...)
	section = append(section, c.check[:]...)
	section = appendString(section, []byte(keyType))
	section = appendString(section, c.public)
	section = appendString(section, c.private)
	section = appendString(section, []byte(c.comment))
	for pad := byte(1); len(section)%blockSize != 0; pad++ {
		section = append(section, pad)
	}
	b := []byte(magic)
	b = appendString(b, []byte("none")) // ciphername
	b = appendString(b, []byte("none")) // kdfname
	b = appendString(b, nil)            // kdfoptions
	b = binary.BigEndian.AppendUint32(b, 1)
	b = appendString(b, wirePublic(c.public))
	return appendString(b, section)
}

// wirePublic is a public key in SSH's wire format (RFC 8709, section 4).
func wirePublic(pub ed25519.PublicKey) []byte {
	return appendString(appendString(nil, []byte(keyType)), pub)
}

// appendString appends the "string" of RFC 4251, section 5: a big-endian length of four bytes and the bytes.
func appendString(b, s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// isName reports whether t can be an algorithm's name (RFC 4250, section 4.6.1), and so may be printed.
func isName(t []byte) bool {
	for _, b := range t {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(t) > 0 && len(t) <= 64
}

// reader takes SSH wire values from the front of rest. Once something was missing, bad stays set and every value is empty.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) bytes(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint32() uint32 {
	b := r.bytes(4)
	if r.bad {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (r *reader) string() []byte {
	n := r.uint32()
	if uint64(n) > uint64(len(r.rest)) {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	return r.bytes(int(n))
}

func (r *reader) literal(s string) bool { return string(r.bytes(len(s))) == s }
