// The sops program: it is asked where a file's key is not age's to give but PGP's or a key service's. It gets the file on its standard input
// and answers on its standard output, which is a pipe. What it says on standard error may quote anything, and is not passed on.
package secrets

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	sopsage "github.com/getsops/sops/v3/age"

	"boringboot/internal/procgroup"
)

const (
	// sopsGrace is how long sops may take to end when it is told to.
	sopsGrace = time.Second
	// maxAnswer bounds its answer. JSON writes some bytes as six, but seldom.
	maxAnswer = 4 * maxFile
)

// sopsTimeout is what sops, and whomever it asks, may take: without a network some clients of key services retry for minutes.
var sopsTimeout = 60 * time.Second

// keyless is a file that age does not open, and that has recipients who might.
type keyless struct {
	file *File // still encrypted
	md   *metadata
	data []byte
	why  *Error
}

func (k *keyless) Error() string { return k.why.Error() }

// orBySops has sops decrypt a file that nobody here has the key of.
func orBySops(ctx context.Context, f *File, err error) (*File, error) {
	var k *keyless
	if !errors.As(err, &k) {
		return f, err
	}
	plain, err := k.askSops(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.file.fill(k.md, plain); err != nil {
		return nil, err
	}
	return k.file, nil
}

// answerFormat is what sops is to answer in. JSON keeps every byte of a text, but only the first of several documents.
func (k *keyless) answerFormat() Format {
	if len(k.file.documents) > 1 {
		return YAML
	}
	return JSON
}

// askSops returns the decrypted documents.
func (k *keyless) askSops(ctx context.Context) ([]branch, error) {
	program, err := exec.LookPath("sops")
	if err != nil {
		hint := "install sops" + orUpdateKeys
		if k.why.hint != "" {
			hint = strings.TrimSuffix(k.why.hint, orUpdateKeys) + ", or " + hint
		}
		return nil, k.failed("sops, the program that asks for keys that are not age's, is not in PATH", hint)
	}
	limited, cancel := context.WithTimeout(ctx, sopsTimeout)
	defer cancel()
	answer := procgroup.NewOutput(maxAnswer)
	cmd := exec.CommandContext(limited, program, sopsArguments(k.file.format, k.answerFormat())...)
	cmd.Env = sopsEnvironment(os.Environ(), len(k.md.groups) > 1)
	cmd.Stdin, cmd.Stdout = bytes.NewReader(k.data), answer
	err = procgroup.Run(limited, cmd, sopsGrace)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", k.file.path, ctx.Err())
	case limited.Err() != nil:
		return nil, k.failed(fmt.Sprintf("sops had no answer within %v", sopsTimeout), k.why.hint)
	case err != nil:
		return nil, k.explain(err)
	case answer.Overflowed():
		return nil, k.failed(fmt.Sprintf("sops answered more than %d MiB", maxAnswer>>20), "")
	}
	documents, err := k.answerFormat().read(answer.Bytes())
	if err != nil {
		return nil, k.failed("what sops answered cannot be read", "")
	}
	return documents, nil
}

// sopsArguments are in the words that every version knows. Windows has no name for the standard input, and sops (since 3.10) other words
// to read it.
func sopsArguments(input, output Format) []string {
	types := []string{"--input-type", string(input), "--output-type", string(output)}
	if runtime.GOOS == "windows" {
		return append([]string{"decrypt"}, types...)
	}
	return append(append([]string{"--decrypt"}, types...), "/dev/stdin")
}

// sopsEnvironment is env, without the identities that it holds themselves: they were tried. Among several groups, sops needs them too.
func sopsEnvironment(env []string, identities bool) []string {
	if identities {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.EqualFold(name, sopsage.SopsAgeKeyEnv) // Windows folds case
	})
}

// failed is the error of a file whose key nobody had, and of the program that was asked in the end.
func (k *keyless) failed(what, hint string) error {
	return &Error{File: k.file.path, Kind: k.why.Kind, text: k.why.text + "; " + what, hint: hint}
}

// explain says what sops' exit code says (cmd/sops/codes of its source).
func (k *keyless) explain(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return k.failed("sops could not be run", k.why.hint)
	}
	why := "sops decrypt " + k.file.path + " says why"
	switch exit.ExitCode() {
	case 25: // ErrorDecryptingTree
		return &Error{File: k.file.path, Kind: ErrDamaged, text: "damaged: sops says that a value is not what it encrypted"}
	case 24, 51, 52: // ErrorDecryptingMac, MacMismatch, MacNotFound
		return &Error{File: k.file.path, Kind: ErrDamaged, text: "damaged: sops says that its MAC does not match its values; something was changed without sops"}
	case 128: // CouldNotRetrieveKey
		return k.failed("sops gets no key for it either", cmp.Or(k.why.hint, why))
	}
	return k.failed(fmt.Sprintf("sops fails on it (%v)", exit), cmp.Or(k.why.hint, why))
}
