// What Build asks of nix, and what it makes of every way nix can answer: a shell script plays nix.

//go:build unix

package nixbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/cli"

	"github.com/google/go-cmp/cmp"
)

// fakeNix writes a program that runs script with $out set to a directory for results, and returns both.
func fakeNix(t *testing.T, script string) (program, out string) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "nix")
	out = filepath.Join(dir, "store", "0-sd-image")
	text := "#!/bin/sh\nout='" + out + "'\n" + script + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, out
}

const answerOut = `echo "[{\"drvPath\":\"/nix/store/0.drv\",\"outputs\":{\"out\":\"$out\"}}]"`

func TestBuildReturnsTheOneImageOfTheResult(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"a compressed image", `mkdir -p $out/sd-image $out/nix-support; touch $out/sd-image/nixos-26.05.img.zst`, "nixos-26.05.img.zst"},
		{"a raw image", `mkdir -p $out/sd-image; touch $out/sd-image/x.img`, "x.img"},
		{"a checksum beside it", `mkdir -p $out/sd-image; touch $out/sd-image/x.img.zst $out/sd-image/SHA256SUMS`, "x.img.zst"},
		{"a link to a file elsewhere", `mkdir -p $out/sd-image; touch $out/y; ln -s ../y $out/sd-image/y.img`, "y.img"},
		{"a directory with the name of an image beside it", `mkdir -p $out/sd-image/x.img.d; touch $out/sd-image/x.img`, "x.img"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nix, out := fakeNix(t, tc.script+"\n"+answerOut)
			got, err := Build(t.Context(), Options{Host: "bastet", Nix: nix})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(filepath.Join(out, "sd-image", tc.want), got); diff != "" {
				t.Errorf("image (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildAsksForTheHostsAttribute(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"the defaults", Options{Host: "bastet"}, ".#nixosConfigurations.bastet.config.system.build.sdImage"},
		{"another flake", Options{Host: "pi-4_b", Flake: "github:me/machines?ref=main"}, "github:me/machines?ref=main#nixosConfigurations.pi-4_b.config.system.build.sdImage"},
		{"another attribute", Options{Host: "bastet", Attr: `config.system.build.images."sd-card"`}, `.#nixosConfigurations.bastet.config.system.build.images."sd-card"`},
		{"a host with a domain is one name", Options{Host: "bastet.example.org"}, `.#nixosConfigurations."bastet.example.org".config.system.build.sdImage`},
		{"a flake in a directory with a space", Options{Host: "bastet", Flake: "./my machines"}, "./my machines#nixosConfigurations.bastet.config.system.build.sdImage"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nix, out := fakeNix(t, `mkdir -p $out/sd-image; touch $out/sd-image/x.img; for a; do printf '%s\0' "$a"; done > $out/argv; `+answerOut)
			tc.o.Nix = nix
			if _, err := Build(t.Context(), tc.o); err != nil {
				t.Fatal(err)
			}
			argv, err := os.ReadFile(filepath.Join(out, "argv"))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSuffix(string(argv), "\x00"), "\x00")
			want := []string{"--extra-experimental-features", "nix-command flakes", "build", "--no-link", "--json", "--", tc.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildRefusesNamesThatMeanSomethingElse(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want error
	}{
		{"no host", Options{}, ErrHost},
		{"a host that ends its quotes", Options{Host: `x".config.system.build.toplevel."`}, ErrHost},
		{"a host with a space", Options{Host: "bastet osiris"}, ErrHost},
		{"a host that is an option", Options{Host: "--impure"}, ErrHost},
		{"a host above its directory", Options{Host: "../bastet"}, ErrHost},
		{"a host that is the directory above", Options{Host: ".."}, ErrHost},
		{"a host with outputs", Options{Host: "bastet^*"}, ErrHost},
		{"a host with a line break", Options{Host: "bastet\n"}, ErrHost},
		{"a host longer than a domain name", Options{Host: strings.Repeat("a", 254)}, ErrHost},
		{"a flake that is an option", Options{Host: "bastet", Flake: "--impure"}, ErrFlake},
		{"a flake with a fragment", Options{Host: "bastet", Flake: ".#packages"}, ErrFlake},
		{"a flake with a line break", Options{Host: "bastet", Flake: "./a\nb"}, ErrFlake},
		{"an attribute that is a fragment", Options{Host: "bastet", Attr: "config#x"}, ErrAttr},
		{"an attribute with an empty name", Options{Host: "bastet", Attr: "config..x"}, ErrAttr},
		{"an attribute that selects outputs", Options{Host: "bastet", Attr: "config.system.build.sdImage^dev"}, ErrAttr},
		{"an attribute whose quotes are open", Options{Host: "bastet", Attr: `config."x`}, ErrAttr},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ran := filepath.Join(t.TempDir(), "ran")
			nix, _ := fakeNix(t, "touch "+ran)
			tc.o.Nix = nix
			got, err := Build(t.Context(), tc.o)
			if !errors.Is(err, tc.want) || got != "" {
				t.Errorf("got %q, error %v; want the error %v", got, err, tc.want)
			}
			if _, err := os.Stat(ran); err == nil {
				t.Error("nix was run")
			}
		})
	}
}

func TestEachFailureOfNixIsAnErrorOfItsKind(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         error
		text, hint   string // parts of the error's line and of its hint
	}{
		{"the attribute is missing (2.8)",
			`echo "error: flake 'path:/x' does not provide attribute 'packages.x86_64-linux.nixosConfigurations.bastet', 'nixosConfigurations.bastet'" >&2; exit 1`,
			ErrNoAttribute, "nixosConfigurations.bastet.config.system.build.sdImage", "sd-image module"},
		{"the attribute is missing (today's), coloured",
			`printf "\033[31;1merror:\033[0m flake '\033[35;1mpath:/x\033[0m' does not provide attribute 'a' or 'b'\n       Did you mean ba?\n" >&2; exit 1`,
			ErrNoAttribute, "nixosConfigurations.bastet", "nixosConfigurations.bastet"},
		{"the build failed",
			`echo "error: builder for '/nix/store/0.drv' failed with exit code 3;" >&2; echo "       last 1 log lines:" >&2; echo "       > no space" >&2; exit 1`,
			ErrBuild, "builder for '/nix/store/0.drv' failed with exit code 3;", ""},
		{"the error's text stands on the next line", `printf 'error:\n       … while calling\n' >&2; exit 1`, ErrBuild, "while calling", ""},
		{"a foreign platform",
			`echo "error: a 'aarch64-linux' with features {} is required to build '/nix/store/0.drv', but I am a 'x86_64-linux' with features {}" >&2; exit 1`,
			ErrBuild, "aarch64-linux", "binfmt"},
		{"no flake here", `echo "error: could not find a flake.nix file" >&2; exit 1`, ErrBuild, "flake.nix", "--flake"},
		{"it fails and says nothing", `exit 7`, ErrBuild, "exit status 7", ""},
		{"it fails with an answer", answerOut + `; exit 1`, ErrBuild, "exit status 1", ""},
		{"it is killed", `kill -KILL $$`, ErrBuild, "killed", ""},
		{"an endless line", `head -c 3000000 /dev/zero | tr '\0' e >&2; printf '\nerror: ' >&2; head -c 3000000 /dev/zero | tr '\0' x >&2; exit 1`, ErrBuild, "exit status 1", ""},
		{"no answer", `true`, ErrAnswer, "unexpected end of JSON", ""},
		{"an answer that is no JSON", `echo warning; ` + answerOut, ErrAnswer, "invalid character", ""},
		{"an answer of another shape", `echo '{"outputs":{}}'`, ErrAnswer, "cannot unmarshal", ""},
		{"an answer of no derivation", `echo '[]'`, ErrAnswer, "0 derivations", ""},
		{"an answer of two derivations", `echo '[{"outputs":{"out":"/a"}},{"outputs":{"out":"/b"}}]'`, ErrAnswer, "2 derivations", ""},
		{"an answer without the output", `echo '[{"outputs":{"dev":"/a"}}]'`, ErrAnswer, "no output named out", ""},
		{"an answer with an output that is null", `echo '[{"outputs":{"out":null}}]'`, ErrAnswer, "not a path", ""},
		{"an answer with a relative path", `echo '[{"outputs":{"out":"a"}}]'`, ErrAnswer, "not a path", ""},
		{"an answer without end", `yes '[[[[[[[[' | head -c 3000000`, ErrAnswer, "more than 1048576 bytes", ""},
		{"a result without the directory", `mkdir -p $out; ` + answerOut, ErrNoImage, "has no directory sd-image", "--attr"},
		{"a result that does not exist", answerOut, ErrNoImage, "has no directory sd-image", "--attr"},
		{"a result without an image", `mkdir -p $out/sd-image; touch $out/sd-image/x.iso; ` + answerOut, ErrNoImage, "holds x.iso", ""},
		{"a result of an empty directory", `mkdir -p $out/sd-image; ` + answerOut, ErrNoImage, "holds nothing", ""},
		{"a result whose image is a directory", `mkdir -p $out/sd-image/x.img; ` + answerOut, ErrNoImage, "x.img", ""},
		{"a result with two images", `mkdir -p $out/sd-image; touch $out/sd-image/a.img $out/sd-image/b.img.zst; ` + answerOut, ErrSeveralImages, "holds a.img, b.img.zst", "--image"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nix, _ := fakeNix(t, tc.script)
			got, err := Build(t.Context(), Options{Host: "bastet", Nix: nix})
			if !errors.Is(err, tc.want) || got != "" {
				t.Fatalf("got %q, error %v; want the error %v", got, err, tc.want)
			}
			for _, other := range []error{ErrHost, ErrFlake, ErrAttr, ErrNixMissing, ErrNoAttribute, ErrBuild, ErrAnswer, ErrNoImage, ErrSeveralImages} {
				if other != tc.want && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
			var report bytes.Buffer
			cli.Report(&report, "boringboot", err)
			line, hint, _ := strings.Cut(strings.TrimSuffix(report.String(), "\n"), "\n")
			if !strings.Contains(line, tc.text) {
				t.Errorf("error: got %q, want a line with %q", line, tc.text)
			}
			if !strings.Contains(hint, tc.hint) || (tc.hint == "") != (hint == "") {
				t.Errorf("hint: got %q, want a line with %q", hint, tc.hint)
			}
			if len(line) > 1000 {
				t.Errorf("the error has %d bytes", len(line))
			}
			if code := cli.Code(err); code != cli.ExitFailure {
				t.Errorf("exit code: got %d, want %d", code, cli.ExitFailure)
			}
		})
	}
}

