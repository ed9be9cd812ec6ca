// The names of secret files, on images that have others.

package verify

import (
	"slices"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

func TestAFileWithASecretHasNoOtherName(t *testing.T) {
	const link = "set_inode_field " + keyPath + " links_count "
	for _, tt := range []struct {
		name     string
		commands []string
		change   func(want []manifest.Entry) []manifest.Entry
		says     []string // of each finding; none: nothing is wrong
	}{
		{name: "no other name"},
		{name: "another name", commands: []string{"ln " + keyPath + " /srv/copy", link + "2"},
			says: []string{keyPath + ": its content can be reached by another name: /srv/copy"}},
		{name: "one beside it", commands: []string{"ln " + keyPath + " " + keyPath + ".old", link + "2"},
			says: []string{keyPath + ": its content can be reached by another name: " + keyPath + ".old"}},
		{name: "five of them",
			commands: []string{"ln " + keyPath + " /a", "ln " + keyPath + " /b", "ln " + keyPath + " /c", "ln " + keyPath + " /d", "ln " + keyPath + " /srv/empty/e", link + "6"},
			says:     []string{keyPath + ": its content can be reached by 5 other names, among them /a, /b, /c"}},
		{name: "a link count alone", commands: []string{link + "2"},
			says: []string{keyPath + ": its content can be reached by another name, as its link count says"}},
		{name: "another name of a file without a secret", commands: []string{"ln " + bigPath + " /srv/copy", "set_inode_field " + bigPath + " links_count 2"}},
		{name: "another name that is wanted", commands: []string{"ln " + keyPath + " /srv/copy", link + "2"},
			change: func(want []manifest.Entry) []manifest.Entry {
				second := want[0]
				second.Path, second.Link = "/srv/copy", keyPath
				return append(want, second)
			}},
		{name: "another name besides one that is wanted", commands: []string{"ln " + keyPath + " /srv/copy", "ln " + keyPath + " /srv/more", link + "3"},
			change: func(want []manifest.Entry) []manifest.Entry {
				second := want[0]
				second.Path, second.Link = "/srv/copy", keyPath
				return append(want, second)
			},
			says: []string{keyPath + ": its content can be reached by another name: /srv/more", "/srv/copy: its content can be reached by another name: /srv/more"}},
		{name: "one name, reached by a symlink, too", commands: []string{"symlink /boot /var/lib/bootstrap"},
			change: func(want []manifest.Entry) []manifest.Entry {
				second := want[0]
				second.Path = "/boot/ssh_host_ed25519_key"
				return append(want, second)
			}},
		{name: "one name that is reached by a symlink, and another", commands: []string{"symlink /boot /var/lib/bootstrap", "ln " + keyPath + " /srv/copy", link + "2"},
			change: func(want []manifest.Entry) []manifest.Entry {
				want[0].Path = "/boot/ssh_host_ed25519_key"
				return want
			},
			says: []string{"/boot/ssh_host_ed25519_key: its content can be reached by another name: /srv/copy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := standard(t)
			path := image(t, testimage.Options{StorePaths: -1, Size: 16 << 20}, want)
			testimage.DebugfsWrite(t, path, 0, tt.commands...)
			for _, i := range []int{0, 2} {
				want[i].Secret = true
			}
			if tt.change != nil {
				want = tt.change(want)
			}
			for how, r := range map[string]*Report{"contents": contents(t, path, want), "bootstrap": bootstrap(t, path, want)} {
				var says []string
				for _, f := range r.Findings {
					if f.Severity != Error || f.Code != codeOtherName {
						t.Errorf("%s: %s [%s] %s", how, f.Severity, f.Code, f)
					}
					says = append(says, f.String())
				}
				if !slices.Equal(says, tt.says) {
					t.Errorf("%s: findings\n%s\nwant\n%s", how, strings.Join(says, "\n"), strings.Join(tt.says, "\n"))
				}
			}
		})
	}
}
