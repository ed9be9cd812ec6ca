// The page's drawing of the file system: what its block groups are used for.

package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boringboot/internal/show"
)

// maxBars is how many bars are drawn; with more groups a bar is several of them.
const maxBars = 128

// uses are what blocks are used for, in the order of the drawing. Each has a class, whose color and pattern the style has.
var uses = [...]struct {
	class, name string
	of          func(*GroupUse) uint32
}{
	{"us", "superblocks, descriptors", func(g *GroupUse) uint32 { return g.Superblock }},
	{"ub", "bitmaps", func(g *GroupUse) uint32 { return g.Bitmaps }},
	{"ui", "inode tables", func(g *GroupUse) uint32 { return g.InodeTables }},
	{"uj", "journal", func(g *GroupUse) uint32 { return g.Journal }},
	{"ud", "directories", func(g *GroupUse) uint32 { return g.Directories }},
	{"uf", "files", func(g *GroupUse) uint32 { return g.Files }},
	{"un", "free", func(g *GroupUse) uint32 { return g.Free }},
}

// usage counts blocks by use.
type usage struct {
	blocks uint64
	by     [len(uses)]uint64
}

func (u *usage) add(g *GroupUse) {
	u.blocks += uint64(g.Blocks)
	for i, use := range uses {
		u.by[i] += uint64(use.of(g))
	}
}

func (b *pageWriter) groups() {
	s := b.Structure
	if s == nil {
		return
	}
	b.add("<section aria-labelledby=\"fs\">\n<h2 id=\"fs\">The root file system</h2>\n")
	b.facts()
	if len(s.Groups) == 0 {
		b.add("<p>It is too damaged for its blocks to be counted, so no block groups are drawn.</p>\n</section>\n")
		return
	}
	each := (len(s.Groups) + maxBars - 1) / maxBars
	var all, most usage
	bars := make([]usage, 0, maxBars)
	for i := range s.Groups {
		if i%each == 0 {
			bars = append(bars, usage{})
		}
		bars[len(bars)-1].add(&s.Groups[i])
		all.add(&s.Groups[i])
	}
	for _, u := range bars {
		most.blocks = max(most.blocks, u.blocks)
	}
	b.legend(&all)
	files := b.filesByBar(each, len(bars))
	b.add("<table class=\"groups\">\n<caption>Block groups by use")
	if each > 1 {
		b.addf(": %d of them, up to %d in a bar", len(s.Groups), each)
	}
	b.add("</caption>\n<thead><tr><th scope=\"col\">Group</th><th scope=\"col\" class=\"use\">Use</th><th scope=\"col\">Free</th></tr></thead>\n<tbody>\n")
	for i := range bars {
		first, last := i*each, min((i+1)*each, len(s.Groups))-1
		name := strconv.Itoa(first)
		if last > first {
			name += "–" + strconv.Itoa(last)
		}
		b.groupBar(name, &bars[i], most.blocks, files[i])
	}
	b.add("</tbody>\n</table>\n</section>\n")
}

// facts says of the file system what is no drawing.
func (b *pageWriter) facts() {
	s := b.Structure
	b.add("<dl>\n")
	fact := func(name, value string) { b.addf("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value) }
	if s.Label != "" {
		fact("Label", s.Label)
	}
	fact("UUID", s.UUID)
	fact("State", s.State)
	size := uint64(max(s.BlockSize, 0))
	fact("Blocks", fmt.Sprintf("%d of %d bytes, %d free", s.Blocks, size, s.FreeBlocks))
	fact("Inodes", fmt.Sprintf("%d, %d free", s.Inodes, s.FreeInodes))
	fact("Directories", strconv.Itoa(s.Directories))
	fact("Features", strings.Join(s.Features, " "))
	b.add("</dl>\n")
}

// legend says what the patterns mean, and how much there is of each in all groups.
func (b *pageWriter) legend(all *usage) {
	b.add("<ul class=\"legend\" aria-label=\"What blocks are used for\">\n")
	for i, use := range uses {
		size := show.Size(int64(min(all.by[i], 1<<40) * uint64(max(b.Structure.BlockSize, 0)%(1<<20))))
		b.addf(`<li><svg width="22" height="14" aria-hidden="true"><rect class="%s" x="0.5" y="0.5" width="21" height="13"/></svg> %s: %s (%s)</li>`+"\n",
			use.class, use.name, size, inWords(all.by[i], all.blocks))
	}
	b.add("</ul>\n")
}

// filesByBar are the numbers of the files that lie in the groups of each bar.
func (b *pageWriter) filesByBar(each, bars int) [][]int {
	files := make([][]int, bars)
	for _, f := range b.placed {
		for _, run := range f.runs {
			block, ok := b.block(run[0])
			if !ok {
				continue
			}
			g := b.group(block)
			if g < 0 {
				continue
			}
			here := &files[g/each]
			if last := len(*here) - 1; last < 0 || (*here)[last] != f.number {
				*here = append(*here, f.number)
			}
			// A run that is public goes on into the groups behind.
			if !f.public || run[1] <= 0 {
				continue
			}
			end, ok := b.block(run[0] + run[1] - 1)
			if !ok {
				continue
			}
			for bar := g/each + 1; bar <= b.group(end)/each && bar < bars; bar++ {
				files[bar] = append(files[bar], f.number)
			}
		}
	}
	return files
}

// groupBar draws one bar, as long as it has blocks against the longest.
func (b *pageWriter) groupBar(name string, u *usage, most uint64, files []int) {
	var said []string
	for i, use := range uses {
		if u.by[i] > 0 {
			said = append(said, use.name+" "+inWords(u.by[i], u.blocks))
		}
	}
	b.addf(`<tr><th scope="row">%s</th><td><svg width="100%%" height="16" role="img"><title>%s</title>`, name, strings.Join(said, ", "))
	x := 0
	for i, wide := range layout(u.by[:], max(share(u.blocks, most, fullWidth), 100), 60) {
		if wide > 0 {
			b.add(`<rect class="`, uses[i].class, `" x="`, percent(x), `" width="`, percent(wide), `" height="16"/>`)
		}
		x += wide
	}
	b.add("</svg>")
	if len(files) > 0 {
		slices.Sort(files)
		word := "holds files "
		switch {
		case len(slices.Compact(slices.Clone(files))) == 1:
			word = "holds file "
		case strings.HasSuffix(numbersInWords(files), "files"):
			word = "holds "
		}
		b.addf(`<span class="here">▲ %s%s</span>`, word, numbersInWords(files))
	}
	b.addf("</td><td class=\"n\">%s</td></tr>\n", inWords(u.by[len(uses)-1], u.blocks))
}
