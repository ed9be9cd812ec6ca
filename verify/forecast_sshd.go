// What sshd's configuration in the image says of host keys.

package verify

import (
	"path"
	"slices"
	"strings"
)

// maxIncludes bounds how deep files of configuration include each other (sshd's own limit).
const maxIncludes = 16

// defaultKeys are what sshd presents without a HostKey line (sshd_config(5)).
var defaultKeys = []string{"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"}

// hostKeyUnused says whether there are sshd_configs, and none of them names the key. Where one includes what cannot be found, nothing is said.
func (c *config) hostKeyUnused(etcs []string, key string) (at string, unused bool) {
	for _, etc := range etcs {
		s := &sshd{c: c, etc: etc, seen: map[string]bool{}, left: maxFiles}
		if !s.file(etc+"/ssh/sshd_config", 0) {
			continue
		}
		s.include(etc+"/ssh/sshd_config.d/*.conf", 0)
		if s.lost || slices.Contains(s.keys, key) || len(s.keys) == 0 && slices.Contains(defaultKeys, key) {
			return "", false
		}
		at, unused = etc+"/ssh/sshd_config", true
	}
	return at, unused
}

// sshd gathers the configuration of one /etc.
type sshd struct {
	c    *config
	etc  string
	seen map[string]bool
	keys []string // what HostKey lines name
	lost bool     // something is included that cannot be read here
	left int      // patterns that are still looked at
}

// file reads a file and what it includes; false: there is none.
func (s *sshd) file(name string, depth int) bool {
	if s.seen[name] || depth > maxIncludes {
		return true
	}
	s.seen[name] = true
	text, ok := s.c.read(name)
	if !ok {
		return false
	}
	for line := range strings.Lines(text) {
		keyword, args := directive(line)
		switch {
		case strings.EqualFold(keyword, "HostKey") && len(args) > 0:
			s.keys = append(s.keys, args[0])
		case strings.EqualFold(keyword, "Include"):
			for _, pattern := range args {
				if !strings.HasPrefix(pattern, "/") {
					pattern = "/etc/ssh/" + pattern
				}
				if rest, ok := strings.CutPrefix(pattern, "/etc/"); ok {
					pattern = s.etc + "/" + rest
				}
				s.include(pattern, depth+1)
			}
		}
	}
	return true
}

// include reads the files that a pattern stands for; one that stands for none is no fault, to sshd neither. Patterns in the names of directories are
// not followed.
func (s *sshd) include(pattern string, depth int) {
	const special = `*?[\`
	dir, base := path.Split(pattern)
	s.left--
	switch {
	case s.left < 0:
		s.lost = true
	case strings.ContainsAny(dir, special):
		s.lost = true
	case !strings.ContainsAny(base, special):
		if !s.file(pattern, depth) {
			s.lost = true // it may be made later
		}
	default:
		for _, name := range s.c.list(strings.TrimSuffix(dir, "/")) {
			ok, err := path.Match(base, name)
			if err != nil || ok && !s.file(dir+name, depth) {
				s.lost = true
			}
		}
	}
}

// directive takes a line of an sshd_config apart (sshd_config(5)): a keyword in letters of either case, arguments that may be quoted, behind blanks
// or one "=", and a comment.
func directive(line string) (keyword string, args []string) {
	line = strings.TrimSpace(line)
	i := strings.IndexAny(line, " \t=")
	if i < 0 || strings.HasPrefix(line, "#") {
		return "", nil
	}
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(line[i:], " \t"), "="))
	for rest != "" && rest[0] != '#' {
		var arg string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			arg, rest, _ = strings.Cut(quoted, `"`)
		} else if end := strings.IndexAny(rest, " \t#"); end >= 0 {
			arg, rest = rest[:end], rest[end:]
		} else {
			arg, rest = rest, ""
		}
		args = append(args, arg)
		rest = strings.TrimLeft(rest, " \t")
	}
	return line[:i], args
}
