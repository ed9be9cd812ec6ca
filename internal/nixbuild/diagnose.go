// What went wrong: the kinds of failure, and how they are told from what nix says.

package nixbuild

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"boringboot/internal/cli"
)

// The kinds of failure, for errors.Is.
var (
	ErrHost          = errors.New("not a host name")
	ErrFlake         = errors.New("not a flake reference")
	ErrAttr          = errors.New("not an attribute path")
	ErrNixMissing    = errors.New("nix cannot be run")
	ErrNoAttribute   = errors.New("the flake has no such attribute")
	ErrBuild         = errors.New("nix build failed")
	ErrAnswer        = errors.New("nix's answer is not understood")
	ErrNoImage       = errors.New("no image in nix's result")
	ErrSeveralImages = errors.New("several images in nix's result")
)

// maxTail bounds what is kept of nix's standard error, in bytes, for telling one failure from another.
const maxTail = 64 << 10

// maxReason bounds what an error quotes of nix, in bytes.
const maxReason = 300

// diagnose turns the failure of a run, and what nix said last, into an error with a hint.
func diagnose(o Options, said string, failure error) error {
	reason := lastError(said)
	if strings.Contains(reason, "does not provide attribute") {
		attr := o.Attr
		if attr == "" {
			attr = DefaultAttr
		}
		return cli.WithHint(fmt.Errorf("%w: nixosConfigurations.%s.%s", ErrNoAttribute, o.Host, attr),
			"does the flake define nixosConfigurations.%s, and does that import an sd-image module of nixpkgs?", o.Host)
	}
	if reason == "" {
		reason = failure.Error()
	}
	err := fmt.Errorf("%w: %s", ErrBuild, reason)
	for _, known := range knownReasons {
		if regexp.MustCompile(known.pattern).MatchString(reason) {
			return cli.WithHint(err, "%s", known.hint)
		}
	}
	return err
}

// knownReasons are failures that have little to do with the configuration and a remedy outside of it. The words are those of
// nix 2.8 to 2.30 (src/libstore and src/libexpr/flake).
var knownReasons = []struct{ pattern, hint string }{
	{`required to build '.*', but I am a|[Rr]equired system: '`,
		"this machine cannot build for the host's platform: set boot.binfmt.emulatedSystems or a remote builder, or take a built image with --image FILE"},
	{`could not find a flake\.nix file|does not contain a '[^']*flake\.nix'|is not a flake`,
		"name the flake with --flake, or run this in its directory"},
	{`cannot connect to (daemon|socket)`,
		"is nix-daemon running?"},
}

const ansi = "\x1b\\[[0-9;]*[A-Za-z]"

// lastError returns the text of the last line of said that begins with "error:", without that word. Nix reports what ended it on
// such a line, last; where the line is bare, the text stands on a later one.
func lastError(said string) string {
	lines := strings.Split(regexp.MustCompile(ansi).ReplaceAllString(said, ""), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		text, found := strings.CutPrefix(strings.TrimSpace(lines[i]), "error:")
		if !found {
			continue
		}
		text = strings.TrimSpace(text)
		for i++; text == "" && i < len(lines); i++ {
			text = strings.TrimSpace(lines[i])
		}
		if len(text) > maxReason {
			text = strings.ToValidUTF8(text[:maxReason], "") + "…"
		}
		return text
	}
	return ""
}

// tail keeps the last limit bytes that are written to it, or up to twice as many.
type tail struct {
	buf   []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p[max(0, len(p)-t.limit):]...)
	if len(t.buf) > 2*t.limit {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.limit:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }
