// What every manifest must fulfil, whether it was parsed or built by a program.
package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"boringboot/internal/netenv"
)

// ErrManifest: the manifest itself is wrong, before any secret was looked at.
var ErrManifest = errors.New("invalid manifest")

// modeBits are the bits of fs.FileMode that an item may have.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// check is for manifests that did not come through Parse; Parse checks each item where it stands.
func (m *Manifest) check() error {
	if m.Version != 1 {
		return fmt.Errorf("%w: version %d is unknown, 1 is known", ErrManifest, m.Version)
	}
	for _, it := range m.Files {
		if err := it.check(); err != nil {
			return fmt.Errorf("%s: %w", it.name(), err)
		}
	}
	return checkTogether(m.Files)
}

func (it Item) check() error {
	if err := CheckPath(it.Path); err != nil {
		return err
	}
	if it.Mode&^modeBits != 0 {
		return fmt.Errorf("%w: mode %v has more than permission bits", ErrManifest, it.Mode)
	}
	if it.UID == noOwner || it.GID == noOwner {
		return fmt.Errorf("%w: %d is no owner (it means \"leave as it is\")", ErrManifest, uint32(noOwner))
	}
	switch f := it.From; f.Source {
	case SSHPrivateKey:
		if it.Mode&0o077 != 0 {
			return fmt.Errorf("%w: mode %#o: sshd does not load a private key that others than its owner can read", ErrManifest, it.Mode.Perm())
		}
		return checkKey(f.Key)
	case SSHPublicKeyOf, Secret:
		return checkKey(f.Key)
	case EnvironmentVars:
		return checkVars(f.Vars)
	case Age, LocalFile:
		if f.File == "" || strings.IndexByte(f.File, 0) >= 0 {
			return fmt.Errorf("%w: %s: %q names no file", ErrManifest, f.Source, f.File)
		}
	case Link:
		if err := checkTarget(f.Target); err != nil {
			return fmt.Errorf("%w: %w", ErrManifest, err)
		}
	case Text, Dir:
	default:
		return fmt.Errorf("%w: source %q is unknown", ErrManifest, f.Source)
	}
	return nil
}

// noOwner is (uid_t)-1, which chown(2) takes for "unchanged".
const noOwner = 1<<32 - 1

// checkKey says why key cannot name a value of a SOPS file.
func checkKey(key string) error {
	for _, part := range strings.Split(key, "/") {
		if part == "" {
			return fmt.Errorf("%w: %q is not a key of a SOPS file (a/b/c for a nested one)", ErrManifest, shorten(key))
		}
	}
	if why := checkText(key); why != "" {
		return fmt.Errorf("%w: the key %q %s", ErrManifest, shorten(key), why)
	}
	return nil
}

func checkVars(vars []Variable) error {
	if len(vars) == 0 {
		return fmt.Errorf("%w: environment names no variable", ErrManifest)
	}
	seen := make(map[string]bool)
	for _, v := range vars {
		// An empty value is one that can be carried: what is left to refuse is the name.
		if _, err := netenv.Encode([]netenv.Var{{Name: v.Name}}); err != nil {
			return fmt.Errorf("%w: %w", ErrManifest, err)
		}
		if seen[v.Name] {
			return fmt.Errorf("%w: the variable %s is there twice", ErrManifest, v.Name)
		}
		seen[v.Name] = true
		if err := checkKey(v.Key); err != nil {
			return err
		}
	}
	return nil
}
