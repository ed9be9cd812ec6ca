// What a leak is looked for by: pieces of the secrets as they would be found, each with the files that may hold it. Nothing of it is ever
// printed.

package verify

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"boringboot/internal/manifest"
	"boringboot/internal/netenv"

	"crypto/ed25519"
	"golang.org/x/crypto/ssh"
)

const (
	minNeedle   = 6   // bytes: anything shorter is found by chance
	maxWhole    = 64  // bytes: a secret so short is looked for as a whole
	windowEvery = 512 // bytes: of a longer one, a window at each sector, the least that a device writes
	windowSize  = 32  // bytes
	maxWindows  = 256 // of one secret
	minDistinct = 8   // different bytes in a window, or it says too little to be a secret's
	maxSecret   = 64 << 20
)

// needle is a piece of a secret.
type needle struct {
	what  string // for people, as "the private key of /var/lib/…": never the secret
	bytes []byte
	files []string // wanted paths whose content holds it
}

// needles are the pieces of all wanted secrets, and findings about those that cannot be looked for.
func needles(want []manifest.Entry) ([]needle, []Finding, error) {
	m := &needleMaker{contents: map[string][]byte{}}
	for i := range want {
		e := &want[i]
		if !e.Secret || e.Kind != manifest.File || e.Content == nil || e.Link != "" {
			continue
		}
		if e.Content.Size() > maxSecret {
			m.skip(e, "it is larger than %d MiB", maxSecret>>20)
			continue
		}
		content := make([]byte, e.Content.Size())
		if _, err := e.Content.ReadAt(content, 0); err != nil && err != io.EOF {
			return nil, nil, fmt.Errorf("%s: reading the wanted content: %w", e.Path, err)
		}
		m.contents[e.Path] = content
		switch e.Role {
		case manifest.PrivateKey:
			m.privateKey(e, content)
		case manifest.Environment:
			m.environment(e, content)
		case manifest.PublicKey: // is public
		default:
			m.plain(e, "the content of "+e.Path, bytes.TrimRight(content, "\r\n"))
		}
	}
	for i := range m.list {
		n := &m.list[i]
		for _, e := range want { // in order
			if bytes.Contains(m.contents[e.Path], n.bytes) {
				n.files = append(n.files, e.Path)
			}
		}
	}
	return m.list, m.findings, nil
}

type needleMaker struct {
	contents map[string][]byte
	list     []needle
	findings []Finding
}

func (m *needleMaker) skip(e *manifest.Entry, format string, args ...any) {
	m.findings = append(m.findings, Finding{Code: codeNotSearched, Severity: Warning, Path: e.Path,
		Message: "leaks of it were not looked for: " + fmt.Sprintf(format, args...)})
}

func (m *needleMaker) add(what string, b []byte) {
	for _, n := range m.list {
		if bytes.Equal(n.bytes, b) {
			return
		}
	}
	m.list = append(m.list, needle{what: what, bytes: b})
}

// plain is a secret of which nothing else is known.
func (m *needleMaker) plain(e *manifest.Entry, what string, secret []byte) {
	switch {
	case len(secret) == 0:
	case len(secret) < minNeedle:
		m.skip(e, "a secret of fewer than %d bytes is found by chance", minNeedle)
	case len(secret) <= maxWhole:
		m.add(what, secret)
	default:
		m.windows(what, secret)
	}
}

// windows are pieces of a long secret: one of each sector, and of a secret that has no more than one, all.
//
// What is public of it is left out, and at the beginning also what may be that of many files.
func (m *needleMaker) windows(what string, secret []byte) {
	public := publicParts(secret)
	oneLine := !bytes.ContainsAny(secret, "\r\n") && !isBinary(secret)
	next := max(windowEvery, len(secret)/maxWindows/windowEvery*windowEvery) // where the next sector begins that is looked at
	every, found := next, false
	for at := 0; at+windowSize <= len(secret); {
		w := secret[at : at+windowSize]
		switch {
		case at%every+windowSize > windowEvery: // the next sector's, or none
			at = next
		case overlaps(public, at, at+windowSize), distinct(w) < minDistinct, at < windowEvery && !oneLine && !looksDrawn(w):
			at++
		case len(secret) <= windowEvery:
			m.add(what, w)
			found = true
			at += windowSize
		default:
			m.add(what, w)
			found = true
			at = next
		}
		for next <= at {
			next += every
		}
	}
	if found {
		return
	}
	// Nothing of it looks like a secret: what is nearest to the middle, as a file's beginning may be that of many.
	middle := (len(secret) - windowSize) / 2
	for off := range middle {
		for _, at := range []int{middle + off, middle - off} {
			if !overlaps(public, at, at+windowSize) {
				m.add(what, secret[at:at+windowSize])
				return
			}
		}
	}
	m.add(what, secret[middle:middle+windowSize])
}

func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c], n = true, n+1
		}
	}
	return n
}

// privateKey is an OpenSSH key: its seed, raw and in base64. The rest of the key's text is the same in all such keys, or public.
func (m *needleMaker) privateKey(e *manifest.Entry, content []byte) {
	what := "the private key of " + e.Path
	raw, err := ssh.ParseRawPrivateKey(content)
	key, ok := raw.(*ed25519.PrivateKey)
	if err != nil || !ok {
		m.plain(e, what, content)
		return
	}
	seed := key.Seed()
	m.add(what, seed)
	// Where the seed begins among the bytes decides how it is cut into characters. Wherever lines of 44 characters or more are broken, one
	// half stays whole.
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, before), seed...))
		text = text[(before*8+5)/6 : (before+len(seed))*8/6] // characters that stand for bits of the seed alone
		m.add(what, []byte(text[:len(text)/2]))
		m.add(what, []byte(text[len(text)/2:]))
	}
}

// environment is a file of variables: their values, as they are and as the file has them, and the key that a passphrase and a network's
// name make. A name is no secret: it is sent to everybody around.
func (m *needleMaker) environment(e *manifest.Entry, content []byte) {
	vars, err := netenv.Decode(content)
	if err != nil {
		m.plain(e, "the content of "+e.Path, content)
		return
	}
	var ssids, psks []string
	for _, v := range vars {
		switch netenv.KindOf(v.Name) {
		case netenv.SSID:
			ssids = append(ssids, v.Value)
			continue
		case netenv.PSK:
			psks = append(psks, v.Value)
		}
		what := v.Name + " of " + e.Path
		m.plain(e, what, []byte(v.Value))
		for line := range strings.Lines(string(content)) {
			if written, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), v.Name+"="); ok {
				if written = strings.Trim(written, `"`); written != v.Value && len(written) >= minNeedle {
					m.add(what, []byte(written))
				}
			}
		}
	}
	const rounds, size = 4096, 32 // IEEE 802.11i, of a passphrase
	for _, psk := range psks {
		if key, err := hex.DecodeString(psk); err == nil && len(key) == size { // the key itself
			what := "the key in " + e.Path
			m.add(what, key)
			m.add(what, []byte(strings.ToLower(psk)))
			m.add(what, []byte(strings.ToUpper(psk)))
		}
		for _, ssid := range ssids {
			if len(psk) > 63 {
				continue
			}
			if key, err := pbkdf2.Key(sha1.New, psk, []byte(ssid), rounds, size); err == nil {
				what := "the key that the passphrase in " + e.Path + " makes"
				m.add(what, key)
				m.add(what, []byte(hex.EncodeToString(key)))
				m.add(what, []byte(strings.ToUpper(hex.EncodeToString(key))))
			}
		}
	}
}
