package audit_test

// This file holds what the audit says of an image against what e2fsck -fn says.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// What an audit of a small image must not take: the time of it, and all that it allocates.
const (
	tooLong = 10 * time.Second
	tooMuch = 512 << 20
)

// verdicts are both.
type verdicts struct {
	fsck     string // what e2fsck says
	code     int    // and its exit code; -1 where it crashed or came to no end
	findings []audit.Finding
	err      error
	took     time.Duration
	// allocated is what was allocated meanwhile, by others, too: no less than what the audit took.
	allocated uint64
	named     map[audit.Object]bool // what e2fsck names; nil where that was not looked for
}

func (v verdicts) fsckClean() bool { return v.code == 0 }
func (v verdicts) oursClean() bool {
	return v.err == nil && !slices.ContainsFunc(v.findings, func(f audit.Finding) bool { return f.Severity == audit.Error })
}
func (v verdicts) agree() bool { return v.fsckClean() == v.oursClean() }

// quietLine matches all that e2fsck -fn says of a file system without fault.
var quietLine = regexp.MustCompile(`^(e2fsck \d\S* \(.*\)|Pass [1-5]: Checking .*|.*: \d+/\d+ files \(.*non-contiguous\), \d+/\d+ blocks)?\n?$`)

// fsckWarns says whether e2fsck tells of something that it does not take for damage.
func (v verdicts) fsckWarns() bool {
	for line := range strings.Lines(v.fsck) {
		if v.code == 0 && !quietLine.MatchString(line) {
			return true
		}
	}
	return false
}

// What the two can disagree in.
const (
	passes     = "e2fsck: not clean, ours: clean" // damage that the audit overlooks
	alarms     = "e2fsck: clean, ours: not"
	elsewhere  = "another object"
	overlooked = "e2fsck: a warning, ours: nothing"
)

// disagreement is what the two disagree in, or "". Where several fields were damaged, which object is found first is nobody's fault.
func (v verdicts) disagreement(l *layout, several bool) string {
	switch {
	case !v.agree() && v.oursClean():
		return passes
	case !v.agree():
		return alarms
	case v.code > 0 && !several && !v.sameObject(l):
		return elsewhere
	case v.fsckWarns() && len(v.findings) == 0:
		return overlooked
	}
	return ""
}

// judge has both look at an image.
func judge(tb testing.TB, path string, data []byte, o audit.Options) verdicts {
	var v verdicts
	v.fsck, v.code = fsck(tb, path)
	start, before := time.Now(), allocations()
	v.findings, v.err = ours(data, o)
	v.took, v.allocated = time.Since(start), allocations()-before
	return v
}

func allocations() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// ours is the audit's. A panic is an error of its own.
func ours(data []byte, o audit.Options) (list []audit.Finding, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*tooLong)
	defer cancel()
	result, err := audit.Run(ctx, bytes.NewReader(data), int64(len(data)), o)
	if result != nil {
		list = result.Findings
	}
	return list, err
}

var errPanic = errors.New("panic")

// fsck gives what e2fsck says, its beginning, and its exit code: -1 where it came to no end, or crashed, which it only does on damage.
func fsck(tb testing.TB, path string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*tooLong)
	defer cancel()
	cmd := testimage.Command(tb, "e2fsck", "-fn", path)
	limited := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	var out beginning
	limited.Env, limited.Stdout, limited.Stderr = cmd.Env, &out, &out
	err := limited.Run()
	if err == nil {
		return string(out), 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	tb.Fatalf("e2fsck: %v", err)
	return "", -1
}

// beginning keeps the first of what is written: where e2fsck goes in a circle it says the same for ever.
type beginning []byte

func (b *beginning) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), 64<<10-len(*b))]...)
	return len(p), nil
}

var kinds = map[audit.Kind]string{audit.Superblock: "superblock", audit.Group: "group", audit.Inode: "inode", audit.Block: "block",
	audit.Journal: "journal", audit.OrphanFile: "orphan file", audit.MMP: "mmp", audit.Quota: "quota"}

// said is what both say, in a few lines.
func (v verdicts) said() string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(v.fsck) {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "e2fsck ") || strings.HasPrefix(line, "Pass ") {
			continue
		}
		if n++; n <= 6 {
			fmt.Fprintf(&b, "\t\te2fsck: %s\n", strings.TrimSpace(line))
		}
	}
	fmt.Fprintf(&b, "\t\te2fsck: exit code %d\n", v.code)
	for i, f := range v.findings {
		if i == 6 {
			fmt.Fprintf(&b, "\t\tours:   and %d more\n", len(v.findings)-i)
			break
		}
		fmt.Fprintf(&b, "\t\tours:   %s %s %d: %s: %s\n", map[audit.Severity]string{audit.Warning: "warning", audit.Error: "error"}[f.Severity],
			kinds[f.Object.Kind], f.Object.Number, f.Code, f.Message)
	}
	if v.err != nil {
		fmt.Fprintf(&b, "\t\tours:   %.300v\n", v.err)
	}
	return b.String()
}

// TestOneDamage says what both say of the damage in $BORINGBOOT_AUDIT_DAMAGE: a line as the oracle prints it. With
// $BORINGBOOT_AUDIT_KEEP the damaged image stays at that path.
func TestOneDamage(t *testing.T) {
	line := os.Getenv("BORINGBOOT_AUDIT_DAMAGE")
	if line == "" {
		return
	}
	at := len(line)
	if i := strings.Index(line, " 0x"); i >= 0 {
		at = i
	}
	i := slices.IndexFunc(allRecipes(), func(r recipe) bool { return r.name == line[:at] })
	if i < 0 {
		t.Fatalf("no image is called %q", line[:at])
	}
	s := newSubject(t, allRecipes()[i]).toFile(t)
	for _, word := range strings.Fields(line[at:]) {
		var place int
		var value []byte
		if _, err := fmt.Sscanf(word, "%v=%x", &place, &value); err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		s.write(place, value)
	}
	if _, err := s.show(); err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("BORINGBOOT_AUDIT_KEEP"); keep != "" {
		if err := os.WriteFile(keep, s.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v := judge(t, s.path, s.data, audit.Options{})
	t.Logf("agree: %v, same object: %v\n%s\n%s", v.agree(), v.sameObject(s.layout), v.said(), v.fsck)
}