func TestWithoutNixTheErrorSaysSo(t *testing.T) {
	empty := t.TempDir()
	plain := filepath.Join(empty, "plain-file")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, nix string }{
		{"it is not in PATH", empty, ""},
		{"PATH is empty", "", ""},
		{"the one that is named does not exist", os.Getenv("PATH"), filepath.Join(empty, "nix")},
		{"the one that is named cannot be executed", os.Getenv("PATH"), plain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("PATH", tc.path)
			_, err := Build(t.Context(), Options{Host: "bastet", Nix: tc.nix})
			if !errors.Is(err, ErrNixMissing) {
				t.Fatalf("got the error %v, want %v", err, ErrNixMissing)
			}
			var hinted *cli.Error
			if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--image") {
				t.Errorf("no hint that names --image: %v", err)
			}
		})
	}
}

func TestWhatNixSaysIsPassedOn(t *testing.T) {
	nix, _ := fakeNix(t, `echo "building '/nix/store/0.drv'..." >&2; echo "error: no luck" >&2; exit 1`)
	var said bytes.Buffer
	if _, err := Build(t.Context(), Options{Host: "bastet", Nix: nix, Stderr: &said}); !errors.Is(err, ErrBuild) {
		t.Fatalf("got the error %v, want %v", err, ErrBuild)
	}
	if diff := cmp.Diff("building '/nix/store/0.drv'...\nerror: no luck\n", said.String()); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
}

