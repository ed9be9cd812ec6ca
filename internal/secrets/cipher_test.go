package secrets

import (
	"bytes"
	cryptoaes "crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/version"
	"github.com/google/go-cmp/cmp"
)

// testKey is a data key.
var testKey = bytes.Repeat([]byte{7}, dataKeySize)

func testCipher(tb testing.TB) *valueCipher {
	tb.Helper()
	c, err := newValueCipher(testKey)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// everyValue has each type that a value can have.
func everyValue() []any {
	return []any{"", "x", "é\x00\xff\n", strings.Repeat("long", 1000), 0, -1, 1<<63 - 1, 0.0, -0.5, 1e300, 12345678901234567.0, true, false,
		time.Date(2024, 2, 29, 1, 2, 3, 4, time.FixedZone("", 3600)), comment(" c"), comment("")}
}

func TestOneCipherDecryptsWhatTheOtherEncrypts(t *testing.T) {
	ours, theirs := testCipher(t), aes.NewCipher()
	for _, v := range everyValue() {
		text, err := theirs.Encrypt(toSops(v), testKey, "a:b:")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.decrypt(text, "a:b:")
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		want := v
		if v == comment("") {
			want = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-sops encrypted +we decrypted):\n%s", diff)
		}
		if text, err = ours.encrypt(v, "a:b:"); err != nil {
			t.Fatal(err)
		}
		back, err := aes.NewCipher().Decrypt(text, testKey, "a:b:")
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		if diff := cmp.Diff(toSops(want), back); diff != "" {
			t.Errorf("(-we encrypted +sops decrypted):\n%s", diff)
		}
	}
}

func TestWhatOneCipherRefusesTheOtherRefuses(t *testing.T) {
	ours, theirs := testCipher(t), aes.NewCipher()
	good, err := theirs.Encrypt("text", testKey, "a:")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCiphertext(good)
	if err != nil || c.size() != 4 {
		t.Fatal(err, c.size())
	}
	number, err := theirs.Encrypt(1, testKey, "a:")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, text := range []string{good, number, "", "x", "ENC[]", good + "x", good + "]", good + "]]", good + "\n", "\n" + good, " " + good, good + good, good[:len(good)-1], good[1:],
		replace("GCM", "CBC"), replace("data:", "data:A"), replace("data:", "data:\r"), replace("iv:", "iv:\n"), replace("tag:", "tag:,iv:"), replace(",iv:", ",tag:"),
		replace("type:str", "type:"), replace("type:str", "type:string"), replace("type:str", "type:int"), replace("type:str", "type:float"), replace("type:str", "type:bool"),
		replace("type:str", "type:time"), replace("type:str", "type:comment"), replace("type:str", "type:bytes"), strings.Replace(number, "int", "bool", 1), strings.Replace(number, "int", "float", 1),
		"ENC[AES256_GCM,data:,iv:,tag:,type:]", "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]",
		"ENC[AES256_GCM,data:AAAA,iv:" + base64.StdEncoding.EncodeToString(c.nonce) + ",tag:" + base64.StdEncoding.EncodeToString(c.sealed[4:]) + ",type:str]",
		"ENC[AES256_GCM,data:" + base64.StdEncoding.EncodeToString(c.sealed) + ",iv:" + base64.StdEncoding.EncodeToString(c.nonce) + ",tag:==,type:str]",
	} {
		compareCiphers(t, ours, text, "a:")
		compareCiphers(t, ours, text, "b:")
	}
}

func compareCiphers(t *testing.T, ours *valueCipher, text, place string) {
	t.Helper()
	want, wantErr := decryptAsCipher(text, place)
	got, err := ours.decrypt(text, place)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%q: sops says %v, we say %v", text, wantErr, err)
		return
	}
	if diff := cmp.Diff(want, toSops(got)); err == nil && diff != "" {
		t.Errorf("%q (-sops +ours):\n%s", text, diff)
	}
	if err != nil && strings.Contains(err.Error(), "text") {
		t.Errorf("the error quotes the value: %v", err)
	}
}

// decryptAsCipher is sops' cipher, which panics on the type bytes.
func decryptAsCipher(text, place string) (v any, err error) {
	defer func() {
		if recover() != nil {
			v, err = nil, errors.New("panic")
		}
	}()
	return aes.NewCipher().Decrypt(text, testKey, place)
}

// Nonces of 12 bytes are those of other programs that write sops' form.
func TestNoncesOfAnotherSizeAreRead(t *testing.T) {
	c := testCipher(t)
	block, err := cryptoaes.NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	short, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := []byte("twelve bytes")
	sealed := short.Seal(nil, nonce, []byte("v"), []byte("a:"))
	b64 := base64.StdEncoding.EncodeToString
	text := "ENC[AES256_GCM,data:" + b64(sealed[:1]) + ",iv:" + b64(nonce) + ",tag:" + b64(sealed[1:]) + ",type:str]"
	compareCiphers(t, c, text, "a:")
	if v, err := c.decrypt(text, "a:"); err != nil || v != "v" {
		t.Errorf("%v, %v", v, err)
	}
}

func TestTheSameValueIsNeverEncryptedAlike(t *testing.T) {
	c := testCipher(t)
	seen := map[string]bool{}
	for range 100 {
		text, err := c.encrypt("v", "a:")
		if err != nil || seen[text] {
			t.Fatalf("%s, %v", text, err)
		}
		seen[text] = true
	}
}

func TestTheVersionIsThatOfTheSopsThatJudgesUs(t *testing.T) {
	if sopsVersion != version.Version {
		t.Errorf("we write that %s has written a file, and have compared ourselves with %s", sopsVersion, version.Version)
	}
}

func FuzzCipher(f *testing.F) {
	c := testCipher(f)
	for _, v := range everyValue() {
		text, err := c.encrypt(v, "a:")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { compareCiphers(t, c, text, "a:") })
}
