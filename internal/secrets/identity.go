// Identities: age keys where sops looks for them, and what to say when none of them fits.
//
// The looking itself is sops': a MasterKey decrypts with what SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD,
// SOPS_AGE_SSH_PRIVATE_KEY_FILE, SOPS_AGE_SSH_PRIVATE_KEY_CMD, ~/.ssh/id_ed25519, ~/.ssh/id_rsa and sops/age/keys.txt in the user's
// configuration directory give it. This file runs it, and tells its failures apart.
package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	sopsage "github.com/getsops/sops/v3/age"
)

// identityHint says where an identity is named: an SSH key elsewhere than an age identity. kinds are the recipients of a file, each as
// sops writes it (age1…, ssh-ed25519 AAAA…) or as the header of an age file does (X25519, ssh-ed25519).
func identityHint(kinds []string) string {
	ssh := slices.ContainsFunc(kinds, isSSH)
	switch {
	case ssh && !slices.ContainsFunc(kinds, func(k string) bool { return !isSSH(k) }):
		return "name the file of your private SSH key in " + sopsage.SopsAgeSshPrivateKeyFileEnv
	case ssh:
		return "name the file of your age identity in " + sopsage.SopsAgeKeyFileEnv + ", or that of your private SSH key in " + sopsage.SopsAgeSshPrivateKeyFileEnv
	}
	return "name the file of your age identity in " + sopsage.SopsAgeKeyFileEnv
}

func isSSH(kind string) bool { return strings.HasPrefix(kind, "ssh-") }

// orUpdateKeys follows the hint about a SOPS file.
const orUpdateKeys = ", or have the file encrypted to it as well (sops updatekeys)"

// lockedError is an identity that is there and cannot be used. Its kind is ErrNoIdentity.
type lockedError struct{ why string }

func (e *lockedError) Error() string { return e.why }
func (e *lockedError) Unwrap() error { return ErrNoIdentity }

// decryptAge decrypts what mk holds, an armored age file. Errors are ErrNoIdentity, ErrWrongIdentity or ErrDamaged, without
// the library's text.
func decryptAge(mk *sopsage.MasterKey) (plaintext []byte, err error) {
	if err := checkCommands(); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			plaintext, err = nil, ErrDamaged
		}
	}()
	if _, err := age.ExtractHeader(armor.NewReader(strings.NewReader(mk.EncryptedKey))); err != nil {
		return nil, ErrDamaged
	}
	restore := feed()
	defer restore()
	plaintext, err = mk.Decrypt()
	if err == nil {
		return plaintext, nil
	}
	var noMatch *age.NoIdentityMatchError
	var noPlugin *plugin.NotFoundError
	switch {
	case errors.As(err, &noMatch):
		return nil, ErrWrongIdentity
	case errors.As(err, &noPlugin):
		return nil, &lockedError{"an identity needs the program age-plugin-" + printable(noPlugin.Name) + ", which is not installed"}
	case errors.Unwrap(err) == nil: // sops wraps what age says; only "found no identity" is its own
		return nil, ErrNoIdentity
	case strings.Contains(err.Error(), "passphrase"):
		return nil, &lockedError{"an identity is protected by a passphrase and could not be unlocked"}
	case strings.Contains(err.Error(), "plugin"):
		return nil, &lockedError{"the plugin of an identity failed"}
	}
	return nil, ErrDamaged
}

// checkCommands refuses an empty command, on which sops would panic. What begins with # is a comment to it.
func checkCommands() error {
	for _, name := range []string{sopsage.SopsAgeKeyCmdEnv, sopsage.SopsAgeSshPrivateKeyCmdEnv} {
		v, set := lookupEnv(name)
		if v = strings.TrimSpace(v); set && (v == "" || !strings.Contains(v, "\n") && v[0] == '#') {
			return &lockedError{name + " is set but empty"}
		}
	}
	return nil
}

