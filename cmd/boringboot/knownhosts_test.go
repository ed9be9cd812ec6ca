package main_test

// This file is about known_hosts files that have the host's key already, in another line than ours.

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func TestAKeyThatIsKnownIsNotAppendedAgain(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("old"))
	key := strings.Join(strings.Fields(string(w.public))[:2], " ")
	another := strings.Join(strings.Fields(string(w.read("old.pub")))[:2], " ")
	hashed := func(line string) string {
		w.write("hashed", []byte(line+"\n"))
		w.sh("ssh-keygen", "-H", "-f", w.path("hashed"))
		return strings.TrimSpace(string(w.read("hashed")))
	}
	for name, tt := range map[string]struct {
		line            string
		appended, other bool
	}{
		"with a comment":             {"bastet " + key + " my comment", false, false},
		"with another name":          {"10.0.0.7,bastet " + key, false, false},
		"written wide":               {"  bastet\t" + strings.ReplaceAll(key, " ", "   ") + "\r", false, false},
		"in capitals":                {"BASTET " + key, false, false},
		"hashed":                     {hashed("bastet " + key), false, false},
		"another host, hashed":       {hashed("sachmet " + key), true, false},
		"another port":               {"[bastet]:2222 " + key, true, false},
		"another key":                {"bastet " + another + " old", true, true},
		"another key, hashed":        {hashed("bastet " + another), true, true},
		"another host's, that ends":  {"notbastet " + key, true, false},
		"revoked":                    {"@revoked bastet " + another, true, false},
		"a comment":                  {"# bastet " + key, true, false},
		"a line that is none":        {"bastet ssh-ed25519", true, false},
		"a key that is cut short":    {"bastet " + key[:len(key)-4], true, false},
		"both keys, ours with words": {"bastet " + another + "\nbastet " + key + " words", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w.write("known_hosts", []byte(tt.line+"\n"))
			f := w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", image, "--force", "--known-hosts", "known_hosts")
			want := tt.line + "\n"
			if tt.appended {
				want += "bastet " + key + "\n"
			}
			if diff := cmp.Diff(want, string(w.read("known_hosts"))); diff != "" {
				t.Error(diff)
			}
			if told := strings.Contains(f.stdout, "trusts another"); told != tt.other {
				t.Errorf("told of another key: %v, want %v", told, tt.other)
			}
		})
	}
}
