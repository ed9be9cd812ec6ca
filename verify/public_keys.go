// The formats of keys, as far as is needed to tell their private numbers from the rest.

package verify

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"strings"
)

const (
	minPrivate = 16 // bytes: what is shorter in a key's format is no key
	minScalar  = 20 // bytes: DSA's
	maxScalar  = 66 // bytes: that of the curve P-521
)

// privateBytes finds in the bytes of a key what nobody else has, in order; known says that the format is one that is known. A certificate
// or a public key has nothing of that kind.
func privateBytes(blob []byte, label string) (private []part, known bool) {
	switch {
	case bytes.HasPrefix(blob, []byte(openSSHMagic)):
		return openSSHPrivate(blob)
	case isSSHPublic(blob):
		return nil, true
	case strings.HasPrefix(label, "PGP "):
		return openPGPPrivate(blob)
	case isCertificate(blob):
		return nil, true
	}
	var d der
	if v, rest, ok := readDER(blob); !ok || rest != len(blob) || v.tag != asn1.TagSequence || !d.members(blob, v, 0) || len(d.private) == 0 {
		return nil, false
	}
	return d.private, true
}

// isCertificate says whether bytes are a certificate, a request for one, a list of revoked ones or a public key.
func isCertificate(der []byte) bool {
	if len(der) == 0 || der[0] != 0x30 {
		return false
	}
	_, err := x509.ParseCertificate(der)
	if err != nil {
		_, err = x509.ParsePKIXPublicKey(der)
	}
	if err != nil {
		_, err = x509.ParseCertificateRequest(der)
	}
	if err != nil {
		_, err = x509.ParseRevocationList(der)
	}
	return err == nil
}

// isSSHPublic says whether bytes are a public key as SSH sends it (RFC 4253, section 6.6): the name of its kind, then numbers.
func isSSHPublic(blob []byte) bool {
	name, _, ok := sshString(blob, 0)
	kind := string(blob[min(name.first, len(blob)):min(name.end, len(blob))])
	return ok && name.end < len(blob) && (strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-sha2-") || strings.HasPrefix(kind, "sk-"))
}

// sshString is the string at a byte, and where the next field begins.
func sshString(blob []byte, at int) (s part, next int, ok bool) {
	if at < 0 || at+4 > len(blob) {
		return part{}, at, false
	}
	n := binary.BigEndian.Uint32(blob[at:])
	if uint64(n) > uint64(len(blob)-at-4) {
		return part{}, at, false
	}
	return part{at + 4, at + 4 + int(n)}, at + 4 + int(n), true
}

const openSSHMagic = "openssh-key-v1\x00"

// openSSHPrivate reads OpenSSH's own format (PROTOCOL.key): cipher, key derivation, its options, the number of keys, the public key, and a
// private section, which is private as a whole if it is encrypted.
func openSSHPrivate(blob []byte) ([]part, bool) {
	at := len(openSSHMagic)
	var head [4]part
	for i := range head {
		if i == 3 {
			at += 4 // the number of keys
		}
		var ok bool
		if head[i], at, ok = sshString(blob, at); !ok {
			return nil, false
		}
	}
	section, _, ok := sshString(blob, at)
	if !ok {
		return nil, false
	}
	if string(blob[head[0].first:head[0].end]) != "none" {
		return []part{section}, true
	}
	public := blob[head[3].first:head[3].end]
	at = section.first + 8 // two equal numbers, by which a wrong passphrase is known
	var fields []part
	for at < section.end {
		f, next, ok := sshString(blob[:section.end], at)
		if !ok { // a security key's flags are one byte, and padding follows the last field
			if next, at = at, at+1; len(fields) > 0 && len(fields) < 5 && at < section.end {
				continue
			}
			break
		}
		fields, at = append(fields, f), next
		if at < section.end && blob[at] == 1 && isPadding(blob[at:section.end]) {
			break
		}
	}
	var private []part
	for i, f := range fields {
		value := blob[f.first:f.end]
		if i == len(fields)-1 && len(fields) > 1 || len(value) < minPrivate || bytes.Contains(public, value) {
			continue // the comment, a name, what is in the public key
		}
		if len(value) == 64 && bytes.Contains(public, value[32:]) { // Ed25519: the seed and the public key
			f.end = f.first + 32
		}
		private = append(private, f)
	}
	return private, len(private) > 0
}

// isPadding says whether bytes are 1, 2, 3 …, as OpenSSH fills up a block of its cipher.
func isPadding(b []byte) bool {
	for i, c := range b {
		if c != byte(i+1) {
			return false
		}
	}
	return true
}

// openPGPPrivate reads packets of OpenPGP (RFC 9580). All but what follows the public fields of a secret key's packet is public.
func openPGPPrivate(blob []byte) (private []part, known bool) {
	for at := 0; at < len(blob); {
		tag, body, ok := openPGPPacket(blob, at)
		if !ok {
			return nil, false
		}
		if tag == 5 || tag == 7 { // a secret key, a secret subkey
			from, ok := openPGPPublicEnd(blob, body)
			if !ok {
				return nil, false
			}
			private = append(private, part{from, body.end})
		}
		at = body.end
	}
	return private, len(private) > 0
}

func openPGPPacket(blob []byte, at int) (tag int, body part, ok bool) {
	b := blob[at:]
	if len(b) < 6 || b[0]&0x80 == 0 {
		return 0, body, false
	}
	var head, n int
	if b[0]&0x40 == 0 {
		tag = int(b[0] >> 2 & 15)
		switch b[0] & 3 {
		case 0:
			head, n = 2, int(b[1])
		case 1:
			head, n = 3, int(binary.BigEndian.Uint16(b[1:]))
		case 2:
			head, n = 5, int(binary.BigEndian.Uint32(b[1:]))
		default:
			return 0, body, false
		}
	} else {
		tag = int(b[0] & 63)
		switch c := b[1]; {
		case c < 192:
			head, n = 2, int(c)
		case c < 224:
			head, n = 3, (int(c)-192)<<8+int(b[2])+192
		case c == 255:
			head, n = 6, int(binary.BigEndian.Uint32(b[2:]))
		default:
			return 0, body, false
		}
	}
	return tag, part{at + head, at + head + n}, n > 0 && n <= len(b)-head
}

// openPGPPublicEnd is where the public fields of a secret key of version 4 end.
func openPGPPublicEnd(blob []byte, body part) (int, bool) {
	b := blob[:body.end]
	at := body.first + 6 // version, time of creation, algorithm
	if at >= body.end || b[body.first] != 4 {
		return 0, false
	}
	numbers, curve, derivation := 0, false, false
	switch b[at-1] {
	case 1, 2, 3: // RSA
		numbers = 2
	case 16: // Elgamal
		numbers = 3
	case 17: // DSA
		numbers = 4
	case 18: // ECDH
		numbers, curve, derivation = 1, true, true
	case 19, 22: // ECDSA, EdDSA
		numbers, curve = 1, true
	case 25, 27: // X25519, Ed25519
		return at + 32, at+32 < body.end
	default:
		return 0, false
	}
	if curve {
		at += 1 + int(b[at])
	}
	for range numbers {
		if at+2 > body.end {
			return 0, false
		}
		at += 2 + (int(binary.BigEndian.Uint16(b[at:]))+7)/8
	}
	if derivation && at < body.end {
		at += 1 + int(b[at])
	}
	return at, at < body.end
}

// der collects the private numbers of a key in DER.
type der struct{ private []part }

type derValue struct {
	class, tag int
	compound   bool
	content    part
}

// readDER reads the value at the beginning of b, and says where it ends.
func readDER(b []byte) (v derValue, end int, ok bool) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(b, &raw)
	if err != nil {
		return v, 0, false
	}
	end = len(b) - len(rest)
	return derValue{raw.Class, raw.Tag, raw.IsCompound, part{end - len(raw.Bytes), end}}, end, true
}

