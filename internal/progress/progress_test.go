package progress

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/diskimage"
	"boringboot/internal/show"
)

var _ diskimage.Progress = Reporter(nil)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func TestElsewhereEachStepIsOneLine(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1000, 0)}
	l := &lines{w: &out, now: c.now}
	l.Start("copying a.img", 3<<30)
	for range 3 {
		c.advance(1200 * time.Millisecond)
		l.Add(1 << 30)
	}
	l.Done()
	l.Done()
	l.Start("unpacking b\x1b[31m\nö.zst", -1)
	l.Add(512)
	l.Done()
	l.Start("copying c.img", 1<<20)
	l.Add(1 << 19)
	c.advance(2 * time.Hour)
	l.Done()
	want := `copying a.img: 3.0 GiB in 3.6s
unpacking b?[31m??.zst: 512 B in 0.0s
copying c.img: stopped after 512.0 KiB of 1.0 MiB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, quiet := range []bool{false, true} {
		r := New(f, quiet)
		r.Start("copying", 10)
		r.Add(10)
		r.Done()
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); got != "copying: 10 B in 0.0s\n" {
		t.Errorf("wrote %q, want one line, and none when quiet", got)
	}
}

// screen shows what a terminal of so many columns shows after s: \r goes to the line's start, \n to the next line.
func screen(t *testing.T, s string, columns int) []string {
	t.Helper()
	rows, col := [][]byte{nil}, 0
	for _, c := range []byte(s) {
		row := &rows[len(rows)-1]
		switch {
		case c == '\r':
			col = 0
		case c == '\n':
			rows, col = append(rows, nil), 0
		case c < ' ' || c > '~':
			t.Fatalf("byte %#x was written", c)
		default:
			if col == columns {
				rows, col = append(rows, nil), 0
				row = &rows[len(rows)-1]
			}
			for len(*row) <= col {
				*row = append(*row, ' ')
			}
			(*row)[col] = c
			col++
		}
	}
	var text []string
	for _, r := range rows {
		text = append(text, strings.TrimRight(string(r), " "))
	}
	return text
}

func TestTheBarShowsHowFarItIs(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1000, 0)}
	b := newBar(&out, func() int { return 100 }, c.now)
	check := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, screen(t, out.String(), 100)); diff != "" {
			t.Errorf("screen (-want +got):\n%s", diff)
		}
	}
	b.Start("copying nixos.img", 1<<30)
	check("copying nixos.img  [----------------------------------------]    0%")
	c.advance(time.Second)
	b.Add(1 << 28)
	check("copying nixos.img  [##########------------------------------]   25%  256.0 MiB/s  3.0s left")
	c.advance(2 * time.Second)
	b.Add(1<<29 + 1<<28)
	check("copying nixos.img  [########################################]  100%  341.3 MiB/s")
	b.Done()
	check("copying nixos.img: 1.0 GiB in 3.0s", "")
	b.Start("unpacking", -1)
	c.advance(time.Second)
	b.Add(5 << 20)
	check("copying nixos.img: 1.0 GiB in 3.0s", "unpacking  5.0 MiB  5.0 MiB/s")
	b.Done()
	check("copying nixos.img: 1.0 GiB in 3.0s", "unpacking: 5.0 MiB in 1.0s", "")
}

func TestTheBarStaysOnOneLineAtEveryWidth(t *testing.T) {
	for width := 1; width < 200; width++ {
		var out bytes.Buffer
		c := &clock{time.Unix(1000, 0)}
		b := newBar(&out, func() int { return width }, c.now)
		b.Start("unpacking nixos-image-sd-card-25.11.raspberry-pi.img.zst", 123456789)
		for range 20 {
			c.advance(150 * time.Millisecond)
			b.Add(6000000)
			if rows := screen(t, out.String(), width); len(rows) != 1 {
				t.Fatalf("%d columns: the bar takes %d lines: %q", width, len(rows), rows)
			}
		}
	}
}

func TestTheBarIsDrawnAtMostTenTimesASecond(t *testing.T) {
	var out countingWriter
	c := &clock{time.Unix(1000, 0)}
	b := newBar(&out, func() int { return 80 }, c.now)
	b.Start("copying", 100000)
	for range 5000 {
		c.advance(time.Millisecond)
		b.Add(20)
	}
	if out.n > 51 {
		t.Errorf("%d writes in 5 s, want at most 51", out.n)
	}
	if out.n < 40 {
		t.Errorf("%d writes in 5 s: the bar stands still", out.n)
	}
}

type countingWriter struct{ n int }

func (w *countingWriter) Write(b []byte) (int, error) { w.n++; return len(b), nil }

func TestSizesAndDurations(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 3 << 29: "1.5 GiB", 1 << 62: "4.0 EiB"} {
		if got := show.Size(n); got != want {
			t.Errorf("show.Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0.0s", 340 * time.Millisecond: "0.3s", 42 * time.Second: "42s",
		185 * time.Second: "3m05s", 3720 * time.Second: "1h02m"} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
}

func ExampleNew() {
	r := New(os.Stdout, true)
	r.Start("copying", 10)
	r.Add(10)
	r.Done()
	fmt.Println("quiet")
	// Output: quiet
}
