package verify

import (
	"slices"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

// A path that shall be another name of a file is not confirmed where it is a copy.
func TestACopyIsNoOtherName(t *testing.T) {
	first, copied, linked := file("/srv/first", []byte("text")), file("/srv/copied", []byte("text")), file("/srv/linked", []byte("text"))
	path := image(t, testimage.Options{StorePaths: -1, Size: 16 << 20}, []manifest.Entry{first, copied})
	testimage.DebugfsWrite(t, path, 0, "ln /srv/first /srv/linked", "set_inode_field /srv/first links_count 2")
	copied.Link, linked.Link = first.Path, first.Path
	r := contents(t, path, []manifest.Entry{first, copied, linked})
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, f.Code+" "+f.Path)
	}
	if !slices.Equal(codes, []string{codeWrongLink + " /srv/copied"}) {
		t.Errorf("findings %q", codes)
	}
	for _, f := range r.Files {
		if want := len(openers); !f.Above && f.Path != copied.Path && len(f.ConfirmedBy) != want {
			t.Errorf("%s is confirmed by %q", f.Path, f.ConfirmedBy)
		}
	}
}
