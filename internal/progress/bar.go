// This file draws the bar: one line that is overwritten, at most ten times a second, and replaced by the step's summary.

package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"boringboot/internal/show"
)

const (
	drawEvery = 100 * time.Millisecond
	// A rate is taken over this long, so that it follows what happens now and does not jump.
	rateWindow = 2 * time.Second
	minBar     = 8
	maxBar     = 40
	longest    = len("100%  1023.9 MiB/s  59m59s left")
)

type bar struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // columns
	now   func() time.Time

	step
	drawn time.Time // when last
	shown int       // columns that the line on the screen takes
	rate  float64   // bytes a second
	since time.Time // of the rate's window
	mark  int64     // done at since
}

func newBar(w io.Writer, width func() int, now func() time.Time) *bar {
	return &bar{w: w, width: width, now: now}
}

func (b *bar) Start(name string, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.step = step{name: asciiOnly(name), total: total, began: now, open: true}
	b.rate, b.since, b.mark = 0, now, 0
	b.draw(now)
}

func (b *bar) Add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return
	}
	b.done += n
	if now := b.now(); now.Sub(b.drawn) >= drawEvery {
		b.draw(now)
	}
}

func (b *bar) Done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return
	}
	b.open = false
	now := b.now()
	b.put(b.summary(now), "\n")
	b.shown = 0
	b.drawn = time.Time{}
}

func (b *bar) draw(now time.Time) {
	b.drawn = now
	if d := now.Sub(b.since); d >= rateWindow {
		b.rate = float64(b.done-b.mark) / d.Seconds()
		b.since, b.mark = now, b.done
	} else if d := now.Sub(b.began); b.rate == 0 && d > drawEvery {
		b.rate = float64(b.done) / d.Seconds()
	}
	b.put(b.line(b.columns()), "")
}

// columns are those that may be used. The last one is left free: writing to it moves some terminals to the next line.
func (b *bar) columns() int { return max(b.width()-1, 1) }

// put replaces the line on the screen. It is one write, in which the old text is overwritten rather than erased first: that
// is what does not flicker.
func (b *bar) put(text, end string) {
	if n := b.columns(); end == "" && len(text) > n {
		text = text[:n]
	}
	pad := strings.Repeat(" ", max(min(b.shown, b.columns())-len(text), 0))
	// A terminal that cannot be written to is no reason to stop the work.
	io.WriteString(b.w, "\r"+text+pad+end)
	b.shown = len(text)
}

// line is the text for a line of so many columns: what does not fit is left out, the bar first, then time and rate.
func (b *bar) line(columns int) string {
	rate := ""
	if b.rate > 0 {
		rate = "  " + show.Size(int64(b.rate)) + "/s"
	}
	if b.total < 0 {
		return fit(columns, b.name+"  "+show.Size(b.done)+rate, b.name+"  "+show.Size(b.done), b.name)
	}
	fraction := 1.0
	if b.total > 0 {
		fraction = min(float64(b.done)/float64(b.total), 1)
	}
	percent := fmt.Sprintf("%3d%%", int(fraction*100))
	eta := ""
	if left := b.total - b.done; b.rate > 0 && left > 0 {
		if seconds := float64(left) / b.rate; seconds < 100*3600 {
			eta = "  " + durationText(time.Duration(seconds*float64(time.Second))) + " left"
		}
	}
	long := percent + rate + eta
	// The bar's length depends on the name and the terminal alone, so that it stands still while the numbers change.
	if room := columns - len(b.name) - len("  []  ") - longest; room >= minBar {
		cells := min(room, maxBar)
		full := int(fraction * float64(cells))
		return fmt.Sprintf("%s  [%s%s]  %s", b.name, strings.Repeat("#", full), strings.Repeat("-", cells-full), long)
	}
	return fit(columns, b.name+"  "+long, b.name+"  "+percent+eta, b.name+"  "+percent, percent)
}

// fit is the first text that fits, or else the last.
func fit(columns int, texts ...string) string {
	for _, t := range texts {
		if len(t) <= columns {
			return t
		}
	}
	return texts[len(texts)-1]
}
