// Package progress draws how far long steps are, on standard error: a bar on a terminal, one line when a step ends
// elsewhere, nothing when it is told to be quiet. It is a diskimage.Progress.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"boringboot/internal/show"
)

// Reporter is told of steps: Start, Add, Done. Its methods may be called by several goroutines; steps do not overlap.
type Reporter interface {
	Start(step string, total int64) // total in bytes; −1: unknown
	Add(n int64)                    // n more bytes are done
	Done()                          // the step is over, whether it succeeded or not
}

// New returns a reporter that writes to f (usually os.Stderr).
func New(f *os.File, quiet bool) Reporter {
	switch {
	case quiet:
		return silent{}
	case term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb":
		return newBar(f, func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}, time.Now)
	}
	return &lines{w: f, now: time.Now}
}

type silent struct{}

func (silent) Start(string, int64) {}
func (silent) Add(int64)           {}
func (silent) Done()               {}

// step is what both forms keep of the step that runs.
type step struct {
	name  string
	total int64
	done  int64
	began time.Time
	open  bool
}

// summary says what a step did: "copying nixos.img: 1.2 GiB in 3.4s". One that ended before its total says so.
func (s *step) summary(now time.Time) string {
	text := fmt.Sprintf("%s: %s in %s", s.name, show.Size(s.done), durationText(now.Sub(s.began)))
	if s.total >= 0 && s.done != s.total {
		text = fmt.Sprintf("%s: stopped after %s of %s", s.name, show.Size(s.done), show.Size(s.total))
	}
	return text
}

// lines writes one line when a step ends.
type lines struct {
	mu  sync.Mutex
	w   io.Writer
	now func() time.Time
	step
}

func (l *lines) Start(name string, total int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step = step{name: asciiOnly(name), total: total, began: l.now(), open: true}
}

func (l *lines) Add(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += n
}

func (l *lines) Done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return
	}
	l.open = false
	fmt.Fprintln(l.w, l.summary(l.now()))
}

// asciiOnly replaces what would move a terminal's cursor, and what may be wider or narrower than one column: a bar has to fit.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// durationText writes "0.3s", "42s", "3m05s" or "1h02m".
func durationText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
