package testimage

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// verdict is a testing.TB that notes what was called on it.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper() {}

func (v *verdict) Skip(args ...any) {
	v.said = "skip: " + fmt.Sprint(args...)
	runtime.Goexit()
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.said = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func judge(fn func(tb testing.TB)) string {
	v := &verdict{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(v)
	}()
	<-done
	return v.said
}

func TestAMissingToolSkipsButFailsUnderCI(t *testing.T) {
	tests := []struct{ ci, path, want string }{
		{"", t.TempDir(), "skip: needs no-such-tool, which is not installed"},
		{"false", t.TempDir(), "skip: needs no-such-tool, which is not installed"},
		{"true", t.TempDir(), "fatal: needs no-such-tool, which is not installed (CI=true: not skipped)"},
	}
	for _, test := range tests {
		t.Run("CI="+test.ci, func(t *testing.T) {
			t.Setenv("CI", test.ci)
			t.Setenv("PATH", test.path)
			got := judge(func(tb testing.TB) { Require(tb, "no-such-tool") })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSystemToolsAreFoundWithoutTheirDirectoryInPATH(t *testing.T) {
	Require(t, "e2fsck")
	t.Setenv("PATH", t.TempDir())
	if got := judge(func(tb testing.TB) { Require(tb, "e2fsck") }); got != "" {
		t.Error(got)
	}
}
