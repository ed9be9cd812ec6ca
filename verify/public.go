// What of a secret is no secret: certificates and public keys, a key's frame and its public half, a file's comments. It may be anywhere,
// and leaks are not looked for by it.

package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
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

const (
	maxComment   = 128     // bytes: a longer line may begin with "#" and be a secret
	maxTextDeep  = 3       // texts within texts: a PEM in base64 in a file of quoted strings
	maxInspected = 8 << 20 // bytes: keys and certificates are smaller
	minBase64    = 64      // characters
)

var (
	frame      = regexp.MustCompile(`-----(BEGIN|END) ([A-Za-z0-9 ]{1,48})-----`)
	publicPEM  = regexp.MustCompile(`(^|[ 0-9])(CERTIFICATE|PUBLIC KEY|PARAMETERS|CERTIFICATE REQUEST|CRL|PKCS7|PUBLIC KEY BLOCK)$`)
	publicLine = regexp.MustCompile(`(?:\|1\|[A-Za-z0-9+/=|]+ )?\b((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+) ` + // a host, hashed; a kind of key
		`(AAAA[A-Za-z0-9+/]+={0,2})(?: [^\s"'\\,;]+)?`) // the key, a comment
	named     = regexp.MustCompile(`(?i)\bpublic[_ -]?key"?[ \t]*[:=][ \t]*"?[a-z0-9+/=_-]{32,96}`)
	webToken  = regexp.MustCompile(`\b(eyJ[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.`)
	notes     = regexp.MustCompile(`(?m)^[ \t]*#([ \t#!].*)?\r?\n?`)
	base64Run = regexp.MustCompile(`(?m)[A-Za-z0-9+/]{40,}(?:\r?\n[A-Za-z0-9+/]+\r?$)*(?:\r?\n[A-Za-z0-9+/]+={1,2}\r?$|={0,2})`)
)

// secretText is a text in which keys may be, and what was found there.
type secretText struct {
	public  []part
	scalars [][]byte // private numbers and seeds that are short enough to be looked for as a whole
	known   bool     // a key's or certificate's format was recognized
}

// publicIn finds what is public of a secret. Comments are such in a secret of several lines alone: a password may begin with "#".
func publicIn(secret []byte) secretText {
	t := inspect(secret, 0)
	if bytes.Contains(bytes.TrimSpace(secret), []byte("\n")) && !isBinary(secret) {
		for _, m := range notes.FindAllIndex(secret, -1) {
			if m[1]-m[0] <= maxComment {
				t.public = append(t.public, part{m[0], m[1]})
			}
		}
	}
	return t
}

func inspect(secret []byte, deep int) secretText {
	var t secretText
	if deep > maxTextDeep || len(secret) > maxInspected {
		return t
	}
	t.blob(secret, func(p part) part { return p }, "")
	if isBinary(secret) {
		return t
	}
	t.pem(secret)
	for _, m := range publicLine.FindAllSubmatchIndex(secret, -1) {
		if blob, _, err := decode64(secret[m[4]:m[5]], m[4]); err == nil && isSSHPublic(blob) {
			t.public, t.known = append(t.public, part{m[0], m[1]}), true
		}
	}
	for _, m := range named.FindAllIndex(secret, -1) {
		t.public = append(t.public, part{m[0], m[1]})
	}
	for _, m := range webToken.FindAllSubmatchIndex(secret, -1) {
		if head, err := base64.RawURLEncoding.DecodeString(string(secret[m[2]:m[3]])); err == nil && json.Valid(head) && bytes.Contains(head, []byte(`"alg"`)) {
			t.public = append(t.public, part{m[0], m[1]})
		}
	}
	for _, m := range base64Run.FindAllIndex(secret, -1) {
		if m[1]-m[0] < minBase64 || overlaps(t.public, m[0], m[1]) {
			continue // in a frame's key, or too short to be one
		}
		switch blob, at, err := decode64(secret[m[0]:m[1]], m[0]); {
		case err != nil:
		case bytes.HasPrefix(blob, []byte("-----BEGIN ")):
			t.within(inspect(blob, deep+1), at)
		default:
			t.blob(blob, at, "")
		}
	}
	if text, where := unquoted(secret); text != nil {
		t.within(inspect(text, deep+1), func(p part) part { return part{where[p.first], where[p.end-1] + 1} })
	}
	return t
}

