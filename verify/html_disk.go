// The page's drawing of the disk: partitions and gaps to scale, and the places of the files.

package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"boringboot/internal/show"
)

// narrowest is the least width of a partition or a gap, in hundredths of a percent: five pixels of a phone.
const narrowest = 150

// segment is a run of the disk with its place in the drawing.
type segment struct {
	span
	part    int // index of the partition, -1: a gap
	x, wide int // hundredths of a percent
}

// segments divides the disk. What a partition claims beyond the disk's end, or inside the one before it, is left out.
func (d *Disk) segments() []segment {
	order := make([]int, len(d.Parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.Parts[a].Start, d.Parts[b].Start) })
	var all []segment
	at := int64(0)
	for _, i := range order {
		p := d.Parts[i]
		first := min(max(p.Start, at), d.Size)
		end := first
		if p.Start >= 0 && p.Size > 0 && p.Start < d.Size {
			end = max(first, p.Start+min(p.Size, d.Size-p.Start))
		}
		if end == first {
			continue
		}
		if first > at {
			all = append(all, segment{span: span{at, first}, part: -1})
		}
		all = append(all, segment{span: span{first, end}, part: i})
		at = end
	}
	if at < d.Size {
		all = append(all, segment{span: span{at, d.Size}, part: -1})
	}
	sizes := make([]uint64, len(all))
	for i, s := range all {
		sizes[i] = uint64(s.end - s.first)
	}
	x := 0
	for i, wide := range layout(sizes, fullWidth, narrowest) {
		all[i].x, all[i].wide = x, wide
		x += wide
	}
	return all
}

// position is where a byte of the disk is drawn.
func position(all []segment, at int64) int {
	for _, s := range all {
		if at < s.end {
			return s.x + share(uint64(max(at-s.first, 0)), uint64(s.end-s.first), s.wide)
		}
	}
	return fullWidth
}

func (b *pageWriter) disk() {
	d := b.Disk
	if d == nil || d.Size <= 0 {
		return
	}
	all := d.segments()
	b.addf("<section aria-labelledby=\"disk\">\n<h2 id=\"disk\">The disk</h2>\n<p>%s, %s. ", show.Size(d.Size), tableSentence(b.Table))
	b.add("Drawn to scale, but for what would be too narrow to be seen.")
	if len(b.placed) > 0 {
		b.add(" The numbers above the bar are those of the files, where they lie.")
	}
	b.add("</p>\n")
	b.bar(all)
	b.add("<table class=\"disk\">\n<thead><tr><th scope=\"col\">Part</th><th scope=\"col\">Holds</th><th scope=\"col\">Size</th><th scope=\"col\">From byte</th></tr></thead>\n<tbody>\n")
	for i, s := range all {
		if i == maxRows {
			break
		}
		name, holds := "gap", "in no partition"
		if s.part >= 0 {
			name, holds = d.partName(s.part), cmp.Or(d.Parts[s.part].Type, "unknown")
			if s.part == d.Root {
				holds += ", the root"
			}
		}
		b.addf("<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%d</td></tr>\n", name, holds, show.Size(s.end-s.first), s.first)
	}
	b.add("</tbody>\n</table>\n")
	b.more(len(all), "part")
	b.add("</section>\n")
}

func tableSentence(table string) string {
	switch table {
	case "mbr":
		return "with an MBR partition table"
	case "gpt":
		return "with a GPT partition table"
	}
	return "without a partition table"
}

func (d *Disk) partName(i int) string {
	if n := d.Parts[i].Number; n != 0 {
		return strconv.Itoa(n)
	}
	return "whole"
}

// bar draws the disk, with the marks of files above.
func (b *pageWriter) bar(all []segment) {
	const top, high = 30, 44
	b.add(`<svg class="bar" width="100%" height="`, strconv.Itoa(top+high+1), `" role="img" aria-labelledby="bar"><title id="bar">`)
	b.addf("%s</title>\n", fmt.Sprintf("The disk from its first byte to its last: %s", counted(len(all), "part")))
	var labels []string // above the marks, so that they can be read
	for _, s := range all {
		class, label := "gap", ""
		if s.part >= 0 {
			class, label = "part", b.Disk.partName(s.part)
			if s.part == b.Disk.Root {
				class, label = "root", label+" · root"
			}
		}
		b.addf(`<rect class="%s" x="%s" y="%d" width="%s" height="%d"/>`, class, percent(s.x), top, percent(s.wide), high)
		room := 400
		if s.part == b.Disk.Root && s.part >= 0 && s.wide < 2200 {
			label = b.Disk.partName(s.part)
		}
		if len(label) > 2 {
			room = 1500
		}
		if label != "" && s.wide >= room {
			labels = append(labels, fmt.Sprintf(`<text class="on" x="%s" y="%d">%s</text>`+"\n", percent(s.x+s.wide/2), top+high/2+5, escaped(label)))
		}
		b.add("\n")
	}
	b.marks(all, top, high)
	b.add(labels...)
	b.add("</svg>\n")
}
