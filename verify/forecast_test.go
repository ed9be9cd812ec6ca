// Images whose own configuration would defeat the files, and images that are fine.

package verify

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestTheForecastReadsTheImagesOwnConfiguration(t *testing.T) {
	const etc = "nix/store/00000000000000000000000000000000-etc/etc/"
	const other = "nix/store/11111111111111111111111111111111-etc/etc/"
	const conf = "nix/store/22222222222222222222222222222222-sshd.conf-final"
	const unit = "nix/store/33333333333333333333333333333333-unit-NetworkManager-ensure-profiles.service/NetworkManager-ensure-profiles.service"
	for _, c := range []struct {
		name  string
		files map[string]string // "-> target" is a symlink
		free  int64
		want  []string
	}{
		{"no configuration", nil, 0, nil},
		{"an sshd_config that names the key", map[string]string{"etc/ssh/sshd_config": "Port 22\nHostKey " + keyPath + "\n"}, 0, nil},
		{"an sshd_config that names another key", map[string]string{"etc/ssh/sshd_config": "HostKey /etc/ssh/ssh_host_ed25519_key\n"}, 0, []string{codeHostKeyUnused}},
		{"an sshd_config that names none", map[string]string{"etc/ssh/sshd_config": "# HostKey /etc/ssh/ssh_host_ed25519_key\nPort 22\n"}, 0, []string{codeHostKeyUnused}},
		{"an sshd_config that is empty", map[string]string{"etc/ssh/sshd_config": ""}, 0, []string{codeHostKeyUnused}},
		{"a comment that names the key", map[string]string{"etc/ssh/sshd_config": "#HostKey " + keyPath + "\n"}, 0, []string{codeHostKeyUnused}},
		{"parts without a HostKey line", map[string]string{
			"etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n", "etc/ssh/sshd_config.d/10.conf": "Port 22\n"}, 0, []string{codeHostKeyUnused}},
		{"another file that is included and names the key", map[string]string{"etc/ssh/sshd_config": "Include /nothing/here*.conf /srv/keys/*.txt\n",
			"srv/keys/a.txt": "HostKey " + keyPath + "\n"}, 0, nil},
		{"another file that is included by its name in /etc/ssh", map[string]string{"etc/ssh/sshd_config": "Include more\n", "etc/ssh/more": "include \"/etc/ssh/most\"\n",
			"etc/ssh/most": "HostKey " + keyPath + "\n"}, 0, nil},
		{"another file that is included, and names another key", map[string]string{"etc/ssh/sshd_config": "Include more\n", "etc/ssh/more": "HostKey /x\n"}, 0,
			[]string{codeHostKeyUnused}},
		{"files that include each other", map[string]string{"etc/ssh/sshd_config": "Include more\n", "etc/ssh/more": "Include sshd_config\n"}, 0, []string{codeHostKeyUnused}},
		{"what is included is not there yet", map[string]string{"etc/ssh/sshd_config": "Include /run/sshd/keys.conf\n"}, 0, nil},
		{"a pattern of directories", map[string]string{"etc/ssh/sshd_config": "HostKey /x\nInclude /srv/*/keys.conf\n"}, 0, nil},
		{"the key in quotes, in another case, behind a sign", map[string]string{"etc/ssh/sshd_config": "\thostkey = \"" + keyPath + "\" # ours\n"}, 0, nil},
		{"a path that only begins like the key's", map[string]string{"etc/ssh/sshd_config": "HostKey " + keyPath + "2\n"}, 0, []string{codeHostKeyUnused}},
		{"a part of the configuration that names the key", map[string]string{
			"etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nHostKey /other\n", "etc/ssh/sshd_config.d/10.conf": "HostKey " + keyPath + "\n"}, 0, nil},
		{"NixOS before its first boot, with the key", map[string]string{conf: "HostKey " + keyPath + "\n", etc + "ssh/sshd_config": "-> /" + conf}, 0, nil},
		{"NixOS before its first boot, without", map[string]string{conf: "HostKey /etc/ssh/ssh_host_rsa_key\n", etc + "ssh/sshd_config": "-> /" + conf}, 0, []string{codeHostKeyUnused}},
		{"two generations, one with the key", map[string]string{
			conf: "HostKey " + keyPath + "\n", etc + "ssh/sshd_config": "-> /" + conf, other + "ssh/sshd_config": "HostKey /x\n"}, 0, nil},
		{"NetworkManager with a unit that reads the file", map[string]string{
			etc + "NetworkManager/NetworkManager.conf": "[main]\n", unit: "[Service]\nEnvironmentFile=" + envPath + "\n",
			etc + "systemd/system/NetworkManager-ensure-profiles.service": "-> /" + unit}, 0, nil},
		{"NetworkManager without", map[string]string{etc + "NetworkManager/NetworkManager.conf": "[main]\n",
			etc + "systemd/system/NetworkManager.service": "[Service]\n"}, 0, []string{codeEnvironmentUnused}},
		{"NetworkManager whose unit has a part that reads the file", map[string]string{"etc/NetworkManager/NetworkManager.conf": "[main]\n",
			"etc/systemd/system/NetworkManager.service.d/env.conf": "[Service]\nEnvironmentFile=" + envPath + "\n"}, 0, nil},
		{"NetworkManager whose unit names the file in a comment", map[string]string{"etc/NetworkManager/NetworkManager.conf": "[main]\n",
			"etc/systemd/system/NetworkManager.service": "[Service]\n#EnvironmentFile=" + envPath + "\n"}, 0, []string{codeEnvironmentUnused}},
		{"NetworkManager whose unit reads a file that is called nearly so", map[string]string{"etc/NetworkManager/NetworkManager.conf": "[main]\n",
			"etc/systemd/system/NetworkManager.service": "[Service]\nEnvironmentFile=" + envPath + ".bak\n"}, 0, []string{codeEnvironmentUnused}},
		{"symlinks in a circle", map[string]string{"etc/ssh/sshd_config": "-> b", "etc/ssh/b": "-> sshd_config"}, 0, nil},
		{"a directory where the file should be", map[string]string{"etc/ssh/sshd_config/x": "HostKey /y\n"}, 0, nil},
		{"a file that is too large to be one", map[string]string{"etc/ssh/sshd_config": "HostKey /x\n" + strings.Repeat("#\n", maxConfig/2)}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testimage.Options{Profile: testimage.NixOS(), StorePaths: -1, Size: 40 << 20, Inodes: 1000}
			o.Fill = func(dir string) error {
				for path, text := range c.files {
					at := filepath.Join(dir, filepath.FromSlash(path))
					if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
						return err
					}
					if target, ok := strings.CutPrefix(text, "-> "); ok {
						if err := os.Symlink(target, at); err != nil {
							return err
						}
					} else if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
						return err
					}
				}
				return nil
			}
			if found := forecast(t, testimage.Ext4(t, o)); !slices.Equal(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

func TestAFileIsNamedByItsWholePathOutsideComments(t *testing.T) {
	const file = envPath
	for text, want := range map[string]bool{
		"[Service]\nEnvironmentFile=" + file + "\n":                    true,
		"EnvironmentFile=-" + file:                                     true,
		"EnvironmentFile = " + file + "\r\n":                           true,
		`EnvironmentFile="` + file + `"`:                               true,
		"ExecStart=/bin/nmcli --env-file=" + file + " up":              true,
		"#!/bin/sh\nset -a; . " + file + "; set +a\n":                  true,
		"#!/bin/sh\nsource '" + file + "' # the passphrase\n":          true,
		"#!/bin/sh\nenvsubst <" + file + ">out\n":                      true,
		"#!/bin/sh\ncat \"" + file + "\"|envsubst\n":                   true,
		"#!/bin/sh\necho 'a # b' " + file:                              true,
		"EnvironmentFile=" + file + ".bak\nEnvironmentFile=" + file:    true,
		"#EnvironmentFile=" + file:                                     false,
		"  ; EnvironmentFile=" + file:                                  false,
		"EnvironmentFile=" + file + ".bak":                             false,
		"EnvironmentFile=" + file + "/x":                               false,
		"EnvironmentFile=/mnt" + file:                                  false,
		"EnvironmentFile=${ROOT}" + file:                               false,
		"EnvironmentFile=.." + file:                                    false,
		"#!/bin/sh\n# source " + file + "\nexit 0\n":                   false,
		"#!/bin/sh\nexit 0 # and not " + file:                          false,
		"EnvironmentFile=/var/lib/networkmanager/system-connections.e": false,
	} {
		if got := namesFile(text, file); got != want {
			t.Errorf("%q names the file: %v", text, got)
		}
	}
}

func TestTheForecastTellsWhatCannotBeChanged(t *testing.T) {
	for _, c := range []struct {
		name, command string
		want          string // no want: nothing is told
	}{
		{"nothing", "", ""},
		{"a directory above is immutable", "set_inode_field /var/lib flags 0x80010", "/var/lib: the directory is immutable: nothing can be made or removed in it"},
		{"a directory above is append-only", "set_inode_field /var flags 0x80020", "/var: the directory is append-only: nothing can be removed or renamed in it"},
		{"the root is immutable", "set_inode_field / flags 0x80010", "/: the directory is immutable: nothing can be made or removed in it"},
		{"a file is immutable", "set_inode_field " + keyPath + " flags 0x80030", keyPath + ": it is immutable: it cannot be replaced or removed"},
		{"a file is append-only", "set_inode_field " + envPath + " flags 0x80020", envPath + ": it is append-only: it cannot be replaced or removed"},
		{"another file is immutable", "set_inode_field /lost+found flags 0x80010", ""},
		{"a directory has other flags", "set_inode_field /var/lib flags 0x800c0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := standard(t)
			o := small(testimage.NixOS())
			o.Size, o.Inodes = 40<<20, 1000
			path := image(t, o, want)
			if c.command != "" {
				testimage.DebugfsWrite(t, path, 0, c.command)
			}
			f, size := openImage(t, path)
			found, err := Forecast(context.Background(), f, size, nil, want)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, x := range found {
				if x.Code == codeImmutable && x.Severity == Warning {
					got = append(got, x.Path+": "+x.Message)
				}
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheForecastCountsWhatIsFree(t *testing.T) {
	for _, c := range []struct {
		name string
		o    testimage.Options
		want []string
	}{
		{"an image as nixpkgs makes it", testimage.Options{StorePaths: 50, Free: 16 << 20, Inodes: 2000}, nil},
		{"68 free inodes", testimage.Options{StorePaths: -1, Size: 40 << 20, Inodes: 80}, []string{codeFewInodes}},
		{"2 MiB free", testimage.Options{StorePaths: 50, Free: 2 << 20, Inodes: 2000}, []string{codeFewBlocks}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Profile = testimage.NixOS()
			if found := forecast(t, testimage.Ext4(t, c.o)); !slices.Equal(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// forecast gives the codes of the findings, all of which are warnings.
func forecast(t *testing.T, path string) []string {
	t.Helper()
	f, size := openImage(t, path)
	s, err := AuditStructure(context.Background(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Forecast(context.Background(), f, size, s, standard(t))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range found {
		codes = append(codes, f.Code)
		if f.Severity != Warning {
			t.Errorf("%v is no warning", f)
		}
	}
	return codes
}
