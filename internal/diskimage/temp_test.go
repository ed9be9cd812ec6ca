package diskimage

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStaleFilesGoAndLiveOnesStay(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "out.img")
	live, err := Create(dest, false)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Abort()
	others := []string{
		".other.img.boringboot-0123456789abcdef.tmp", // of another destination
		".out.img.boringboot-0123456789abcdeg.tmp",   // no hexadecimal number
		".out.img.boringboot-0123.tmp",
		".out.img.boringboot-0123456789abcdef.tmp2",
		"out.img.boringboot-0123456789abcdef.tmp",
	}
	const stale = ".out.img.boringboot-0123456789abcdef.tmp"
	for _, name := range append(others, stale) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A directory and a link of such a name are not ours either; the link's target must stay.
	const asDir, asLink = ".out.img.boringboot-1111111111111111.tmp", ".out.img.boringboot-2222222222222222.tmp"
	if err := os.Mkdir(filepath.Join(dir, asDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(others[0], filepath.Join(dir, asLink)); err != nil {
		t.Fatal(err)
	}
	second, err := Create(dest, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Abort(); err != nil {
		t.Fatal(err)
	}
	left := names(t, dir)
	for _, want := range append(others, asDir, asLink, filepath.Base(live.raw.path)) {
		found := false
		for _, got := range left {
			found = found || got == want
		}
		if !found {
			t.Errorf("%s was removed", want)
		}
	}
	if len(left) != len(others)+3 {
		t.Errorf("files left: %q; want %s removed", left, stale)
	}
}

func TestLongNamesFit(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("ä", 120) + ".img" // 244 bytes
	other := strings.Repeat("ä", 120) + ".iso"
	o, err := Create(filepath.Join(dir, long), false)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	temp := filepath.Base(o.raw.path)
	if len(temp) > 143 {
		t.Errorf("the temporary name has %d bytes", len(temp))
	}
	if !isTempOf(filepath.Join(dir, long), temp) || isTempOf(filepath.Join(dir, other), temp) {
		t.Errorf("%s does not belong to its destination alone", temp)
	}
}

func TestTheModeIs0600WhateverTheUmask(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no umask")
	}
	src, _ := sourceFile(t)
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		dir := t.TempDir()
		old := setUmask(mask)
		o, err := Create(filepath.Join(dir, "out.img"), false)
		setUmask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(o.raw.path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("umask %03o: mode %v", mask, info.Mode())
		}
		if err := o.Fill(t.Context(), src, nil); err != nil {
			t.Fatal(err)
		}
		if err := o.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"out.img"}, names(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
}
