package testimage

// The judges from e2fsprogs: e2fsck, which must find nothing, and debugfs,
// which says what it sees.

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Fsck fails the test unless e2fsck -fn finds nothing at all in the file system
// that starts offset bytes into the file.
func Fsck(tb testing.TB, path string, offset int64) {
	tb.Helper()
	Require(tb, "e2fsck")
	if err := FsckErr(path, offset); err != nil {
		tb.Error(err)
	}
}

// Check has Fsck run when the test ends, after what the test registers later.
func Check(tb testing.TB, path string, offset int64) {
	tb.Helper()
	Require(tb, "e2fsck")
	tb.Cleanup(func() {
		tb.Helper()
		Fsck(tb, path, offset)
	})
}

// cleanLine matches all that e2fsck -fn says of a file system without fault:
// its version, the five passes and the summary.
var cleanLine = regexp.MustCompile(`^(e2fsck \d\S* \(.*\)|Pass [1-5]: Checking .*|.*: \d+/\d+ files \(.*non-contiguous\), \d+/\d+ blocks)?\n?$`)

// KernelLeaves lets e2fsck pass over extent trees that could be smaller: the
// kernel leaves such where it has cut or merged extents.
var KernelLeaves = []string{"-E", "no_optimize_extents"}

// FsckErr is Fsck for where there is no test to fail: the error holds what
// e2fsck said. It may be given more arguments.
func FsckErr(path string, offset int64, more ...string) error {
	out, err := run("", "e2fsck", append(append([]string{"-fn"}, more...), at(path, offset)))
	if err != nil {
		return err
	}
	// Exit code 0 is not enough: with -n some complaints are answered "no" and
	// forgotten.
	for line := range strings.Lines(out) {
		if !cleanLine.MatchString(line) {
			return fmt.Errorf("e2fsck -fn %s: exit code 0, but it says %q\n%s", at(path, offset), line, out)
		}
	}
	if !strings.Contains(out, "Pass 5: ") {
		return fmt.Errorf("e2fsck -fn %s: exit code 0, but it did not reach pass 5\n%s", at(path, offset), out)
	}
	return nil
}

// at names a file system inside a file, as the e2fsprogs tools take it.
func at(path string, offset int64) string {
	if offset == 0 {
		return path
	}
	return path + "?offset=" + strconv.FormatInt(offset, 10)
}

// Debugfs returns what debugfs says to the commands ("stat /var"), reading
// only. A command that debugfs refuses fails the test.
func Debugfs(tb testing.TB, path string, offset int64, commands ...string) string {
	tb.Helper()
	return debugfsOrFail(tb, path, offset, false, commands)
}

// DebugfsWrite is Debugfs for commands that change the file system.
func DebugfsWrite(tb testing.TB, path string, offset int64, commands ...string) string {
	tb.Helper()
	return debugfsOrFail(tb, path, offset, true, commands)
}

func debugfsOrFail(tb testing.TB, path string, offset int64, write bool, commands []string) string {
	tb.Helper()
	Require(tb, "debugfs")
	out, err := debugfs(path, offset, write, commands...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// debugfs runs the commands from a script. Its exit code is 0 whatever happens:
// that is how images without their files came to be shipped. What it complains
// of goes to standard error, which nothing else does but its version.
func debugfs(path string, offset int64, write bool, commands ...string) (string, error) {
	args := []string{"-f", "-"}
	if write {
		args = append(args, "-w")
	}
	cmd, err := command("debugfs", append(args, at(path, offset))...)
	if err != nil {
		return "", err
	}
	var stdout, stderr strings.Builder
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	_, complaint, _ := strings.Cut(stderr.String(), "\n")
	if err != nil || strings.TrimSpace(complaint) != "" {
		return "", fmt.Errorf("debugfs %s: %q: %v\n%s%s", at(path, offset), commands, err, stderr.String(), stdout.String())
	}
	return stdout.String(), nil
}

// Dumpe2fs returns what dumpe2fs says of the file system: the superblock and
// each group with its free blocks.
func Dumpe2fs(tb testing.TB, path string) string {
	tb.Helper()
	Require(tb, "dumpe2fs")
	out, err := run("", "dumpe2fs", []string{path})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
