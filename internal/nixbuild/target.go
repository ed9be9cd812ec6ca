// The installable: what nix is asked for, put together from parts that cannot change each other's meaning.

package nixbuild

import (
	"fmt"
	"regexp"
	"strings"

	"boringboot/internal/cli"
)

// maxHost is the longest host name, in bytes: that of a domain name (RFC 1035, 2.3.4, in text form).
const maxHost = 253

// Patterns are compiled where they are used: a start that asks nix for nothing pays for none.
const (
	hostPattern = `^[A-Za-z0-9_][A-Za-z0-9_.-]*$`
	// An attribute path as nix reads it on its command line: names with dots between them, quoted where they hold dots. No
	// escapes, and no '^' or '!', with which nix selects outputs.
	attrPattern = `^` + attrName + `(\.` + attrName + `)*$`
	attrName    = `([A-Za-z0-9_][A-Za-z0-9_'-]*|"[A-Za-z0-9_.'+-]+")`
)

// CheckHost says whether name may name a host: letters, digits, hyphen, underscore and dot, 1 to 253 of them, the first no hyphen
// or dot. So it can neither be an option, nor leave a directory, nor end its place in an attribute path. The error is an ErrHost.
func CheckHost(name string) error {
	if len(name) > maxHost {
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrHost, len(name), maxHost)
	}
	if !regexp.MustCompile(hostPattern).MatchString(name) {
		return cli.WithHint(fmt.Errorf("%w: %q", ErrHost, name),
			"a host is named with letters, digits, hyphens, underscores and dots, and begins with a letter, a digit or an underscore")
	}
	return nil
}

func (o Options) installable() (string, error) {
	if err := CheckHost(o.Host); err != nil {
		return "", err
	}
	flake, err := o.flake()
	if err != nil {
		return "", err
	}
	attr := o.Attr
	if attr == "" {
		attr = DefaultAttr
	}
	if !regexp.MustCompile(attrPattern).MatchString(attr) {
		return "", cli.WithHint(fmt.Errorf("%w: %q", ErrAttr, attr),
			"it is looked up below nixosConfigurations.%s, as in --attr %s", o.Host, DefaultAttr)
	}
	host := o.Host
	if strings.Contains(host, ".") {
		host = `"` + host + `"`
	}
	return flake + "#nixosConfigurations." + host + "." + attr, nil
}

func (o Options) flake() (string, error) {
	flake := o.Flake
	switch {
	case flake == "":
		return ".", nil
	case strings.HasPrefix(flake, "-"):
		return "", cli.WithHint(fmt.Errorf("%w: %q begins with a hyphen", ErrFlake, flake), "for a directory of that name write ./%s", flake)
	case strings.Contains(flake, "#"):
		return "", cli.WithHint(fmt.Errorf("%w: %q has a fragment", ErrFlake, flake),
			"name the flake alone: HOST says which configuration, --attr which attribute of it")
	case strings.ContainsFunc(flake, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return "", fmt.Errorf("%w: %q has control characters", ErrFlake, flake)
	}
	return flake, nil
}
