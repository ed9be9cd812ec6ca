// The page's tables: what is wrong, the files with who confirmed them, and who read the image.

package verify

import (
	"slices"
	"strconv"
	"strings"

	"boringboot/internal/show"
)

// findings lists what is wrong, errors first.
func (b *pageWriter) findings() {
	all := slices.Clone(b.report.Findings)
	slices.SortStableFunc(all, func(a, c Finding) int {
		rank := func(f Finding) int {
			if f.Severity == Warning {
				return 1
			}
			return 0
		}
		return rank(a) - rank(c)
	})
	b.add("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n")
	if len(all) == 0 {
		b.add("<p>None.</p>\n</section>\n")
		return
	}
	b.add("<ul class=\"findings\">\n")
	for _, f := range all[:min(len(all), maxRows)] {
		sign, class := "✗", "error"
		if f.Severity == Warning {
			sign, class = "!", "warning"
		}
		b.add(`<li class="`, class, `"><span class="sign" aria-hidden="true">`, sign, `</span> `)
		b.addf("<strong>%s</strong> <code>%s</code> ", class, f.Code)
		if f.Path != "" {
			b.addf(`<code class="path">%s</code>: `, f.Path)
		}
		b.addf("%s</li>\n", f.Message)
	}
	b.add("</ul>\n")
	b.more(len(all), "finding")
	b.add("</section>\n")
}

// files lists the wanted paths, then the directories above them, then the readers.
func (b *pageWriter) files() {
	var wanted, above []File
	for _, f := range b.report.Files {
		if f.Above {
			above = append(above, f)
		} else {
			wanted = append(wanted, f)
		}
	}
	if len(wanted) > 0 {
		b.add("<section aria-labelledby=\"files\">\n<h2 id=\"files\">Files</h2>\n")
		b.fileTable(wanted, true)
		if len(above) > 0 {
			b.addf("<details>\n<summary>%s</summary>\n", directoriesAbove(len(above)))
			b.fileTable(above, false)
			b.add("</details>\n")
		}
		b.add("</section>\n")
	}
	b.readers()
}

func directoriesAbove(n int) string {
	if n == 1 {
		return "1 directory above them"
	}
	return strconv.Itoa(n) + " directories above them"
}

// fileTable has its roles spelled out: a narrow screen shows rows as blocks, which would take them away.
func (b *pageWriter) fileTable(files []File, numbered bool) {
	b.add("<table class=\"files\" role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\">")
	if numbered {
		b.add("<th scope=\"col\" role=\"columnheader\">No.</th>")
	}
	for _, heading := range []string{"Path", "Mode, owner", "Confirmed by"} {
		b.add("<th scope=\"col\" role=\"columnheader\">", heading, "</th>")
	}
	b.add("</tr></thead>\n<tbody role=\"rowgroup\">\n")
	for _, f := range files[:min(len(files), maxRows)] {
		b.add("<tr role=\"row\">")
		if numbered {
			b.addf(`<td class="no" role="cell">%d</td>`, b.number[f.Path])
		}
		b.addf(`<th scope="row" role="rowheader"><code class="path">%s</code>`, f.Path)
		if place := b.placeInWords(f.Path); place != "" && numbered {
			b.addf(`<span class="where">%s</span>`, place)
		}
		b.addf("</th><td role=\"cell\">%s, %s %d:%d", f.Kind, f.Mode, f.UID, f.GID)
		if f.Size > 0 && f.Kind == kindFile {
			b.add(", ", strings.ReplaceAll(show.Size(f.Size), " ", "&nbsp;"))
		}
		b.add("</td><td role=\"cell\">")
		b.confirmed(&f)
		b.add("</td></tr>\n")
	}
	b.add("</tbody>\n</table>\n")
	b.more(len(files), "path")
}

// confirmed says who confirmed a path, and who could not read it.
func (b *pageWriter) confirmed(f *File) {
	if len(f.ConfirmedBy) == 0 {
		b.add(`<span class="bad"><span aria-hidden="true">✗</span> nobody</span>`)
	}
	for i, name := range f.ConfirmedBy {
		if i > 0 {
			b.add("<br>")
		}
		b.addf(`<span class="good"><span aria-hidden="true">✓</span> %s</span>`, name)
	}
	for _, n := range f.NotReadBy {
		b.addf(`<span class="where">not read by %s: %s</span>`, n.Name, n.Reason)
	}
}

// readers says which implementations could read the image at all.
func (b *pageWriter) readers() {
	if len(b.report.Readers) == 0 {
		return
	}
	b.add("<section aria-labelledby=\"readers\">\n<h2 id=\"readers\">Readers</h2>\n<ul class=\"readers\">\n")
	for _, r := range b.report.Readers {
		if r.Reason == "" {
			b.addf(`<li><span class="good"><span aria-hidden="true">✓</span> %s</span> could read the image</li>`+"\n", r.Name)
		} else {
			b.addf(`<li><span aria-hidden="true">–</span> %s could not read the image: %s</li>`+"\n", r.Name, r.Reason)
		}
	}
	b.add("</ul>\n</section>\n")
}

// more says how much a table leaves out.
func (b *pageWriter) more(all int, thing string) {
	if all > maxRows {
		b.addf("<p>And %s that are not listed here.</p>\n", counted(all-maxRows, "more "+thing))
	}
}
