// The page as a browser shows it, and as bytes.

package verify

import (
	"bytes"
	"context"
	"fmt"
	"html"
	picture "image"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// samplePage is a page of a disk as NixOS makes it: a card with three files on it.
func samplePage(groups int) *Page {
	const start, blocks = 38 << 20, 32768
	s := &Structure{Label: "NIXOS_SD", UUID: "44444444-4444-4444-8888-888888888888", State: "clean", BlockSize: 4096, Inodes: uint32(8192 * min(groups, 1<<18)),
		FreeInodes: 12, Directories: 20311, Features: strings.Fields("has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super metadata_csum")}
	for i := range groups {
		g := GroupUse{Blocks: blocks, Free: uint32(i * 997 % 9000), Directories: uint32(i * 31 % 700)}
		switch {
		case i%16 == 0:
			g.Superblock, g.Bitmaps, g.InodeTables = 64, 32, 8192
		case i == 1:
			g.Journal = 16384
		}
		if i == groups-1 {
			g.Blocks = 20000
		}
		g.Files = g.Blocks - g.Free - g.Directories - g.Superblock - g.Bitmaps - g.InodeTables - g.Journal
		s.Groups, s.Blocks, s.FreeBlocks = append(s.Groups, g), s.Blocks+uint64(g.Blocks), s.FreeBlocks+uint64(g.Free)
	}
	size := int64(s.Blocks) * 4096
	readers := []string{"go-ext4", "go-diskfs", "go-ext4-filesystem", ownName}
	r := NewReport()
	for _, name := range readers {
		r.Readers = append(r.Readers, Reader{Name: name})
	}
	for _, dir := range []string{"/", "/var", "/var/lib", "/var/lib/bootstrap", "/var/lib/networkmanager"} {
		r.Files = append(r.Files, File{Path: dir, Kind: kindDirectory, Mode: "0755", Above: true, ConfirmedBy: readers})
	}
	r.Files = append(r.Files,
		File{Path: "/var/lib/bootstrap/ssh_host_ed25519_key", Kind: kindFile, Mode: "0600", ConfirmedBy: readers},
		File{Path: "/var/lib/bootstrap/ssh_host_ed25519_key.pub", Kind: kindFile, Mode: "0644", Size: 95, ConfirmedBy: readers},
		File{Path: "/var/lib/networkmanager/system-connections.env", Kind: kindFile, Mode: "0600", ConfirmedBy: readers[1:],
			NotReadBy: []Reader{{readers[0], "directory /var/lib is hashed"}}})
	at := func(block int64) [][2]int64 { return [][2]int64{{start + block*4096, 411}} }
	return &Page{
		Image: "out/bastet.img.zst", Format: "zstd", Verdict: "verified", Compared: "contents", Table: "mbr", Structure: s, Report: r,
		Disk: &Disk{Size: start + size + 1<<20, Root: 1, Parts: []Part{{1, 8 << 20, 30 << 20, "vfat"}, {2, start, size, "ext4"}}},
		Places: map[string][][2]int64{"/var/lib/bootstrap/ssh_host_ed25519_key": at(9000), "/var/lib/bootstrap/ssh_host_ed25519_key.pub": at(9001),
			"/var/lib/networkmanager/system-connections.env": at(int64(s.Blocks) * 2 / 3)},
	}
}

// wrongPage is the sample with findings.
func wrongPage() *Page {
	p := samplePage(24)
	p.Verdict, p.Compared = "findings", "bootstrap"
	p.Report.Files[5].ConfirmedBy = []string{}
	p.Report.Findings = []Finding{
		{Code: "environment-unused", Severity: Warning, Path: "/var/lib/networkmanager/system-connections.env", Message: "no unit reads it"},
		{Code: codeWrongMode, Severity: Error, Path: "/var/lib/bootstrap/ssh_host_ed25519_key", Message: "its mode is 0644, not 0600"},
		{Code: "block-claimed-twice", Severity: Error, Object: "inode 12", Message: "inode 12: block 98304 is also that of inode 13"},
	}
	return p
}

func written(tb testing.TB, p *Page) string {
	tb.Helper()
	var b bytes.Buffer
	if err := p.WriteHTML(&b); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestTheSamePageGivesTheSameBytes(t *testing.T) {
	first := written(t, wrongPage())
	for range 20 {
		if written(t, wrongPage()) != first {
			t.Fatal("it differs")
		}
	}
}

func TestThePageOfAHugeFileSystemIsSmall(t *testing.T) {
	p := samplePage(16384)
	text := written(t, p)
	if len(text) > 300<<10 {
		t.Errorf("%d bytes", len(text))
	}
	if n := strings.Count(text, `<tr><th scope="row">`); n > 128+len(p.Disk.Parts)+2 {
		t.Errorf("%d rows", n)
	}
	for _, want := range []string{"16384 of them, up to 128 in a bar", `<th scope="row">16256–16383</th>`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestNothingOfTheImageIsMarkup(t *testing.T) {
	const evil = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\x1b[31m\n\u202e\xff"
	p := samplePage(3)
	p.Image, p.Format, p.Verdict, p.Compared, p.Table = evil, evil, evil, evil, evil
	p.Structure.Label, p.Structure.UUID, p.Structure.State, p.Structure.Features = evil, evil, evil, []string{evil}
	p.Disk.Parts[0].Type = evil
	p.Report.Readers = []Reader{{evil, ""}, {evil, evil}}
	p.Report.Files = []File{{Path: evil, Kind: evil, Mode: evil, ConfirmedBy: []string{evil}, NotReadBy: []Reader{{evil, evil}}}, {Path: evil, Kind: evil, Mode: evil, Above: true}}
	p.Report.Findings = []Finding{{evil, evil, evil, evil, evil}, {evil, Warning, evil, evil, evil}}
	p.Places = map[string][][2]int64{evil: {{40 << 20, 1}}}
	text := written(t, p)
	for _, bad := range []string{"<script", "<img", "\x00", "\x1b", "\u202e", "\xff", "=x onerror=alert(1)>"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if n := strings.Count(text, "</style>"); n != 1 {
		t.Errorf("%d ends of the style", n)
	}
	if !strings.Contains(text, "&lt;script&gt;") || !strings.Contains(text, "\uFFFD[31m\uFFFD") {
		t.Error("what was hostile is not shown")
	}
}

func TestLengthsOfSecretsAreNotInThePage(t *testing.T) {
	p := samplePage(24)
	secret := func(length int64) string {
		p.Places[p.Report.Files[5].Path] = [][2]int64{{60 << 20, length}}
		return written(t, p)
	}
	if secret(10) != secret(300<<20) {
		t.Error("the page tells how long a secret is")
	}
}

func TestWhatMakesNoSenseIsDrawnAnyhow(t *testing.T) {
	const most = 1<<63 - 1
	for _, c := range []struct {
		name   string
		change func(*Page)
	}{
		{"nothing at all", func(p *Page) { *p = Page{} }},
		{"no structure", func(p *Page) { p.Structure = nil }},
		{"no groups", func(p *Page) { p.Structure.Groups = nil }},
		{"empty groups", func(p *Page) { p.Structure.Groups = make([]GroupUse, 5) }},
		{"blocks of no size", func(p *Page) { p.Structure.BlockSize = 0 }},
		{"more blocks than all", func(p *Page) {
			p.Structure.Groups[0] = GroupUse{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), 0}
		}},
		{"partitions over each other and beyond the end", func(p *Page) {
			p.Disk.Parts = []Part{{1, 0, most, "a"}, {2, 5, most, "b"}, {3, most, most, "c"}, {4, -5, 10, "d"}, {5, 9, -1, "e"}, {6, 7, 0, "f"}}
		}},
		{"no partitions", func(p *Page) { p.Disk.Parts = nil }},
		{"a root that is not there", func(p *Page) { p.Disk.Root = 7 }},
		{"a disk of no size", func(p *Page) { p.Disk.Size = 0 }},
		{"a disk of the largest size", func(p *Page) { p.Disk.Size = most }},
		{"more partitions than pixels", func(p *Page) {
			for i := range 20000 {
				p.Disk.Parts = append(p.Disk.Parts, Part{i + 3, int64(i) * 1024, 512, "ext4"})
			}
		}},
		{"places that are nowhere", func(p *Page) {
			p.Places[p.Report.Files[6].Path] = [][2]int64{{-1, 5}, {most, most}, {most - 1, most}, {1 << 40, -1}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := samplePage(4)
			c.change(p)
			if text := written(t, p); !strings.HasSuffix(text, "</html>\n") || strings.Contains(text, "%!") {
				t.Error(text)
			}
		})
	}
}

func TestABarIsToScaleButNothingIsInvisible(t *testing.T) {
	for _, c := range []struct {
		sizes []uint64
		least int
		want  []int
	}{
		{[]uint64{1, 1, 2}, 0, []int{2500, 2500, 5000}},
		{[]uint64{1, 0, 1 << 40}, 150, []int{150, 0, 9850}},
		{[]uint64{1, 1, 1}, 150, []int{3334, 3333, 3333}},
		{[]uint64{0, 0}, 150, []int{0, 0}},
		{nil, 150, []int{}},
		{[]uint64{1, 1<<64 - 2}, 9000, []int{2500, 7500}},
		{[]uint64{160, 9840 - 160, 160}, 162, []int{162, 9676, 162}},
	} {
		if got := layout(c.sizes, fullWidth, c.least); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%d, at least %d: %d, want %d", c.sizes, c.least, got, c.want)
		}
	}
}

func TestAPlaceIsInItsGroup(t *testing.T) {
	p := samplePage(3)
	p.Structure.Blocks++ // a boot block before the first group
	b := &pageWriter{Page: p}
	for block, want := range map[uint64]int{1: 0, 32768: 0, 32769: 1, 65536: 1, 65537: 2, 85536: 2, 85537: -1} {
		if got := b.group(block); got != want {
			t.Errorf("block %d is in group %d, want %d", block, got, want)
		}
	}
}

// chromium runs the browser without a window, and returns what it prints.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	testimage.Require(t, "chromium")
	fixed := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chromium", append(fixed, args...)...)
	cmd.WaitDelay = 5 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	return string(out)
}

// pageFile writes a page to a file and returns its address.
func pageFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func TestABrowserReadsThePage(t *testing.T) {
	dom := chromium(t, "--dump-dom", pageFile(t, "page.html", written(t, wrongPage())))
	for _, want := range []string{
		"<title>out/bastet.img.zst: findings</title>", "This image is wrong: 2 errors, 1 warning.", "its mode is 0644, not 0600", "block-claimed-twice",
		"/var/lib/bootstrap/ssh_host_ed25519_key.pub", "nobody", "not read by go-ext4: directory /var/lib is hashed", ownName, "5 directories above them",
		"block 9000 in group 0", "The disk from its first byte to its last: 4 parts", "inode tables", "▲ holds files 1, 2", "▲ holds file 3", "NIXOS_SD",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// A phone is a frame as wide as one: the browser's own window does not get that narrow. The frame's color is none of the page's, and is seen
// where the page ends.
func TestThePageIsSeenInBothColorSchemes(t *testing.T) {
	address := pageFile(t, "page.html", written(t, wrongPage()))
	phone := pageFile(t, "phone.html", `<!DOCTYPE html><style>*{margin:0;border:0}</style><iframe src="`+address+`" width="390" height="1200"></iframe>`)
	shot := func(scheme, at, size string) picture.Image {
		path := filepath.Join(t.TempDir(), "page.png")
		chromium(t, "--blink-settings=preferredColorScheme="+scheme, "--window-size="+size, "--screenshot="+path, at)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	for name, at := range map[string][2]string{"desktop": {address, "1280,1200"}, "phone": {phone, "500,1200"}} {
		t.Run(name, func(t *testing.T) {
			dark, light := shot("0", at[0], at[1]), shot("1", at[0], at[1])
			for scheme, img := range map[string]picture.Image{"dark": dark, "light": light} {
				if n := colorsOf(img); n < 30 {
					t.Errorf("%s: %d colors, which is a blank page", scheme, n)
				}
			}
			if d, l := brightness(dark), brightness(light); d > 96 || l < 160 {
				t.Errorf("brightness: dark %d, light %d, of 255", d, l)
			}
		})
	}
}

// The page lies in a frame of a page that measures it: it lets no script in itself.
func TestNothingIsWiderThanAPhone(t *testing.T) {
	long := samplePage(16384)
	endless := "/" + strings.Repeat("x", 250)
	long.Image, long.Structure.Label, long.Disk.Parts[0].Type = endless, endless, endless
	long.Disk.Size = 1 << 60
	long.Report.Files = append(long.Report.Files, File{Path: endless, Kind: kindSymlink, Mode: "0777", UID: 1<<32 - 1, GID: 1<<32 - 1})
	long.Report.Findings = []Finding{{Code: codeMissing, Severity: Error, Path: endless, Message: endless}}
	var body strings.Builder
	for _, p := range []*Page{wrongPage(), long} {
		for _, width := range []int{390, 320} {
			fmt.Fprintf(&body, `<iframe width="%d" height="900" style="border:0" onload="this.title='is '+this.contentDocument.documentElement.scrollWidth" srcdoc="%s"></iframe>`,
				width, html.EscapeString(written(t, p)))
		}
	}
	dom := chromium(t, "--dump-dom", pageFile(t, "frames.html", "<!DOCTYPE html>"+body.String()))
	var got []string
	for _, m := range regexp.MustCompile(`title="(is \d+)"`).FindAllStringSubmatch(dom, -1) {
		got = append(got, m[1])
	}
	if want := []string{"is 390", "is 320", "is 390", "is 320"}; !slices.Equal(got, want) {
		t.Errorf("widths %q, want %q", got, want)
	}
}

func colorsOf(img picture.Image) int {
	seen := map[[3]uint32]bool{}
	eachPixel(img, func(r, g, b uint32) { seen[[3]uint32{r, g, b}] = true })
	return len(seen)
}

// brightness is that of the part that a phone shows, on the average.
func brightness(img picture.Image) uint32 {
	var sum, n uint64
	eachPixel(img, func(r, g, b uint32) { sum, n = sum+uint64(r+g+b)/3>>8, n+1 })
	return uint32(sum / max(n, 1))
}

func eachPixel(img picture.Image, do func(r, g, b uint32)) {
	box := img.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < min(box.Max.X, 390); x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			do(r, g, b)
		}
	}
}

func TestThePageOfARealImageShowsWhereItsFilesAre(t *testing.T) {
	d, want, _ := leakDisk(t)
	root, size := d.root()
	s, err := AuditStructure(t.Context(), root, size)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Contents(t.Context(), root, size, want)
	if err != nil {
		t.Fatal(err)
	}
	paths := make([]string, len(want))
	for i, e := range want {
		paths[i] = e.Path
	}
	spans, _, err := d.placesOf(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	p := &Page{Image: "x.img", Format: "raw", Verdict: "verified", Compared: "contents", Disk: d, Table: "mbr", Structure: s, Report: r, Places: map[string][][2]int64{}}
	for path, runs := range spans {
		for _, run := range runs {
			p.Places[path] = append(p.Places[path], [2]int64{run.first, run.end - run.first})
		}
	}
	text := written(t, p)
	for path, runs := range p.Places {
		block := uint64(runs[0][0]-d.Parts[1].Start) / uint64(s.BlockSize)
		if says := fmt.Sprintf("%s</code><span class=\"where\">block %d in group ", path, block); !strings.Contains(text, says) {
			t.Errorf("%q is missing", says)
		}
	}
	for _, e := range want {
		if e.Content != nil && e.Secret && strings.Contains(text, string(contentOf(t, e))) {
			t.Errorf("the content of %s is in the page", e.Path)
		}
	}
	if len(p.Places) == 0 || strings.Count(text, "▲ holds") == 0 || !strings.Contains(text, "Nothing is wrong") {
		t.Error(text)
	}
}
