package ext4

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"boringboot/internal/testimage"
)

// mostMemory is what an update may take at its peak, in KiB.
const mostMemory = 256 << 10

// memoryJobs are updates that touch much at once.
var memoryJobs = map[string]func(tx *Tx) error{
	"100,000 files in one directory": func(tx *Tx) error {
		if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
			return err
		}
		content := bytes.NewReader(pattern(1024, 1))
		for i := range 100_000 {
			if err := tx.WriteFile("d/"+smallName(i), content, Attr{Mode: 0o644}); err != nil {
				return err
			}
		}
		return nil
	},
	"5,000 directories of 20 files": func(tx *Tx) error {
		content := bytes.NewReader(pattern(1024, 1))
		for d := range 5000 {
			dir := fmt.Sprintf("%d/%d", d/100, d)
			if err := tx.MkdirAll(dir, Attr{Mode: 0o755}); err != nil {
				return err
			}
			for i := range 20 {
				if err := tx.WriteFile(dir+"/"+smallName(i), content, Attr{Mode: 0o644}); err != nil {
					return err
				}
			}
		}
		return nil
	},
	"a file of 1 GiB": func(tx *Tx) error {
		return tx.WriteFile("large", zeros(1<<30), Attr{Mode: 0o644})
	},
}

// memoryJob says in a child's environment which job it is to do.
const memoryJob = "EXT4_TEST_MEMORY_JOB"

// The peak is measured in a process of its own, which does one update and nothing else.
func TestALargeUpdateTakesLittleMemory(t *testing.T) {
	if name := os.Getenv(memoryJob); name != "" {
		mustUpdate(t, openImage(t, os.Getenv("EXT4_TEST_IMAGE")), memoryJobs[name], WithoutJournal())
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", regexp.MustCompile(`VmHWM:.*`).Find(status))
		return
	}
	if testing.Short() || raceDetector {
		t.Skip("slow")
	}
	for name := range memoryJobs {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/image"
			out, err := testimage.Command(t, "mke2fs", "-q", "-t", "ext4", "-N", "120000", "-O", testimage.NixOS().Features, path, "4G").CombinedOutput()
			if err != nil {
				t.Fatalf("mke2fs: %v\n%s", err, out)
			}
			child := exec.Command(os.Args[0], "-test.run=^TestALargeUpdateTakesLittleMemory$", "-test.v")
			child.Env = append(os.Environ(), memoryJob+"="+name, "EXT4_TEST_IMAGE="+path)
			out, err = child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			testimage.Fsck(t, path, 0)
			m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(out)
			if m == nil {
				t.Fatalf("no peak in\n%s", out)
			}
			peak, err := strconv.Atoi(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("at most %d MiB", peak>>10)
			if peak > mostMemory {
				t.Errorf("at most %d KiB were in use, more than %d", peak, mostMemory)
			}
		})
	}
}
