package secrets

// This file holds what the tests need of sops' own packages, which judge ours. No program of ours links them.

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"github.com/getsops/sops/v3/version"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// notInline: where on its line a comment stands matters to who writes it, and we write none.
var notInline = cmpopts.IgnoreFields(sops.Comment{}, "Inline")

// realStore is sops' own reader and writer of a format.
func realStore(f Format) sops.Store {
	switch f {
	case JSON:
		return sopsjson.NewStore(&config.JSONStoreConfig{Indent: -1})
	case Dotenv:
		return dotenv.NewStore(&config.DotenvStoreConfig{})
	case INI:
		return ini.NewStore(&config.INIStoreConfig{})
	}
	return sopsyaml.NewStore(&config.YAMLStoreConfig{})
}

// encryptDocument does what "sops encrypt" does, with sops' own reader and writer. rules change the metadata.
func encryptDocument(name string, plaintext []byte, recipients []string, rules ...func(*sops.Metadata)) ([]byte, error) {
	store := realStore(formatOf(name, plaintext))
	branches, err := store.LoadPlainFile(plaintext)
	if err != nil {
		return nil, err
	}
	return encryptBranches(store, branches, recipients, rules...)
}

// encryptValues is Encrypt for every format, with sops' own writer.
func encryptValues(name string, values map[string]string, recipients []string) ([]byte, error) {
	format := formatOf(name, nil)
	var root sops.TreeBranch
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := []any{key}
		if format == INI {
			path = []any{"DEFAULT", key}
		}
		root, _ = root.Set(path, values[key])
	}
	return encryptBranches(realStore(format), sops.TreeBranches{root}, recipients)
}

func encryptBranches(store sops.Store, branches sops.TreeBranches, recipients []string, rules ...func(*sops.Metadata)) ([]byte, error) {
	var group sops.KeyGroup
	for _, r := range recipients {
		mk, err := sopsage.MasterKeyFromRecipient(r)
		if err != nil {
			return nil, err
		}
		group = append(group, mk)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups: []sops.KeyGroup{group}, UnencryptedSuffix: sops.DefaultUnencryptedSuffix, Version: version.Version,
	}}
	for _, rule := range rules {
		rule(&tree.Metadata)
	}
	key, errs := tree.GenerateDataKey()
	if errs != nil {
		return nil, errs[0]
	}
	if err := encryptAsSops(&tree, key); err != nil {
		return nil, err
	}
	return store.EmitEncryptedFile(tree)
}

// encryptAsSops encrypts every value and the MAC over them.
func encryptAsSops(tree *sops.Tree, key []byte) error {
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		return err
	}
	tree.Metadata.LastModified = time.Now().UTC()
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	return err
}

// decryptAsSops decrypts every value and wants the MAC to be that over them.
func decryptAsSops(tb testing.TB, tree sops.Tree, key []byte) {
	tb.Helper()
	mac, err := tree.Decrypt(key, aes.NewCipher())
	if err != nil {
		tb.Fatal(err)
	}
	want, err := aes.NewCipher().Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || want != mac {
		tb.Fatalf("the MAC is %v (%v), sops computes %s", want, err, mac)
	}
}

// toSops is a tree as sops has it.
func toSops(v any) any {
	switch v := v.(type) {
	case []branch:
		var documents sops.TreeBranches
		for _, b := range v {
			documents = append(documents, toSops(b).(sops.TreeBranch))
		}
		return documents
	case branch:
		var b sops.TreeBranch
		if v != nil {
			b = sops.TreeBranch{}
		}
		for _, it := range v {
			b = append(b, sops.TreeItem{Key: toSops(it.key), Value: toSops(it.value)})
		}
		return b
	case []any:
		var list []any
		for _, element := range v {
			list = append(list, toSops(element))
		}
		return list
	case comment:
		return sops.Comment{Value: string(v)}
	}
	return v
}

// fromSops is a tree of sops' as we have it.
func fromSops(v any) any {
	switch v := v.(type) {
	case sops.TreeBranches:
		var documents []branch
		for _, b := range v {
			documents = append(documents, fromSops(b).(branch))
		}
		return documents
	case sops.TreeBranch:
		var b branch
		for _, it := range v {
			b = append(b, item{fromSops(it.Key), fromSops(it.Value)})
		}
		return b
	case []any:
		var list []any
		for _, element := range v {
			list = append(list, fromSops(element))
		}
		return list
	case sops.Comment:
		return comment(v.Value)
	}
	return v
}

// readTree is read, with sops' types.
func readTree(f Format, data []byte) (sops.TreeBranches, error) {
	documents, err := f.read(data)
	if err != nil && documents != nil {
		panic("a tree with an error")
	}
	return toSops(documents).(sops.TreeBranches), err
}
