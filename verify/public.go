// What of a secret is no secret: the frame of a key's text and its public half, a file's comments, the beginning that many files have. It
// may be anywhere, and leaks are not looked for by it.

package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// part is a run of bytes of a secret.
type part struct{ first, end int }

func overlaps(parts []part, first, end int) bool {
	for _, p := range parts {
		if p.first < end && first < p.end {
			return true
		}
	}
	return false
}

// publicParts finds what is public of a secret: lines that are comments, and of keys in PEM the lines around them, what stands before the
// public key, and that.
func publicParts(secret []byte) []part {
	var parts []part
	at := 0
	for line := range bytes.Lines(secret) {
		if bytes.HasPrefix(line, []byte("#")) || bytes.Contains(line, []byte("-----")) {
			if n := len(parts); n > 0 && parts[n-1].end == at {
				parts[n-1].end += len(line)
			} else {
				parts = append(parts, part{at, at + len(line)})
			}
		}
		at += len(line)
	}
	for rest := secret; ; {
		begin := bytes.Index(rest, []byte("-----BEGIN "))
		if begin < 0 {
			return parts
		}
		rest = rest[begin:]
		block, after := pem.Decode(rest)
		if block == nil {
			return parts
		}
		offset := len(secret) - len(rest)
		body, positions := armored(rest[:len(rest)-len(after)])
		if blob, err := base64.StdEncoding.DecodeString(string(body)); err == nil {
			for _, p := range publicBytes(block, blob) {
				from, to := p.first*8/6, min((p.end*8+5)/6, len(positions))
				if from < to {
					parts = append(parts, part{offset + positions[from], offset + positions[to-1] + 1})
				}
			}
		}
		rest = after
	}
}

// publicBytes finds in the bytes of a key what others have, too.
func publicBytes(block *pem.Block, blob []byte) []part {
	public, private := numbers(block)
	head, known := openSSHHead(blob)
	if !known {
		// What says of which kind the key is, up to its first number.
		head = min(shortestHead, len(blob)/3)
		for i, n := range append(public[:len(public):len(public)], private...) {
			if at := bytes.Index(blob, n); at >= 0 && (i == 0 || at < head) {
				head = at
			}
		}
	}
	parts := []part{{0, head}}
	for _, number := range public {
		for from := 0; ; {
			i := bytes.Index(blob[from:], number)
			if i < 0 {
				break
			}
			parts = append(parts, part{from + i, from + i + len(number)})
			from += i + len(number)
		}
	}
	return parts
}

// shortestHead is how many bytes PKCS #8 has before an RSA key's modulus.
const shortestHead = 36

// openSSHHead is how many bytes a key in OpenSSH's own format has before its private section, which may be encrypted.
func openSSHHead(blob []byte) (int, bool) {
	const magic = "openssh-key-v1\x00"
	if !bytes.HasPrefix(blob, []byte(magic)) {
		return 0, false
	}
	at := len(magic)
	for i := range 4 { // cipher, key derivation and its options; behind the number of keys the public key
		if i == 3 {
			at += 4
		}
		if at+4 > len(blob) {
			return len(blob), true
		}
		at += 4 + int(min(binary.BigEndian.Uint32(blob[at:]), uint32(len(blob))))
	}
	return min(at, len(blob)), true
}

// numbers are those of a key as they are stored, if it can be read.
func numbers(block *pem.Block) (public, private [][]byte) {
	key, err := ssh.ParseRawPrivateKey(pem.EncodeToMemory(block))
	if err != nil {
		return nil, nil
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return [][]byte{k.N.Bytes()}, [][]byte{k.D.Bytes()}
	case *ecdsa.PrivateKey:
		size := (k.Params().BitSize + 7) / 8
		field := func(n *big.Int) []byte { return n.FillBytes(make([]byte, size)) }
		return [][]byte{field(k.X), field(k.Y)}, [][]byte{field(k.D)}
	case *ed25519.PrivateKey:
		return [][]byte{k.Public().(ed25519.PublicKey)}, [][]byte{k.Seed()}
	case ed25519.PrivateKey:
		return [][]byte{k.Public().(ed25519.PublicKey)}, [][]byte{k.Seed()}
	}
	return nil, nil
}

// armored gives the base64 characters of a PEM text, and where in the text each stands.
func armored(text []byte) (body []byte, positions []int) {
	at := 0
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("-----")) && !bytes.Contains(line, []byte(":")) { // a header of PEM has a colon
			for i, c := range line {
				if c > ' ' {
					body, positions = append(body, c), append(positions, at+i)
				}
			}
		}
		at += len(line)
	}
	return body, positions
}

// looksDrawn says whether a window looks as if it was drawn at random, not written: words have few changes between capitals, small letters
// and digits, of which any code of random bits has many; and headers of binary files repeat themselves.
func looksDrawn(w []byte) bool {
	const changes, different = 6, windowSize * 3 / 4
	if isBinary(w) {
		return distinct(w) >= different
	}
	kind := func(c byte) int {
		switch {
		case 'a' <= c && c <= 'z':
			return 1
		case 'A' <= c && c <= 'Z':
			return 2
		case '0' <= c && c <= '9':
			return 3
		}
		return 0
	}
	n := 0
	for i := 1; i < len(w); i++ {
		if a, b := kind(w[i-1]), kind(w[i]); a != 0 && b != 0 && a != b {
			n++
		}
	}
	return n >= changes
}

// isBinary says whether there is anything but printable ASCII and blanks.
func isBinary(b []byte) bool {
	return bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x7F || r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}
