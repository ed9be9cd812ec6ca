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
	"slices"
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
	pieceSize   = 14  // characters of base64: 84 bits
	minDistinct = 8   // different bytes in a window, or it says too little to be a secret's
	sameKind    = 128 // bytes that secrets of one kind may have in common at their beginning
	maxSecret   = 64 << 20
)

// needle is a piece of a secret.
type needle struct {
	what  string // for people, as "the private key of /var/lib/…": never the secret
	bytes []byte
	files []string // wanted paths whose content holds it
	whole []byte   // of a window, the secret; nil: the piece is enough to tell a leak
	at    int      // of a window, where in the secret it is
	room  part     // of a window, what is around it without anything public
	drawn bool     // a window looks as if drawn at random
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
	m.list = slices.DeleteFunc(m.list, func(n needle) bool { return n.whole != nil && bytes.Equal(n.bytes, b) })
	if !slices.ContainsFunc(m.list, func(n needle) bool { return bytes.Equal(n.bytes, b) }) {
		m.list = append(m.list, needle{what: what, bytes: b})
	}
}

func (m *needleMaker) addWindow(what string, secret []byte, at int, public []part) {
	w := secret[at : at+windowSize]
	if slices.ContainsFunc(m.list, func(n needle) bool {
		return bytes.Equal(n.bytes, w) && (n.whole == nil || n.at == at && bytes.Equal(n.whole, secret))
	}) {
		return
	}
	room := part{0, len(secret)}
	for _, p := range public {
		if p.end <= at {
			room.first = max(room.first, p.end)
		}
		if p.first >= at+windowSize {
			room.end = min(room.end, p.first)
		}
	}
	m.list = append(m.list, needle{what: what, bytes: w, whole: secret, at: at, room: room, drawn: looksDrawn(w)})
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

// windows are pieces of a long secret, and the keys that are found in it.
func (m *needleMaker) windows(what string, secret []byte) {
	text := publicIn(secret)
	for _, scalar := range text.scalars {
		m.scalar(what, scalar)
	}
	found := m.sectors(what, secret, text.public) || len(text.scalars) > 0
	if plain, _ := unquoted(secret); plain != nil {
		found = m.sectors(what, plain, publicIn(plain).public) || found
	}
	if !found {
		found = m.everywhere(what, secret, text.public)
	}
	if !found && !text.known && !m.everywhere(what, secret, nil) {
		m.addWindow(what, secret, (len(secret)-windowSize)/2, nil)
	}
}

// everywhere adds windows of a secret of which nothing looks like one. How far they go on decides.
func (m *needleMaker) everywhere(what string, secret []byte, public []part) (found bool) {
	last := len(secret) - windowSize
	for at := 0; at <= min(last, maxWindows*windowSize); {
		if overlaps(public, at, at+windowSize) || distinct(secret[at:at+windowSize]) < minDistinct {
			at++
			continue
		}
		m.addWindow(what, secret, at, nil)
		found = true
		if at += windowSize; at < last+windowSize {
			at = min(at, last) // the end, too
		}
	}
	return found
}

// sectors adds windows of a secret: one of each sector, if there is one that looks drawn that, and of a secret that has no more than one
// sector all. What is public is left out, and of a file of lines also what looks written in its first sector, as many files begin so.
func (m *needleMaker) sectors(what string, secret []byte, public []part) (found bool) {
	oneLine := !bytes.ContainsAny(secret, "\r\n") && !isBinary(secret)
	every := max(windowEvery, len(secret)/maxWindows/windowEvery*windowEvery)
	for sector := 0; sector < len(secret); sector += every {
		var near []part // of what is public, what reaches into this sector
		for _, p := range public {
			if p.first < sector+windowEvery && p.end > sector {
				near = append(near, p)
			}
		}
		written := -1 // the first window that does not look drawn
		last := min(sector+windowEvery, len(secret)) - windowSize
		for at := sector; at <= last; at++ {
			w := secret[at : at+windowSize]
			drawn := looksDrawn(w)
			switch {
			case overlaps(near, at, at+windowSize), distinct(w) < minDistinct, !drawn && !oneLine && sector == 0:
				continue
			case len(secret) <= windowEvery:
				m.addWindow(what, secret, at, public)
				found = true
				at += windowSize - 1
				continue
			case drawn:
				written, at = at, last
			case written < 0:
				written = at
			}
		}
		if written >= 0 {
			m.addWindow(what, secret, written, public)
			found = true
		}
	}
	// The end of a short one may be behind the last of these.
	for at := len(secret) - windowSize; found && len(secret) <= windowEvery && at >= 0; at-- {
		if w := secret[at : at+windowSize]; !overlaps(public, at, at+windowSize) && distinct(w) >= minDistinct && (oneLine || looksDrawn(w)) {
			m.addWindow(what, secret, at, public)
			break
		}
	}
	return found
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
	m.scalar(what, key.Seed())
}

// scalar is a private number: as bytes, and in base64.
func (m *needleMaker) scalar(what string, number []byte) {
	m.add(what, number)
	// Where it begins among the bytes decides how it is cut into characters. Wherever lines of 21 characters or more are broken, a piece of
	// a seed of 32 bytes stays whole.
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, before), number...))
		text = text[(before*8+5)/6 : (before+len(number))*8/6] // characters that stand for bits of the number alone
		for pieces := len(text) / pieceSize; pieces > 0; pieces-- {
			n := len(text) / pieces
			m.add(what, []byte(text[:n]))
			text = text[n:]
		}
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
