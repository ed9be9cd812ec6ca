package main

// This file keeps a run from writing over what it reads, and from writing two things into one file.

import (
	"fmt"

	"boringboot/internal/atomicfile"
	"boringboot/internal/needed"
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
		if err := needed.Check(o.name, o.path, inputs...); err != nil {
			return err
		}
		for _, other := range outputs[i+1:] {
			if needed.Same(o.path, other.path) {
				return fmt.Errorf("%s %s: %s names this file, too", o.name, o.path, other.name)
			}
		}
	}
	return nil
}
