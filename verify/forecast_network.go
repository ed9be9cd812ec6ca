// What NetworkManager's configuration in the image says of the environment file.

package verify

import "strings"

// environmentUnused says whether NetworkManager is configured, and nothing of it, nor a unit of systemd, names the environment file.
func (c *config) environmentUnused(etcs []string, file string) (at string, unused bool) {
	for _, etc := range etcs {
		configured, named := c.networkManager(etc, file)
		if named {
			return "", false
		}
		if configured {
			at, unused = etc, true
		}
	}
	return at, unused
}

// networkManager looks through the configuration, the connections and those units of systemd that are NetworkManager's.
func (c *config) networkManager(etc, file string) (configured, named bool) {
	look := func(path string) {
		text := c.text(path)
		configured = configured || text != ""
		named = named || namesFile(text, file)
	}
	look(etc + "/NetworkManager/NetworkManager.conf")
	for _, dir := range []string{"/NetworkManager/conf.d", "/NetworkManager/system-connections"} {
		for _, name := range c.list(etc + dir) {
			look(etc + dir + "/" + name)
		}
	}
	for _, name := range c.list(etc + "/systemd/system") {
		if !strings.HasPrefix(name, "NetworkManager") {
			continue
		}
		path := etc + "/systemd/system/" + name
		if strings.HasSuffix(name, ".d") {
			for _, part := range c.list(path) {
				look(path + "/" + part)
			}
			continue
		}
		look(path)
	}
	return configured, named
}

// namesFile says whether a unit, a file of keys or a script has a path in it: whole, and not in a comment.
func namesFile(text, file string) bool {
	script := strings.HasPrefix(text, "#!")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") && !script {
			continue
		}
		if script {
			line = withoutComment(line)
		}
		for at := 0; ; {
			i := strings.Index(line[at:], file)
			if i < 0 {
				break
			}
			before, after := line[:at+i], line[at+i+len(file):]
			if startsWord(before) && (after == "" || !inPath(after[0])) {
				return true
			}
			at += i + len(file)
		}
	}
	return false
}

// startsWord says whether a path may begin behind this part of a line. A unit's path may be behind "-": it need not be there.
func startsWord(before string) bool {
	if rest, ok := strings.CutSuffix(before, "-"); ok {
		return rest == "" || strings.HasSuffix(rest, "=") || strings.HasSuffix(rest, " ")
	}
	return before == "" || strings.HasSuffix(before, "=") || !inPath(before[len(before)-1])
}

// inPath says whether a character would make another path of what is before or behind it.
func inPath(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte(`_-./~+@%#=$*?\{}[]`, c) >= 0
}

// withoutComment cuts a line of a shell's off at "#", where that begins a word outside quotes.
func withoutComment(line string) string {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '#' && (i == 0 || strings.IndexByte(" \t;&|(", line[i-1]) >= 0):
			return line[:i]
		}
	}
	return line
}
