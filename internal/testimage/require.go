// Package testimage makes the disk images that tests work on, and calls the
// programs that judge what was made of them. It is imported by tests only.
//
// Images come from the tools that the world uses (mke2fs, resize2fs, sfdisk,
// mkfs.vfat), in the way nixpkgs makes its SD images. Judges are programs we
// did not write: e2fsck, debugfs and the Linux kernel.
//
// This file says what a test does when a tool or a right is missing: it is
// skipped with the reason, and under CI=true it fails.
package testimage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Require skips the test when one of the tools is not installed, and fails it
// under CI=true: a judge that is missing must not look like one that agreed.
// /sbin and /usr/sbin are searched even where PATH leaves them out.
func Require(tb testing.TB, tools ...string) {
	tb.Helper()
	for _, tool := range tools {
		if _, err := lookPath(tool); err != nil {
			skip(tb, fmt.Sprintf("needs %s, which is not installed", tool))
		}
	}
}

// RequireRoot skips the test where it cannot mount an image: not Linux, not
// root, or no loop devices. Under CI=true it fails instead.
func RequireRoot(tb testing.TB) {
	tb.Helper()
	if reason := cannotMount(); reason != "" {
		skip(tb, reason)
	}
}

func cannotMount() string {
	if runtime.GOOS != "linux" {
		return "needs Linux: loop mount"
	}
	if os.Geteuid() != 0 {
		return "needs root: loop mount"
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "needs loop devices: " + err.Error()
	}
	control.Close()
	return ""
}

func skip(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s (CI=true: not skipped)", reason)
	}
	tb.Skip(reason)
}

// sbin are the directories of system tools that an unprivileged PATH often
// lacks; the last two are where Homebrew keeps e2fsprogs.
var sbin = []string{"/sbin", "/usr/sbin", "/opt/homebrew/opt/e2fsprogs/sbin", "/usr/local/opt/e2fsprogs/sbin"}

func lookPath(tool string) (string, error) {
	path, err := exec.LookPath(tool)
	if err == nil {
		return path, nil
	}
	for _, dir := range sbin {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// fakeTime is the clock that the e2fsprogs tools are given, so that an image
// does not depend on when it was made. (mke2fs -d still copies ctime and atime
// from the files it is fed; nothing can set the former.)
const fakeTime = "1700000000"

// Command is a tool, found as Require finds it, with its arguments and an
// environment in which it says the same everywhere. Where the tool is missing
// the test is skipped, as by Require.
func Command(tb testing.TB, tool string, args ...string) *exec.Cmd {
	tb.Helper()
	Require(tb, tool)
	cmd, err := command(tool, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return cmd
}

func command(tool string, args ...string) (*exec.Cmd, error) {
	path, err := lookPath(tool)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC",
		"E2FSPROGS_FAKE_TIME="+fakeTime, "SOURCE_DATE_EPOCH="+fakeTime)
	return cmd, nil
}

// run calls a tool and returns what it said on both outputs. okCodes are the
// exit codes besides 0 that are no failure.
func run(stdin, tool string, args []string, okCodes ...int) (string, error) {
	cmd, err := command(tool, args...)
	if err != nil {
		return "", err
	}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		for _, code := range okCodes {
			if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == code {
				return string(out), nil
			}
		}
		return string(out), fmt.Errorf("%s %s: %w\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
