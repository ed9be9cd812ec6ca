// Metadata: what sops writes into a file beside its values. Who may decrypt it, which values are encrypted, the MAC.
package secrets

import (
	"errors"
	"strings"
	"time"
)

// metadataKey is the key, or the section, that the metadata stands below. In dotenv, which has neither, it begins their names.
const metadataKey = "sops"

var errNoMetadata = errors.New("no metadata")

// metadata is sops' metadata.
type metadata struct {
	groups           []group
	threshold        int // how many groups give the data key; 0: all of them
	rule             rule
	macOnlyEncrypted bool
	mac              string // encrypted
	lastModified     time.Time
}

// group is recipients each of whom can decrypt the data key, or the group's part of it.
type group []recipient

// recipient is one of them, with the key as it was encrypted to it.
type recipient struct {
	kind string // "age", "pgp", "kms" and others, as sops calls them
	name string // of an age recipient, what it is encrypted to; else what identifies it
	key  string
}

const kindAge = "age"

// recipientKinds are sops' kinds of recipients, in the order in which it reads them. The name of one is made of fields, each after what
// stands before it.
var recipientKinds = [...]struct {
	kind string
	name [][2]string
}{
	{"kms", [][2]string{{"", "arn"}}},
	{"gcp_kms", [][2]string{{"", "resource_id"}}},
	{"hckms", [][2]string{{"", "key_id"}}},
	{"azure_kv", [][2]string{{"", "vault_url"}, {"/keys/", "name"}, {"/", "version"}}},
	{"hc_vault", [][2]string{{"", "vault_address"}, {"/v1/", "engine_path"}, {"/keys/", "key_name"}}},
	{"pgp", [][2]string{{"", "fp"}}},
	{kindAge, [][2]string{{"", "recipient"}}},
}

// takeMetadata takes the metadata out of a file's documents.
func takeMetadata(format Format, documents []branch) ([]branch, *metadata, error) {
	var found branch
	var err error
	if format == Dotenv {
		found = takePrefixed(documents)
	} else if found, err = takeMapping(documents); err != nil {
		return nil, nil, err
	}
	if found == nil {
		return nil, nil, errNoMetadata
	}
	switch format {
	case INI:
		for i, it := range found {
			if text, ok := it.value.(string); ok {
				found[i].value = strings.ReplaceAll(text, `\n`, "\n")
			}
		}
		fallthrough
	case Dotenv:
		if found, err = unflatten(found); err != nil {
			return nil, nil, err
		}
	}
	md, err := parseMetadata(found)
	return documents, md, err
}

// takeMapping takes the mapping that is called sops: that of the first document counts, those of others are its copies.
func takeMapping(documents []branch) (branch, error) {
	var found branch
	seen := false
	for i, document := range documents {
		kept := document[:0]
		for _, it := range document {
			if it.key != metadataKey {
				kept = append(kept, it)
				continue
			}
			if i > 0 {
				continue
			}
			b, ok := it.value.(branch)
			if !ok || seen {
				return nil, errors.New("the metadata is no mapping, or is there twice")
			}
			found, seen = b, true
		}
		documents[i] = kept
	}
	return found, nil
}

// takePrefixed takes the lines whose names begin with sops_.
func takePrefixed(documents []branch) branch {
	var found branch
	for i, document := range documents[:min(1, len(documents))] {
		kept := document[:0]
		for _, it := range document {
			name, _ := it.key.(string)
			if name, ok := strings.CutPrefix(name, metadataKey+"_"); ok {
				found = append(found, item{name, it.value})
			} else {
				kept = append(kept, it)
			}
		}
		documents[i] = kept
	}
	return found
}

func parseMetadata(b branch) (*metadata, error) {
	var r fieldReader
	f := r.fields(b)
	md := &metadata{
		threshold:        r.number(f, "shamir_threshold"),
		macOnlyEncrypted: r.truth(f, "mac_only_encrypted"),
		mac:              r.text(f, "mac"),
		lastModified:     r.time(f, "lastmodified"),
	}
	r.text(f, "version")
	all := r.group(f)
	for _, g := range r.list(f, "key_groups") {
		md.groups = append(md.groups, r.group(g))
	}
	if len(all) > 0 {
		md.groups = []group{all}
	}
	if len(md.groups) == 0 {
		r.fail("it has no recipients")
	}
	md.rule = r.rule(f)
	if r.err != nil {
		return nil, r.err
	}
	return md, nil
}

// group reads the recipients of a group.
func (r *fieldReader) group(f fields) group {
	var g group
	for _, k := range recipientKinds {
		for _, one := range r.list(f, k.kind) {
			name := ""
			for _, part := range k.name {
				name += part[0] + r.text(one, part[1])
			}
			if k.kind != kindAge {
				r.time(one, "created_at")
			}
			g = append(g, recipient{k.kind, name, r.text(one, "enc")})
		}
	}
	return g
}

// rule reads which values are encrypted. sops writes no more than one of these.
func (r *fieldReader) rule(f fields) rule {
	var found []rule
	add := func(name string, of func(text string) rule) {
		if text := r.text(f, name); text != "" {
			found = append(found, of(text))
		}
	}
	add("unencrypted_suffix", func(text string) rule { return suffixRule(text, false) })
	add("encrypted_suffix", func(text string) rule { return suffixRule(text, true) })
	add("unencrypted_regex", func(text string) rule { return regexRule(text, false, false) })
	add("encrypted_regex", func(text string) rule { return regexRule(text, true, false) })
	add("unencrypted_comment_regex", func(text string) rule { return regexRule(text, false, true) })
	add("encrypted_comment_regex", func(text string) rule { return regexRule(text, true, true) })
	switch len(found) {
	case 0:
		return suffixRule(defaultSuffix, false)
	case 1:
		return found[0]
	}
	r.fail("it has several rules for what is encrypted")
	return rule{}
}
