package audit

// This file is what an audit says: findings with a code that does not change, about an object.

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// Severity of a finding. An error is what e2fsck -fn ends with an exit code other than 0 for.
type Severity uint8

const (
	Warning Severity = iota
	Error
)

// Kind of an object.
type Kind uint8

const (
	Superblock Kind = iota // number: the group that holds the copy, 0 for the primary
	Group                  // number: the group
	Inode                  // number: the inode
	Block                  // number: the block
	Journal
	OrphanFile
	MMP
	Quota // number: 0 users, 1 groups, 2 projects
)

// Object is what a finding is about.
type Object struct {
	Kind   Kind
	Number uint64
}

// Finding is one thing that is wrong.
type Finding struct {
	Code     Code
	Severity Severity
	Object   Object
	Message  string // one sentence, without the object and without any content of a file
}

// maxFindings bounds what is kept: an image that is damaged all over is damaged, and nobody reads a million lines.
const maxFindings = 10_000

// findings collects them from all workers.
type findings struct {
	mu      sync.Mutex
	list    []Finding
	dropped int // beyond maxFindings
}

func (f *findings) add(x Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxFindings {
		f.dropped++
		return
	}
	f.list = append(f.list, x)
}

// sorted gives the findings in an order that does not depend on who found them first.
func (f *findings) sorted() []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.Number, b.Object.Number),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(f.list)
}

// report notes an error. It may be called by all workers at once.
func (c *checker) report(code Code, o Object, format string, args ...any) {
	c.found.add(Finding{code, Error, o, fmt.Sprintf(format, args...)})
}

// warn notes what e2fsck would mention and be content with.
func (c *checker) warn(code Code, o Object, format string, args ...any) {
	c.found.add(Finding{code, Warning, o, fmt.Sprintf(format, args...)})
}

func inodeObject(ino uint32) Object { return Object{Inode, uint64(ino)} }
func groupObject(g uint32) Object   { return Object{Group, uint64(g)} }