func TestNixIsNotGivenSecrets(t *testing.T) {
	secrets := []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_PGP_FP", "AGE_PASSPHRASE", "VAULT_TOKEN",
		"AZURE_CLIENT_SECRET", "GOOGLE_CREDENTIALS", "HUAWEICLOUD_SDK_SK"}
	kept := []string{"NIX_CONFIG", "NIX_SSHOPTS", "AWS_ACCESS_KEY_ID", "SSH_AUTH_SOCK", "SOPSLIKE", "AGENT_INFO"}
	for _, name := range append(secrets, kept...) {
		t.Setenv(name, "value-of-"+name)
	}
	nix, out := fakeNix(t, `mkdir -p $out/sd-image; touch $out/sd-image/x.img; env > $out/env; `+answerOut)
	if _, err := Build(t.Context(), Options{Host: "bastet", Nix: nix}); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(out, "env"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(env), "\n")
	for _, name := range secrets {
		if bytes.Contains(env, []byte("value-of-"+name+"\n")) {
			t.Errorf("nix was given %s", name)
		}
	}
	for _, name := range append(kept, "PATH") {
		want := name + "=" + os.Getenv(name)
		if !contains(lines, want) {
			t.Errorf("nix was not given %s", name)
		}
	}
}

func contains(lines []string, want string) bool {
	for _, line := range lines {
		if line == want {
			return true
		}
	}
	return false
}