// place is where an identity is looked for.
type place struct {
	name  string
	state string // what is wrong with it; empty: an identity was found there
	set   bool   // the user named this place, so that something wrong with it is worth telling
}

// places looks at every place again, to say what was found in it. It decrypts nothing and runs no command.
func places() []place {
	var all []place
	env := func(name string, look func(value string) string) {
		v, set := lookupEnv(name)
		if !set {
			all = append(all, place{name: name, state: "not set"})
			return
		}
		all = append(all, place{name: name, state: look(v), set: true})
	}
	env(sopsage.SopsAgeKeyEnv, func(v string) string { return identities(strings.Fields(v)...) })
	env(sopsage.SopsAgeKeyFileEnv, named(identityFile))
	env(sopsage.SopsAgeKeyCmdEnv, func(string) string { return "its command gave none that fits" })
	env(sopsage.SopsAgeSshPrivateKeyFileEnv, named(readable))
	env(sopsage.SopsAgeSshPrivateKeyCmdEnv, func(string) string { return "its command gave none that fits" })
	for _, file := range defaultSSHFiles() {
		all = append(all, place{name: file, state: readable(file)})
	}
	if file := defaultAgeFile(); file != "" {
		all = append(all, place{name: file, state: identityFile(file)})
	}
	return all
}

// describe lists places as "NAME (state)". troubled leaves out those that hold an identity and those that nobody named.
func describe(all []place, troubled bool) []string {
	var texts []string
	for _, p := range all {
		switch {
		case p.state == "" && !troubled:
			texts = append(texts, p.name+" (not usable)")
		case p.state != "" && (!troubled || p.set):
			texts = append(texts, p.name+" ("+p.state+")")
		}
	}
	return texts
}

// defaultSSHFiles are the SSH keys that sops tries without being told of them.
func defaultSSHFiles() []string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" {
		return nil
	}
	return []string{filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa")}
}

// defaultAgeFile is the file of age identities that sops reads without being told of it; "" where there is no directory for it.
func defaultAgeFile() string {
	dir := configDir()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, filepath.FromSlash(sopsage.SopsAgeKeyUserConfigPath))
}

// configDir is where sops looks for sops/age/keys.txt.
func configDir() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); runtime.GOOS == "darwin" && dir != "" {
		return dir
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return dir
}

func identities(lines ...string) string {
	var ids sopsage.ParsedIdentities
	if err := ids.Import(lines...); err != nil {
		return "it holds something that is no age identity"
	}
	if len(ids) == 0 {
		return "it is empty"
	}
	return ""
}

// named puts the file's name before what look says of it.
func named(look func(file string) string) func(string) string {
	return func(file string) string {
		if holdsKey(file) {
			return "it holds a key itself, where the name of a file belongs"
		}
		if why := look(file); why != "" {
			return printable(file) + ": " + why
		}
		return ""
	}
}

// holdsKey says whether what should be the name of a file is a key: it is not quoted then.
func holdsKey(name string) bool {
	upper := strings.ToUpper(name)
	for _, mark := range []string{"AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY"} {
		if strings.Contains(upper, mark) {
			return true
		}
	}
	return false
}

func identityFile(file string) string {
	if why := readable(file); why != "" {
		return why
	}
	var data []byte
	var err error
	if f := readOnce(file); f != nil {
		data = f.data
	} else if data, err = readAll(file); err != nil {
		return "cannot be read"
	}
	text := string(data)
	if strings.HasPrefix(text, "age-encryption") || strings.HasPrefix(text, "-----BEGIN AGE") {
		return ""
	}
	return identities(text)
}

// readable says why a file cannot be read: "" if it can.
func readable(file string) string {
	var f *os.File
	var err error
	if once := readOnce(file); once != nil {
		err = once.err
	} else if f, err = os.Open(file); err == nil {
		f.Close()
	}
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return err.Error()
	}
	return ""
}

// printable makes what comes from a file or the environment fit for one line of a terminal.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// shortList is the first n of list, and how many more there are.
func shortList(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}
