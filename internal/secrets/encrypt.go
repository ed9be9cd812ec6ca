// Encrypting, for files that are made on the spot: the demo's, and those of tests.
package secrets

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/version"
)

// Encrypt returns a SOPS file with these values, sorted by key, encrypted to age recipients ("age1…" or "ssh-ed25519 …"). The
// file is YAML, and is to be called name. "a/b" is b in a.
func Encrypt(name string, values map[string]string, recipients []string) ([]byte, error) {
	if formatOf(name, nil) != YAML {
		return nil, fmt.Errorf("%s: only YAML is written", name)
	}
	var root sops.TreeBranch
	for _, key := range slices.Sorted(maps.Keys(values)) {
		parts := strings.Split(key, "/")
		path := make([]any, len(parts))
		for i, part := range parts {
			path[i] = part
		}
		root, _ = root.Set(path, values[key])
	}
	return encryptTree(sops.TreeBranches{root}, recipients)
}

// newTree is a tree whose data key is to be encrypted to recipients.
func newTree(branches sops.TreeBranches, recipients []string) (sops.Tree, error) {
	var group sops.KeyGroup
	for _, r := range recipients {
		mk, err := age.MasterKeyFromRecipient(r)
		if err != nil {
			return sops.Tree{}, errors.New("a recipient is not one of age's") // not quoted: it might be an identity
		}
		group = append(group, mk)
	}
	if len(group) == 0 {
		return sops.Tree{}, errors.New("no recipient to encrypt to")
	}
	return sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups:         []sops.KeyGroup{group},
		UnencryptedSuffix: sops.DefaultUnencryptedSuffix,
		Version:           version.Version,
	}}, nil
}

func encryptTree(branches sops.TreeBranches, recipients []string) ([]byte, error) {
	tree, err := newTree(branches, recipients)
	if err != nil {
		return nil, err
	}
	key, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		return nil, errors.New("the data key could not be encrypted to every recipient")
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		return nil, errors.New("a value has a type that sops does not encrypt")
	}
	tree.Metadata.LastModified = time.Now().UTC()
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, errors.New("the MAC could not be encrypted")
	}
	return emitYAML(tree)
}
