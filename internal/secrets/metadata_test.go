package secrets

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/azkv"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/hckms"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/kms"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/stores"
	"github.com/getsops/sops/v3/version"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// readMetadata is what can be compared of ours and of sops' metadata. What the rule is, the tests of whole files compare.
type readMetadata struct {
	Groups       [][]string
	Threshold    int
	OnlyMAC      bool
	MAC          string
	LastModified time.Time
	Rest         sops.TreeBranches
}

func ours(format Format, documents []branch) (readMetadata, error) {
	documents, md, err := takeMetadata(format, documents)
	if err != nil {
		return readMetadata{}, err
	}
	r := readMetadata{nil, md.threshold, md.macOnlyEncrypted, md.mac, md.lastModified, toSops(documents).(sops.TreeBranches)}
	for _, g := range md.groups {
		var group []string
		for _, one := range g {
			group = append(group, one.kind+" "+one.name+" "+one.key)
		}
		r.Groups = append(r.Groups, group)
	}
	return r, nil
}

func theirs(format Format, documents sops.TreeBranches) (r readMetadata, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = readMetadata{}, fmt.Errorf("panic: %v", p)
		}
	}()
	options := map[Format]stores.MetadataOpts{
		YAML: {}, JSON: {}, Dotenv: {Flatten: stores.MetadataFlattenFull}, INI: {Flatten: stores.MetadataFlattenBelowTop, EscapeNewlines: true},
	}
	documents, md, err := stores.ExtractMetadata(documents, options[format])
	if err != nil {
		return readMetadata{}, err
	}
	r = readMetadata{nil, md.ShamirThreshold, md.MACOnlyEncrypted, md.MessageAuthenticationCode, md.LastModified, documents}
	for _, g := range md.KeyGroups {
		var group []string
		for _, one := range g {
			group = append(group, one.TypeToIdentifier()+" "+one.ToString()+" "+string(one.EncryptedDataKey()))
		}
		r.Groups = append(r.Groups, group)
	}
	return r, nil
}

// everyKind is a recipient of each kind that sops has, with a key.
func everyKind(t *testing.T) sops.KeyGroup {
	t.Helper()
	created := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	huawei, err := hckms.NewMasterKey("region:00000000-0000-0000-0000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	huawei.EncryptedKey, huawei.CreationDate = "h", created
	age := masterKey(t, newIdentity(t).Recipient().String())
	age.EncryptedKey = "-----BEGIN AGE ENCRYPTED FILE-----\nx\n-----END AGE ENCRYPTED FILE-----\n"
	return sops.KeyGroup{
		&kms.MasterKey{Arn: "arn:aws:kms:eu:1:key/x", EncryptedKey: "k", CreationDate: created},
		&gcpkms.MasterKey{ResourceID: "projects/p", EncryptedKey: "g", CreationDate: created}, huawei,
		&azkv.MasterKey{VaultURL: "https://v%/", Name: "n", Version: "1", EncryptedKey: "a", CreationDate: created},
		&hcvault.MasterKey{VaultAddress: "http://v", EnginePath: "transit", KeyName: "n", EncryptedKey: "v", CreationDate: created},
		&pgp.MasterKey{Fingerprint: "0123", EncryptedKey: "-----BEGIN PGP MESSAGE-----\n\nx\n", CreationDate: created},
		age,
	}
}

func TestMetadataOfEveryKindAndFormatIsThatOfSops(t *testing.T) {
	every := everyKind(t)
	for name, md := range map[string]sops.Metadata{
		"every kind of recipient": {KeyGroups: []sops.KeyGroup{every}},
		"groups":                  {KeyGroups: []sops.KeyGroup{every, every[5:], slices.Repeat(every[6:], 12)}, ShamirThreshold: 2},
		"a MAC of what is secret": {KeyGroups: []sops.KeyGroup{every}, MACOnlyEncrypted: true, EncryptedRegex: "^x\\n__map_y"},
	} {
		md.LastModified, md.MessageAuthenticationCode, md.Version = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), "ENC[x]", version.Version
		for _, format := range []Format{YAML, JSON, Dotenv, INI} {
			documents := sops.TreeBranches{{{Key: "k", Value: "v"}, {Key: "sop", Value: "w"}}}
			if format == INI {
				documents = sops.TreeBranches{{{Key: "s", Value: documents[0]}}}
			}
			if format == YAML {
				documents = append(documents, sops.TreeBranch{{Key: "second", Value: 1}})
			}
			data, err := realStore(format).EmitEncryptedFile(sops.Tree{Branches: documents, Metadata: md})
			if err != nil {
				t.Fatal(err)
			}
			compareMetadata(t, name, format, data, true)
		}
	}
}

