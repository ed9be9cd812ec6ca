package main

// This file keeps a run from writing over what it reads, and from writing two things into one file.

import (
	"fmt"
	"os"
	"path/filepath"

	"boringboot/internal/atomicfile"
)

// output is a file that a run writes, and the option or the argument that names it.
type output struct{ name, path string }

// outputs are what a run writes besides the image. Those with an empty path are not wanted.
func (f *writeFlags) outputs() []output {
	return []output{{"--known-hosts", f.knownHosts}, {"--receipt", f.receipt}}
}

// clean removes what killed runs left of the files that this one writes, before anything else can fail: it may hold a private key.
func (f *writeFlags) clean(image string) {
	if f.dryRun {
		return
	}
	for _, o := range append(f.outputs(), output{path: image}) {
		atomicfile.Clean(o.path)
	}
}

// checkOutputs fails where a file that a run writes is one that it reads, or another one that it writes.
func checkOutputs(outputs []output, inputs []string) error {
	for i, o := range outputs {
		for _, input := range inputs {
			if sameFile(o.path, input) {
				return fmt.Errorf("%s %s: this is a file that the run itself needs", o.name, o.path)
			}
		}
		for _, other := range outputs[i+1:] {
			if sameFile(o.path, other.path) {
				return fmt.Errorf("%s %s: %s names this file, too", o.name, o.path, other.name)
			}
		}
	}
	return nil
}

// sameFile reports whether two paths name one file, which need not exist. An empty path names none.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	there, err := os.Stat(a)
	too, err2 := os.Stat(b)
	if err == nil || err2 == nil {
		return err == nil && err2 == nil && os.SameFile(there, too)
	}
	dir, err := os.Stat(filepath.Dir(a))
	dir2, err2 := os.Stat(filepath.Dir(b))
	return err == nil && err2 == nil && os.SameFile(dir, dir2) && filepath.Base(a) == filepath.Base(b)
}