const maxDERDeep = 24

// members goes through a sequence or set. What it says of the algorithm is public: what follows an object identifier, or is tagged behind a
// version. Of an RSA key's integers the modulus is public, of a DSA key's all but the last.
func (d *der) members(blob []byte, v derValue, deep int) bool {
	if deep > maxDERDeep {
		return false
	}
	var list []derValue
	for at := v.content.first; at < v.content.end; {
		m, n, ok := readDER(blob[at:v.content.end])
		if !ok {
			return false
		}
		m.content.first, m.content.end = m.content.first+at, m.content.end+at
		list, at = append(list, m), at+n
	}
	if len(list) == 0 {
		return true
	}
	first := list[0]
	universal := func(m derValue, tag int) bool { return m.class == asn1.ClassUniversal && m.tag == tag }
	integers := !slices.ContainsFunc(list[:min(6, len(list))], func(m derValue) bool { return !universal(m, asn1.TagInteger) })
	for i, m := range list {
		tagged := m.class == asn1.ClassContextSpecific
		switch {
		case universal(first, asn1.TagOID) && !tagged, universal(first, asn1.TagInteger) && tagged:
		case universal(m, asn1.TagInteger):
			if integers && (len(list) >= 9 && i != 1 || len(list) == 6 && i == 5) {
				d.add(m.content)
			}
		case m.compound:
			if !d.members(blob, m, deep+1) {
				return false
			}
		case universal(m, asn1.TagOctetString), tagged:
			content := blob[m.content.first:m.content.end]
			if isCertificate(content) {
				continue
			}
			inner, n, ok := readDER(content)
			if ok && n == len(content) && inner.class == asn1.ClassUniversal && (inner.tag == asn1.TagSequence || inner.tag == asn1.TagOctetString) {
				before := len(d.private)
				if inside := (derValue{content: m.content}); d.members(blob, inside, deep+1) {
					continue
				}
				d.private = d.private[:before]
			}
			d.add(m.content)
		}
	}
	return true
}

func (d *der) add(p part) {
	if p.end-p.first >= minPrivate {
		d.private = append(d.private, p)
	}
}
