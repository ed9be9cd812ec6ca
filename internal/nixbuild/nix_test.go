// What a real nix makes of what Build asks it.

//go:build unix

package nixbuild_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"boringboot/internal/demo/sdimage"
	"boringboot/internal/nixbuild"
	"boringboot/internal/nixbuild/nixtest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func unpack(t *testing.T, compressed []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(compressed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNixBuildsTheImageOfAHost(t *testing.T) {
	flake := nixtest.Flake(t)
	nixtest.Setenv(t)
	t.Chdir(t.TempDir())
	var said bytes.Buffer
	image, err := nixbuild.Build(t.Context(), nixbuild.Options{Flake: flake, Host: "bastet", Stderr: &said})
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	if diff := cmp.Diff("nixos-sd-image-bastet.img.zst", filepath.Base(image)); diff != "" {
		t.Errorf("the image's name (-want +got):\n%s", diff)
	}
	compressed, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	// sdimage's own test says what its bytes are worth; here it matters that they went through nix unharmed.
	if got, want := len(unpack(t, compressed)), len(unpack(t, sdimage.Compressed)); got < want/2 || got > want*2 {
		t.Errorf("the image has %d bytes, that of the demo has %d", got, want)
	}
	again, err := nixbuild.Build(t.Context(), nixbuild.Options{Flake: flake, Host: "bastet"})
	if err != nil {
		t.Fatal(err)
	}
	if image != again {
		t.Errorf("built again, the image is %s, was %s", again, image)
	}
	// --no-link: no result in the working directory.
	if _, err := os.Lstat("result"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link \"result\": %v", err)
	}
}

func TestNixTakesAHostWithADotAsOneName(t *testing.T) {
	flake := nixtest.Flake(t)
	nixtest.Setenv(t)
	image, err := nixbuild.Build(t.Context(), nixbuild.Options{Flake: flake, Host: "bastet.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if got := filepath.Base(image); got != "dotted.img" {
		t.Errorf("got the image %s, want dotted.img", got)
	}
}

func TestTheFlakeOfTheWorkingDirectoryIsTheDefault(t *testing.T) {
	flake := nixtest.Flake(t)
	nixtest.Setenv(t)
	t.Chdir(flake)
	if _, err := nixbuild.Build(t.Context(), nixbuild.Options{Host: "bastet.example.org"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatARealNixCannotBuildIsAnErrorOfItsKind(t *testing.T) {
	flake := nixtest.Flake(t)
	nixtest.Setenv(t)
	empty := t.TempDir()
	for _, tc := range []struct {
		name string
		o    nixbuild.Options
		want error
		text string // part of the error
		said string // part of what nix says
	}{
		{"a host that is not there", nixbuild.Options{Flake: flake, Host: "osiris"}, nixbuild.ErrNoAttribute, "nixosConfigurations.osiris.config", "does not provide"},
		{"a host without an SD image", nixbuild.Options{Flake: flake, Host: "imageless"}, nixbuild.ErrNoAttribute, "nixosConfigurations.imageless", "does not provide"},
		{"another attribute that is not there", nixbuild.Options{Flake: flake, Host: "bastet", Attr: "config.system.build.iso"}, nixbuild.ErrNoAttribute, "build.iso", "does not provide"},
		{"a build that fails", nixbuild.Options{Flake: flake, Host: "broken"}, nixbuild.ErrBuild, "exit code 3", "mke2fs: no luck"},
		{"a configuration that throws", nixbuild.Options{Flake: flake, Host: "throwing"}, nixbuild.ErrBuild, "the configuration is wrong", "the configuration is wrong"},
		{"no flake", nixbuild.Options{Flake: empty, Host: "bastet"}, nixbuild.ErrBuild, "flake", "error:"},
		{"a directory that is not there", nixbuild.Options{Flake: filepath.Join(empty, "x"), Host: "bastet"}, nixbuild.ErrBuild, "x", "error:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var said bytes.Buffer
			tc.o.Stderr = &said
			image, err := nixbuild.Build(t.Context(), tc.o)
			if !errors.Is(err, tc.want) || image != "" {
				t.Fatalf("got %q, error %v; want the error %v\n%s", image, err, tc.want, &said)
			}
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("the error is %q, want one with %q", err, tc.text)
			}
			if !strings.Contains(said.String(), tc.said) {
				t.Errorf("nix says %q, want something with %q", &said, tc.said)
			}
		})
	}
}

func TestCancelEndsARealBuildAndItsBuilder(t *testing.T) {
	flake := nixtest.Flake(t)
	nixtest.Setenv(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := nixbuild.Build(ctx, nixbuild.Options{Flake: flake, Host: "endless"})
		done <- err
	}()
	started := filepath.Join(nixtest.Scratch(t, flake), "builder")
	var builder int
	for deadline := time.Now().Add(30 * time.Second); builder == 0; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(started); err == nil && strings.HasSuffix(string(text), "\n") {
			if builder, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-done:
			t.Fatalf("the build ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the builder did not start")
		}
	}
	begin := time.Now()
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got the error %v, want %v", err, context.Canceled)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the build goes on")
	}
	t.Logf("nix ended %v after the interrupt", time.Since(begin))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(builder, 0), syscall.ESRCH) {
			return
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(builder) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the builder %d goes on", builder)
		}
	}
}