func TestAnAnswerWithMembersOfOtherVersionsIsRead(t *testing.T) {
	answer := `[{"cpuSystem":null,"drvPath":"/nix/store/0.drv","outputs":{"dev":"/nix/store/1","out":"/nix/store/2-x"},"startTime":1700000000,"stopTime":1700000009}]`
	got, err := parseAnswer([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	if want := "/nix/store/2-x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`[{"drvPath":"/nix/store/0.drv","outputs":{"out":"/nix/store/0-x"}}]`))
	f.Add([]byte(`[{"outputs":{"out":null}}]`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := parseAnswer(data)
		switch {
		case err != nil && !errors.Is(err, ErrAnswer):
			t.Errorf("the error is of no kind: %v", err)
		case err == nil && !filepath.IsAbs(out):
			t.Errorf("accepted the output %q", out)
		case err == nil:
			again, _ := json.Marshal([]any{map[string]any{"outputs": map[string]string{"out": out}}})
			if got, err := parseAnswer(again); err != nil || got != out {
				t.Errorf("got %q, %v from an answer with %q", got, err, out)
			}
		}
	})
}

func FuzzInstallable(f *testing.F) {
	f.Add("bastet", ".", DefaultAttr)
	f.Add(`x"."y`, "a#b", `a."b"`)
	f.Fuzz(func(t *testing.T, host, flake, attr string) {
		got, err := Options{Host: host, Flake: flake, Attr: attr}.installable()
		if err != nil {
			return
		}
		if attr == "" {
			attr = DefaultAttr
		}
		if flake == "" {
			flake = "."
		}
		if strings.Count(got, "#") != 1 || strings.HasPrefix(got, "-") {
			t.Errorf("host %q, flake %q, attribute %q: %q", host, flake, attr, got)
		}
		unquoted := fmt.Sprintf("%s#nixosConfigurations.%s.%s", flake, host, attr)
		quoted := fmt.Sprintf("%s#nixosConfigurations.%q.%s", flake, host, attr)
		if got != unquoted && (got != quoted || !strings.Contains(host, ".")) {
			t.Errorf("got %q, want %q or %q", got, unquoted, quoted)
		}
	})
}

func TestBuildThatIsCancelledBeforeItBeginsRunsNothing(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	nix, _ := fakeNix(t, "touch "+ran)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, Options{Host: "bastet", Nix: nix}); !errors.Is(err, context.Canceled) {
		t.Errorf("got the error %v, want %v", err, context.Canceled)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("nix was run")
	}
}
