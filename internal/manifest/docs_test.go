package manifest

import (
	"os"
	"strings"
	"testing"
)

func TestTheExamplesOfTheDocumentationAreManifests(t *testing.T) {
	data, err := os.ReadFile("../../docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "```yaml\n")[1:]
	sources := make(map[Source]bool)
	for i, block := range blocks {
		text, _, closed := strings.Cut(block, "```")
		if !closed {
			t.Fatal("a block does not end")
		}
		if i > 0 { // the first is a whole manifest, the others are items
			text = "version: 1\nfiles:\n" + text
		}
		m, err := Parse("docs/manifest.md", []byte(text))
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		if i == 0 {
			if diff := diffManifests(Default(), m); diff != "" {
				t.Errorf("(-Default +documentation):\n%s", diff)
			}
		}
		for _, it := range m.Files {
			sources[it.From.Source] = true
		}
	}
	if len(sources) != 9 {
		t.Errorf("examples of %d sources, want one of each of 9: %v", len(sources), sources)
	}
}
