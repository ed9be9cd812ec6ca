// The report as a page: one file that needs nothing else, no script and no network, for a screen of any size and for paper.

package verify

import (
	"fmt"
	"html"
	"io"
	"strings"

	"boringboot/internal/show"
)

// Page is what the page tells. It is made of nothing else: the same page gives the same bytes.
type Page struct {
	Image     string // as it was named
	Format    string // raw, zstd, xz, gzip, bzip2
	Verdict   string // verified, findings, unjudged
	Compared  string // contents, bootstrap, structure
	Disk      *Disk
	Table     string     // mbr, gpt, none
	Structure *Structure // nil: it was not audited, and no block groups are drawn
	Report    *Report
	Places    map[string][][2]int64 // of files of the report: runs of (byte of the disk, length)
}

// maxRows bounds each table. Of what is beyond, the page says how much there is.
const maxRows = 1000

// WriteHTML writes the page. Nothing of what it says of the image is taken for markup, and it holds no content of a file, nor
// the length of one whose size the report keeps to itself.
func (p *Page) WriteHTML(w io.Writer) error {
	b := &pageWriter{Page: p, report: p.Report}
	if b.report == nil {
		b.report = NewReport()
	}
	b.numberFiles()
	b.head()
	b.verdict()
	b.findings()
	b.files()
	b.disk()
	b.groups()
	b.add("</main>\n</body>\n</html>\n")
	_, err := io.WriteString(w, b.text.String())
	return err
}

// pageWriter is a page in the making.
type pageWriter struct {
	*Page
	report *Report
	text   strings.Builder
	placed []placed
	number map[string]int // of a file in the drawings, by its path
	ends   []uint64       // of the block groups, as blocks; made when first needed
}

// add adds markup as it is.
func (b *pageWriter) add(markup ...string) {
	for _, m := range markup {
		b.text.WriteString(m)
	}
}

// addf adds markup with what must not be: strings are escaped. Numbers are as they are.
func (b *pageWriter) addf(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = escaped(s)
		}
	}
	fmt.Fprintf(&b.text, format, args...)
}

// escaped makes a text fit for the page: nothing in it is markup, and what cannot be seen, or turns the direction of writing, is
// replaced by something that can be seen.
func escaped(s string) string { return html.EscapeString(show.Printable(s)) }

func (b *pageWriter) head() {
	b.add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, pagePolicy(), "\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
	b.addf("<title>%s: %s</title>\n", b.Image, b.verdictWord())
	b.add("<style>", pageStyle, "</style>\n</head>\n<body>\n", pagePatterns, "<main>\n")
}

// verdictWord is the verdict for people.
func (b *pageWriter) verdictWord() string {
	switch b.Verdict {
	case "verified":
		return "verified"
	case "findings":
		return "findings"
	}
	return "not judged"
}

// verdict says what the image is, what was looked at, and how it ended.
func (b *pageWriter) verdict() {
	sign, class, sentence := "?", "unjudged", "Nothing is said for or against this image: it could not be judged."
	errors, warnings := b.count()
	switch b.Verdict {
	case "verified":
		sign, class, sentence = "✓", "verified", "Nothing is wrong with this image."
		if warnings > 0 {
			sentence = "Nothing is wrong with this image, but there is " + counted(warnings, "warning") + "."
		}
	case "findings":
		sign, class = "✗", "wrong"
		sentence = "This image is wrong: " + counted(errors, "error") + ", " + counted(warnings, "warning") + "."
	}
	b.addf("<header>\n<h1>%s</h1>\n", b.Image)
	b.add(`<p class="verdict `, class, `"><span class="sign" aria-hidden="true">`, sign, `</span> <strong>`, b.verdictWord(), ".</strong> ", sentence, "</p>\n")
	b.addf("<p>%s", comparedSentence(b.Compared))
	if b.Format != "" && b.Format != "raw" {
		b.addf(" The image is compressed (%s); places are those of the unpacked disk.", b.Format)
	}
	b.add("</p>\n</header>\n")
}

func comparedSentence(compared string) string {
	switch compared {
	case "contents":
		return "Every byte of the files was compared with what the secrets give."
	case "bootstrap":
		return "There were no secrets to compare the files with: they were held to what the first boot needs."
	case "structure":
		return "The structure of the file system was audited; no files were asked for."
	}
	return "Compared: " + compared + "."
}

// count counts the findings by severity.
func (b *pageWriter) count() (errors, warnings int) {
	for _, f := range b.report.Findings {
		if f.Severity == Warning {
			warnings++
		} else {
			errors++
		}
	}
	return errors, warnings
}

// counted is a number of things: "1 error", "2 errors".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
