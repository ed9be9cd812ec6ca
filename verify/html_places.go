// The places of the files: their numbers in the page's drawings, and where each of them lies, in words.

package verify

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// placed is a file that has a number and a place.
type placed struct {
	number int
	runs   [][2]int64
	public bool // its size is known to everybody, and may be drawn
}

// numberFiles numbers the wanted files in the order of the report, and finds their places.
func (b *pageWriter) numberFiles() {
	b.number = map[string]int{}
	for _, f := range b.report.Files {
		if f.Above {
			continue
		}
		if _, twice := b.number[f.Path]; twice {
			continue
		}
		n := len(b.number) + 1
		b.number[f.Path] = n
		if runs := b.Places[f.Path]; len(runs) > 0 {
			b.placed = append(b.placed, placed{n, runs, f.Size > 0})
		}
	}
}

// mark is a file's place in the drawing of the disk.
type mark struct{ x, wide, number int }

// apart is how far labels are from each other, in hundredths of a percent: 27 pixels of a phone.
const apart = 800

// marks draws where files lie: a stroke through the bar for each run, and a label for all that are near each other.
func (b *pageWriter) marks(all []segment, top, high int) {
	var marks []mark
	for _, f := range b.placed {
		for _, run := range f.runs {
			if run[0] < 0 || run[0] >= b.Disk.Size {
				continue
			}
			m := mark{x: position(all, run[0]), number: f.number}
			if f.public && run[1] > 0 {
				m.wide = max(0, position(all, run[0]+min(run[1], b.Disk.Size-run[0]))-m.x)
			}
			marks = append(marks, m)
		}
	}
	slices.SortFunc(marks, func(a, c mark) int {
		return cmp.Or(cmp.Compare(a.x, c.x), cmp.Compare(c.wide, a.wide), cmp.Compare(a.number, c.number))
	})
	drawn := -1
	for i := 0; i < len(marks); {
		near := i
		for near < len(marks) && marks[near].x-marks[i].x < apart {
			// Strokes over each other, and closer than can be seen, are one.
			if m := marks[near]; m.x+m.wide > drawn {
				width := "4" // pixels
				if m.wide >= fullWidth/100 {
					width = percent(m.wide)
				}
				b.addf(`<rect class="mark" x="%s" y="%d" width="%s" height="%d"/>`, percent(m.x), top-8, width, high+8)
				drawn = m.x + max(m.wide, 15)
			}
			near++
		}
		b.label(marks[i:near], top)
		i = near
	}
}

// label names the files of some marks that are near each other.
func (b *pageWriter) label(marks []mark, top int) {
	numbers := make([]int, len(marks))
	for i, m := range marks {
		numbers[i] = m.number
	}
	x := (marks[0].x + marks[len(marks)-1].x) / 2
	class := "label"
	switch {
	case x < fullWidth/20:
		class, x = "label first", marks[0].x
	case x > fullWidth-fullWidth/20:
		class, x = "label last", marks[len(marks)-1].x
	}
	b.addf(`<text class="%s" x="%s" y="%d">%s</text>`+"\n", class, percent(x), top-13, numbersInWords(numbers))
}

// numbersInWords is "3", "1, 3", "1–4" or, for what is too long for a label, "12 files".
func numbersInWords(numbers []int) string {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	first, last := numbers[0], numbers[len(numbers)-1]
	switch {
	case len(numbers) == 1:
		return strconv.Itoa(first)
	case len(numbers) == 2:
		return fmt.Sprintf("%d, %d", first, last)
	case last-first == len(numbers)-1:
		return fmt.Sprintf("%d–%d", first, last)
	}
	return fmt.Sprintf("%d files", len(numbers))
}

// maxRuns bounds how many places of a file are told.
const maxRuns = 3

// placeInWords says where a file lies. It tells no lengths.
func (b *pageWriter) placeInWords(path string) string {
	runs := b.Places[path]
	if len(runs) == 0 {
		return ""
	}
	var told []string
	for _, run := range runs[:min(len(runs), maxRuns)] {
		text := fmt.Sprintf("byte %d of the disk", run[0])
		if block, ok := b.block(run[0]); ok {
			text = fmt.Sprintf("block %d", block)
			if g := b.group(block); g >= 0 {
				text += fmt.Sprintf(" in group %d", g)
			}
			text += fmt.Sprintf(" (byte %d of the disk)", run[0])
		}
		told = append(told, text)
	}
	if more := len(runs) - len(told); more > 0 {
		told = append(told, counted(more, "more run"))
	}
	return strings.Join(told, "; ")
}

// block is the block of the root file system that holds a byte of the disk.
func (b *pageWriter) block(at int64) (uint64, bool) {
	s := b.Structure
	if s == nil || s.BlockSize <= 0 || b.Disk == nil || b.Disk.Root < 0 || b.Disk.Root >= len(b.Disk.Parts) {
		return 0, false
	}
	start := b.Disk.Parts[b.Disk.Root].Start
	if at < start {
		return 0, false
	}
	block := uint64(at-start) / uint64(s.BlockSize)
	return block, block < s.Blocks
}

// group is the block group of a block, -1 where the groups are not known.
func (b *pageWriter) group(block uint64) int {
	if b.ends == nil {
		// What is in no group is before the first: with blocks of 1 KiB that is the boot block.
		var all uint64
		for _, g := range b.Structure.Groups {
			all += uint64(g.Blocks)
		}
		end := b.Structure.Blocks - min(all, b.Structure.Blocks)
		for _, g := range b.Structure.Groups {
			end += uint64(g.Blocks)
			b.ends = append(b.ends, end)
		}
	}
	g := sort.Search(len(b.ends), func(i int) bool { return block < b.ends[i] })
	if g == len(b.ends) {
		return -1
	}
	return g
}
