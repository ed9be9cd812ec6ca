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

// maxFindings bounds what is kept of each severity: an image that is damaged all over is damaged, and nobody reads a million lines.
const maxFindings = 10_000

// findings collects them from all workers.
type findings struct {
	mu      sync.Mutex
	kept    [2][]Finding // by severity: warnings never push out an error
	last    [2]*Finding  // what comes after it is not kept any more, so that what is does not depend on who was first
	dropped [2]int       // by severity: who drops nothing but warnings has found no error
}

// compare orders findings by their objects.
func (f Finding) compare(g Finding) int {
	return cmp.Or(cmp.Compare(f.Object.Kind, g.Object.Kind), cmp.Compare(f.Object.Number, g.Object.Number),
		cmp.Compare(f.Code, g.Code), cmp.Compare(f.Message, g.Message), cmp.Compare(g.Severity, f.Severity))
}

// add keeps a finding, whose message is only made up where it is kept.
func (f *findings) add(x Finding, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, last := &f.kept[x.Severity], f.last[x.Severity]
	if last != nil && x.compare(Finding{Object: last.Object, Code: last.Code}) > 0 {
		f.dropped[x.Severity]++
		return
	}
	x.Message = fmt.Sprintf(format, args...)
	*list = append(*list, x)
	if len(*list) < 2*maxFindings {
		return
	}
	slices.SortFunc(*list, Finding.compare)
	*list = slices.Compact(*list)
	if n := len(*list); n > maxFindings {
		f.dropped[x.Severity] += n - maxFindings
		*list = (*list)[:maxFindings]
		end := (*list)[maxFindings-1]
		f.last[x.Severity] = &end
	}
}

// sorted gives the findings in an order that does not depend on who found them first. It completes dropped.
func (f *findings) sorted() []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Finding
	for severity, list := range f.kept {
		slices.SortFunc(list, Finding.compare)
		list = slices.Compact(list)
		if n := len(list); n > maxFindings {
			f.dropped[severity] += n - maxFindings
			list = list[:maxFindings]
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, Finding.compare)
	return all
}

// report notes an error. It may be called by all workers at once.
func (c *checker) report(code Code, o Object, format string, args ...any) {
	c.find(Finding{Code: code, Severity: Error, Object: o}, format, args...)
}

// warn notes what e2fsck would mention and be content with.
func (c *checker) warn(code Code, o Object, format string, args ...any) {
	c.find(Finding{Code: code, Severity: Warning, Object: o}, format, args...)
}

// find notes a finding the first time around.
func (c *checker) find(x Finding, format string, args ...any) {
	if c.resolving == nil {
		c.found.add(x, format, args...)
	}
}

func inodeObject(ino uint32) Object { return Object{Inode, uint64(ino)} }
func groupObject(g uint32) Object   { return Object{Group, uint64(g)} }
