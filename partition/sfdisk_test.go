// Tables that sfdisk makes, and that sfdisk reads back, judge the decoders.

package partition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	diskfs "github.com/diskfs/go-diskfs/partition"
	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

const mib = 1 << 20

// disked makes an image of the given size with sfdisk and returns its path.
func disked(t *testing.T, size int64, script string) string {
	t.Helper()
	testimage.Require(t, "sfdisk")
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return path
}

func load(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (*Table, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// row is a partition as both sfdisk and Read see it.
type row struct {
	Number         int
	Start, Sectors int64
	Type           string
	UUID, Name     string
	Bootable       bool
}

// bySfdisk is the judge's view.
func bySfdisk(t *testing.T, path string) (scheme, id string, rows []row) {
	t.Helper()
	out, err := exec.Command("sfdisk", "--json", path).Output()
	if err != nil {
		t.Fatalf("sfdisk --json: %v", err)
	}
	var j struct {
		Table struct {
			Label, ID  string
			Partitions []struct {
				Node        string
				Start, Size int64
				Type        string
				UUID, Name  string
				Bootable    bool
				Attrs       string
			}
		} `json:"partitiontable"`
	}
	if err := json.Unmarshal(out, &j); err != nil {
		t.Fatal(err)
	}
	for _, p := range j.Table.Partitions {
		r := row{Start: p.Start, Sectors: p.Size, Type: p.Type, UUID: p.UUID, Name: p.Name,
			Bootable: p.Bootable || strings.Contains(p.Attrs, "LegacyBIOSBootable")}
		if _, err := fmt.Sscanf(strings.TrimPrefix(p.Node, path), "%d", &r.Number); err != nil {
			t.Fatalf("sfdisk's node %q: %v", p.Node, err)
		}
		rows = append(rows, r)
	}
	return j.Table.Label, j.Table.ID, rows
}

// byUs is ours, in sfdisk's terms.
func byUs(t *Table) (rows []row) {
	for _, p := range t.Partitions {
		r := row{Number: p.Number, Start: p.Start / t.SectorSize, Sectors: p.Size / t.SectorSize, Type: p.Type, UUID: p.UUID, Name: p.Name, Bootable: p.Bootable}
		if t.Scheme == MBR {
			// sfdisk gives no UUID of an MBR's partitions here, and the type without 0x.
			r.Type, r.UUID = strings.TrimPrefix(strings.TrimPrefix(r.Type, "0x"), "0"), ""
		}
		rows = append(rows, r)
	}
	return rows
}

var sfdiskScripts = []struct{ name, script string }{
	{"an SD image of nixpkgs", "label: dos\nlabel-id: 0x2178694e\nstart=8M, size=30M, type=b\nsize=20M, type=83, bootable\n"},
	{"four primary partitions", "label: dos\nsize=4M,type=c\nsize=4M,type=83\nsize=4M,type=82\nsize=4M,type=83,bootable\n"},
	{"gaps in the numbers", "label: dos\n2: start=2048,size=4M,type=83\n4: start=20480,size=4M,type=b\n"},
	{"one logical partition", "label: dos\nsize=4M,type=b\nsize=30M,type=5\nsize=10M,type=83\n"},
	{"seven logical partitions", "label: dos\nsize=2M,type=b\nsize=50M,type=f\n" + strings.Repeat("size=4M,type=83\n", 7)},
	{"an empty extended partition", "label: dos\nsize=2M,type=83\nsize=30M,type=85\n"},
	{"an empty table", "label: dos\n"},
	{"a GPT", "label: gpt\nlabel-id: B0F1B0F1-0000-4000-8000-000000000001\nsize=8M,type=uefi,name=FIRMWARE\nsize=20M,type=linux,name=\"root — ä\",attrs=LegacyBIOSBootable\n"},
	{"a GPT with gaps in the numbers", "label: gpt\n3: size=4M,type=linux\n17: size=4M,type=swap\n128: size=2M,type=linux\n"},
	{"a GPT of 8 entries", "label: gpt\ntable-length: 8\nsize=4M,type=linux\n"},
	{"an empty GPT", "label: gpt\n"},
}

func TestTablesReadAsSfdiskReadsThem(t *testing.T) {
	for _, tt := range sfdiskScripts {
		t.Run(tt.name, func(t *testing.T) {
			path := disked(t, 64*mib, tt.script)
			table, err := read(load(t, path))
			if err != nil {
				t.Fatal(err)
			}
			label, id, want := bySfdisk(t, path)
			if wantScheme := map[string]Scheme{"dos": MBR, "gpt": GPT}[label]; table.Scheme != wantScheme {
				t.Errorf("scheme = %q, sfdisk says %q", table.Scheme, label)
			}
			if table.DiskID != id {
				t.Errorf("disk ID = %q, sfdisk says %q", table.DiskID, id)
			}
			if diff := cmp.Diff(want, byUs(table)); diff != "" {
				t.Errorf("partitions (-sfdisk +ours):\n%s", diff)
			}
			if diff := cmp.Diff(byGoDiskfs(t, path), primariesOf(table)); diff != "" {
				t.Errorf("partitions (-go-diskfs +ours):\n%s", diff)
			}
			for _, w := range table.Warnings {
				if !strings.Contains(w, "no logical partitions") {
					t.Errorf("warning: %s", w)
				}
			}
		})
	}
}

// span is what go-diskfs' readers, which are no judges but were written by others, see of a partition.
type span struct{ Start, Size int64 }

func byGoDiskfs(t *testing.T, path string) (spans []span) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := diskfs.Read(f, 512, 512)
	if err != nil {
		t.Fatalf("go-diskfs: %v", err)
	}
	for _, p := range table.GetPartitions() {
		if p.GetSize() > 0 {
			spans = append(spans, span{p.GetStart(), p.GetSize()})
		}
	}
	return spans
}

// primariesOf leaves out the logical partitions, which go-diskfs does not read.
func primariesOf(table *Table) (spans []span) {
	for _, p := range table.Partitions {
		if table.Scheme == GPT || p.Number <= 4 {
			spans = append(spans, span{p.Start, p.Size})
		}
	}
	return spans
}
