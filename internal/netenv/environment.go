// The first parser: systemd's reading of an EnvironmentFile (systemd.exec(5), and what systemd 254 and later do where the
// manual is silent), and the quoting that it undoes.
package netenv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds what Parse looks at. systemd's own limit is 64 MiB; a file of credentials has a few lines.
const maxFile = 4 << 20

const (
	blank     = " \t\n\r"
	lineEnd   = "\n\r"
	shellSafe = "\"\\`$" // what a backslash escapes inside double quotes
)

// Parse returns the variables that systemd takes from an environment file, in order of first appearance: of two assignments to
// one name the later counts, and an assignment that systemd ignores is not there (Ignored names those). The values are as envsubst
// gets them, keyfile escapes and all. An error is of kind ErrSyntax: systemd would refuse the file, and not start the service.
func Parse(data []byte) ([]Var, error) {
	all, err := assignments(data)
	if err != nil {
		return nil, err
	}
	var vars []Var
	for _, a := range all {
		if a.ignored != "" {
			continue
		}
		if i := slices.IndexFunc(vars, func(v Var) bool { return v.Name == a.Name }); i >= 0 {
			vars[i].Value = a.Value
		} else {
			vars = append(vars, a.Var)
		}
	}
	return vars, nil
}

// Ignored says, a sentence each, which lines of an environment file systemd would pass over.
func Ignored(data []byte) ([]string, error) {
	all, err := assignments(data)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, a := range all {
		if a.ignored != "" {
			notes = append(notes, fmt.Sprintf("line %d: %s", a.line, a.ignored))
		}
	}
	return notes, nil
}

// assignment is one "name = value" of the file, or a line that is none.
type assignment struct {
	Var
	line    int    // where it begins, from 1
	ignored string // why systemd passes over it; empty: it does not
}

func assignments(data []byte) ([]assignment, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrSyntax, len(data))
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, fmt.Errorf("%w: byte %d is NUL", ErrSyntax, i)
	}
	s := scanner{text: string(data)}
	var all []assignment
	for s.skip(blank); !s.end(); s.skip(blank) {
		if strings.ContainsRune("#;", rune(s.peek())) {
			s.takeLine()
			continue
		}
		a := assignment{line: 1 + strings.Count(s.text[:s.pos], "\n")}
		var ok bool
		if a.Name, ok = s.name(); !ok {
			a.ignored = "it has no ="
			all = append(all, a)
			continue
		}
		a.Value = s.value()
		switch {
		case !validUTF8(a.Name), !validUTF8(a.Value):
			return nil, fmt.Errorf("%w: line %d is not valid UTF-8", ErrSyntax, a.line)
		case !validName(a.Name):
			a.ignored = "what stands before the = is not the name of a variable"
			if strings.HasPrefix(a.Name, "export") {
				a.ignored += " (systemd knows no export)"
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// scanner walks over the bytes of a file.
type scanner struct {
	text string
	pos  int
}

func (s *scanner) end() bool  { return s.pos == len(s.text) }
func (s *scanner) peek() byte { return s.text[s.pos] }
func (s *scanner) next() byte { s.pos++; return s.text[s.pos-1] }

func (s *scanner) skip(set string) {
	for !s.end() && strings.IndexByte(set, s.peek()) >= 0 {
		s.pos++
	}
}

// takeLine returns the rest of the line, without its end.
func (s *scanner) takeLine() string {
	start := s.pos
	for !s.end() && strings.IndexByte(lineEnd, s.peek()) < 0 {
		s.pos++
	}
	return s.text[start:s.pos]
}

// name reads up to and including the =. ok is false if the line ends before.
func (s *scanner) name() (name string, ok bool) {
	start := s.pos
	s.pos++ // the first character belongs to the name, whatever it is
	for !s.end() {
		switch c := s.next(); {
		case c == '=':
			return strings.TrimRight(s.text[start:s.pos-1], blank), true
		case strings.IndexByte(lineEnd, c) >= 0:
			return "", false
		}
	}
	return "", false
}

// value reads to the end of the assignment: any number of quoted pieces with blanks between them, which vanish, and then an
// unquoted rest up to the end of its line, in which quotes are ordinary characters.
func (s *scanner) value() string {
	var b strings.Builder
	for !s.end() {
		switch c := s.next(); {
		case strings.IndexByte(lineEnd, c) >= 0:
			return b.String()
		case c == '\'':
			s.singleQuoted(&b)
		case c == '"':
			s.doubleQuoted(&b)
		case strings.IndexByte(blank, c) >= 0:
		default:
			s.pos--
			s.unquoted(&b)
			return b.String()
		}
	}
	return b.String()
}

func (s *scanner) singleQuoted(b *strings.Builder) {
	for !s.end() {
		c := s.next()
		if c == '\'' {
			return
		}
		b.WriteByte(c)
	}
}

// doubleQuoted undoes quoteSystemd. As in a shell, a backslash before any other character stays, and one before a line feed
// goes together with it.
func (s *scanner) doubleQuoted(b *strings.Builder) {
	for !s.end() {
		c := s.next()
		if c == '"' {
			return
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		if s.end() {
			return
		}
		switch c := s.next(); {
		case strings.IndexByte(shellSafe, c) >= 0:
			b.WriteByte(c)
		case c != '\n':
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// unquoted takes a backslash off any character, and the line end behind one too. Blanks at the end go, unless one was
// escaped.
func (s *scanner) unquoted(b *strings.Builder) {
	var blanks strings.Builder // seen, and kept only if something follows
	for !s.end() {
		c := s.next()
		switch {
		case strings.IndexByte(lineEnd, c) >= 0:
			return
		case c == '\\':
			b.WriteString(blanks.String())
			blanks.Reset()
			if s.end() {
				return
			}
			if c := s.next(); strings.IndexByte(lineEnd, c) < 0 {
				b.WriteByte(c)
			}
		case strings.IndexByte(blank, c) >= 0:
			blanks.WriteByte(c)
		default:
			b.WriteString(blanks.String())
			blanks.Reset()
			b.WriteByte(c)
		}
	}
}

// quoteSystemd escapes what double quotes do not protect. It is the inverse of doubleQuoted for every string.
func quoteSystemd(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(shellSafe, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// validName is env_name_is_valid of systemd: letters, digits and underscores of ASCII, not beginning with a digit.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) < maxString
}

// whyUncarried says what in a value Encode does not entrust to systemd; empty: nothing. Today's systemd takes control
// characters, older ones dropped the variable.
func whyUncarried(value string) string {
	if strings.IndexByte(value, 0) >= 0 {
		return "it holds a NUL"
	}
	if !validUTF8(value) {
		return "it is not valid UTF-8"
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' && c != '\n' || c == 0x7f {
			return fmt.Sprintf("it holds the control character 0x%02x", c)
		}
	}
	return ""
}

// validUTF8 is systemd's notion: besides what Go refuses, no code point that Unicode reserves as a noncharacter.
func validUTF8(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Noncharacter_Code_Point, r) }) < 0
}