// compareMetadata compares what we and sops take out of a file; readable says that both must be able to.
func compareMetadata(t *testing.T, name string, format Format, data []byte, readable bool) {
	t.Helper()
	documents, err := format.read(data)
	if err != nil {
		if readable {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	want, wantErr := theirs(format, toSops(documents).(sops.TreeBranches))
	got, err := ours(format, documents)
	switch {
	case (err == nil) != (wantErr == nil) && !lenient(data, err), readable && err != nil:
		t.Fatalf("%s %s: sops says %v, we say %v\n%s", name, format, wantErr, err, data)
	case err == nil && wantErr == nil:
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s %s (-sops +ours):\n%s", name, format, diff)
		}
	}
}

// lenient says whether we may differ from sops about a file: what only the clients of key services need is not looked at, and metadata
// does not nest deeper than it can.
func lenient(data []byte, err error) bool {
	text := strings.ToLower(string(data))
	return err != nil && strings.Contains(err.Error(), "nests too deep") ||
		slices.ContainsFunc([]string{"context", "role", "aws_profile", "hckms"}, func(s string) bool { return strings.Contains(text, s) })
}

// handWritten are metadata as sops never writes them, and reads them or not.
var handWritten = map[Format][]string{
	YAML: {
		"a: b\n", "sops: x\n", "sops: {}\n", "sops: null\n", "sops: {age: [{recipient: r, enc: e}], lastmodified: \"2024-01-01T00:00:00Z\", mac: m}\n",
		"sops: {age: {recipient: r, enc: e}, lastmodified: \"2024-01-01T00:00:00+02:00\", mac: 12, version: 3.5}\n",
		"sops: {age: [null, {recipient: true, enc: 1}], lastmodified: \"2024-01-01T00:00:00Z\", mac_only_encrypted: \"yes\"}\n",
		"sops: {age: [null, {recipient: true, enc: 1}], lastmodified: \"2024-01-01T00:00:00Z\", mac_only_encrypted: \"T\"}\n",
		"sops: {age: [], pgp: {}, lastmodified: \"2024-01-01T00:00:00Z\"}\n", "sops: {age: [x], lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {age: x, lastmodified: \"2024-01-01T00:00:00Z\"}\n", "sops: {age: [{}], lastmodified: 2024-01-01T00:00:00Z}\n",
		"sops: {AGE: [{Recipient: r}], LastModified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {pgp: [{fp: x}], age: [{}], lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {pgp: [{fp: x, created_at: \"2024-01-01T00:00:00Z\"}], age: [{}], lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {key_groups: [{age: [{}]}, {}], shamir_threshold: \"0x2\", lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {key_groups: [null, {age: [{}]}], shamir_threshold: 2.9, lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {age: [{}], unencrypted_suffix: a, encrypted_regex: b, lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops: {age: [{}], unencrypted_regex: [a], lastmodified: \"2024-01-01T00:00:00Z\"}\n",
		"sops:\n  # c\n  age:\n    # d\n    - recipient: r # e\n      enc: e\n  lastmodified: \"2024-01-01T00:00:00Z\"\n---\nx: y\nsops: z\n", "x: y\n---\nsops: {}\n",
	},
	JSON:   {`{"sops": {}}`, `{"sops": {"age": [{}], "lastmodified": "2024-01-01T00:00:00Z"}, "sops": {}}`, `{"sops": {"age": [{"enc": 1, "enc": 2}], "shamir_threshold": true, "lastmodified": "2024-01-01T00:00:00Z"}}`},
	Dotenv: {"a=b\n", "sops_mac=x\n", "sops_lastmodified=2024-01-01T00:00:00Z\nsops_age__list_0__map_enc=x\n#c\n", "sops_age__list_1__map_enc=x\n", "sops_a=x\nsops_a__map_b=y\n", "sops_a=x\nsops_a=y\n", "sops_age__list_x__map_enc=x\nsops_lastmodified=2024-01-01T00:00:00Z\n", "sops___map_=x\nsops__list_0__list_1=y\n", "sops_lastmodified=2024-01-01T00:00:00Z\nsops_age__list_0=x\n"},
	INI:    {"[sops]\n", "[sops]\na=b\n[sops]\nc=d\n", "[sops]\n; c\nage__list_0__map_enc = x\\ny\nlastmodified = 2024-01-01T00:00:00Z\n"},
}

func TestMetadataWrittenByHandIsReadAsSopsReadsIt(t *testing.T) {
	for format, texts := range handWritten {
		for _, text := range texts {
			compareMetadata(t, text, format, []byte(text), false)
		}
	}
}

func TestMetadataDoesNotNestWithoutEnd(t *testing.T) {
	identity(t)
	path := write(t, "s.env", []byte("sops_mac=x\nsops_a"+strings.Repeat(mapMark, 1<<20)+"=x\n"))
	if _, err := Open(t.Context(), path); err == nil {
		t.Error("it is opened")
	}
}

func FuzzMetadata(f *testing.F) {
	for format, texts := range handWritten {
		for _, text := range texts {
			f.Add(string(format), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		if f := Format(format); slices.Contains([]Format{YAML, JSON, Dotenv, INI}, f) {
			compareMetadata(t, "", f, data, false)
		}
	})
}

// The kinds of recipients are all that sops has.
func TestNoKindOfRecipientIsForgotten(t *testing.T) {
	var known []string
	for _, k := range recipientKinds {
		known = append(known, k.kind)
	}
	var have []string
	for _, k := range everyKind(t) {
		have = append(have, keys.MasterKey(k).TypeToIdentifier())
	}
	if diff := cmp.Diff(have, known); diff != "" {
		t.Errorf("(-sops +ours):\n%s", diff)
	}
}