// within takes over what was found in a text that the text has in another form.
func (t *secretText) within(inner secretText, at placer) {
	t.scalars, t.known = append(t.scalars, inner.scalars...), t.known || inner.known
	for _, p := range inner.public {
		if p.first < p.end {
			t.public = append(t.public, at(p))
		}
	}
}

// pem finds the frames of keys, what is public between them, and what is so as a whole.
func (t *secretText) pem(secret []byte) {
	frames := frame.FindAllSubmatchIndex(secret, -1)
	for i, m := range frames {
		t.public = append(t.public, part{m[0], m[1]})
		if string(secret[m[2]:m[3]]) != "BEGIN" || i+1 == len(frames) {
			continue
		}
		label, next := string(secret[m[4]:m[5]]), frames[i+1]
		if string(secret[next[2]:next[3]]) != "END" || string(secret[next[4]:next[5]]) != label {
			continue
		}
		if publicPEM.MatchString(label) {
			t.public, t.known = append(t.public, part{m[0], next[1]}), true
			continue
		}
		if blob, at, err := decode64(secret[m[1]:next[0]], m[1]); err == nil {
			t.blob(blob, at, label)
		}
	}
}

// placer says where in a text the bytes stand that were made of it.
type placer func(part) part

// blob finds what is public of bytes that were decoded from the text.
func (t *secretText) blob(blob []byte, at placer, label string) {
	private, known := privateBytes(blob, label)
	if !known {
		return
	}
	t.known = true
	from := 0
	for _, p := range append(private, part{len(blob), len(blob)}) {
		if from < p.first {
			t.public = append(t.public, at(part{from, p.first}))
		}
		if n := p.end - p.first; minScalar <= n && n <= maxScalar {
			t.scalars = append(t.scalars, blob[p.first:p.end])
		}
		from = p.end
	}
}

// decode64 decodes base64 in lines, indented or not. A line with a colon is a header of PEM, one that begins with "=" a checksum of OpenPGP.
func decode64(text []byte, offset int) (blob []byte, at placer, err error) {
	var body []byte
	var where []int
	pos := 0
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(":")) && !bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("=")) {
			for i, c := range line {
				if c > ' ' && c != '=' {
					body, where = append(body, c), append(where, offset+pos+i)
				}
			}
		}
		pos += len(line)
	}
	blob, err = base64.RawStdEncoding.DecodeString(string(body))
	return blob, func(p part) part {
		from, to := p.first*8/6, min((p.end*8+5)/6, len(where))
		if from >= to {
			return part{offset, offset}
		}
		return part{where[from], where[to-1] + 1}
	}, err
}

// unquoted is a text with a key as a string of JSON or YAML has it, with its escapes undone and without indentation, and where in the text
// each byte of it stands; nil without a key or without any of these.
func unquoted(secret []byte) (text []byte, where []int) {
	if !bytes.Contains(secret, []byte("-----BEGIN ")) {
		return nil, nil
	}
	lineBegins := false
	for at := 0; at < len(secret); {
		c, n := secret[at], 1
		if c == '\\' && at+1 < len(secret) {
			switch e := secret[at+1]; e {
			case 'n':
				c, n = '\n', 2
			case 'r':
				c, n = '\r', 2
			case 't':
				c, n = '\t', 2
			case '"', '\\', '/':
				c, n = e, 2
			case 'u':
				if at+6 <= len(secret) {
					if r, err := strconv.ParseUint(string(secret[at+2:at+6]), 16, 7); err == nil {
						c, n = byte(r), 6
					}
				}
			}
		}
		if !lineBegins || c != ' ' && c != '\t' {
			text, where = append(text, c), append(where, at)
			lineBegins = c == '\n'
		}
		at += n
	}
	if len(text) == len(secret) {
		return nil, nil
	}
	return text, where
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
