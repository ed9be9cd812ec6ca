package audit

// This file is what an audit gives back: the findings, and what a report or a drawing wants to know of the file system.

import (
	"bytes"
	"fmt"
)

// Result of an audit.
type Result struct {
	Findings []Finding // errors and warnings, by object
	Dropped  [2]int    // by severity: findings beyond those that are kept

	Label    string
	UUID     string
	Features []string // names as mke2fs has them
	State    string   // of s_state: "clean", "not clean", "with errors"

	BlockSize      int    // bytes
	ClusterBlocks  uint32 // blocks of a cluster, 1 without bigalloc
	Blocks         uint64
	FreeBlocks     uint64 // by the bitmaps; as the superblock says where they were not counted
	Inodes         uint32
	FreeInodes     uint64
	BlocksPerGroup uint32
	InodesPerGroup uint32
	InodeSize      int // bytes
	Directories    int

	Groups []GroupUse // empty where the audit has ended before they were counted
	Owners []Owner    // in the order of the disk, where Options asked for them
}

// GroupUse says what the blocks of a group are used for. What is free and all others add up to Blocks.
type GroupUse struct {
	Blocks      uint32 // fewer in the last group
	Superblock  uint32 // copies of the superblock and of descriptors, and what is reserved for more of them
	Bitmaps     uint32 // of this group and of others
	InodeTables uint32 // of this group and of others
	Journal     uint32
	Directories uint32
	Files       uint32 // everything else that is in use, maps and attributes included
	Free        uint32
	FreeInodes  uint32
}

// Clean says whether there is no error: what "e2fsck -fn" would end with 0 for.
func (r *Result) Clean() bool {
	for _, f := range r.Findings {
		if f.Severity == Error {
			return false
		}
	}
	return true
}

func (c *checker) result(counts []counted) *Result {
	s := c.sb
	r := &Result{Features: s.features(), State: "clean"}
	r.Findings = c.found.sorted()
	r.Dropped = c.found.dropped
	label, _, _ := bytes.Cut(s.VolumeName[:], []byte{0})
	r.Label = string(label)
	u := s.UUID
	r.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	switch {
	case s.State&stateErrors != 0:
		r.State = "with errors"
	case s.State&stateValid == 0:
		r.State = "not clean"
	}
	r.BlockSize, r.ClusterBlocks, r.Blocks, r.FreeBlocks = s.blockSize, s.clusterRatio, s.BlocksCount, s.FreeBlocksCount
	r.Inodes, r.FreeInodes = s.InodesCount, uint64(s.FreeInodesCount)
	r.BlocksPerGroup, r.InodesPerGroup, r.InodeSize = s.BlocksPerGroup, s.InodesPerGroup, s.inodeSize
	r.Directories = len(c.dirs.list)
	if counts != nil {
		r.FreeBlocks, r.FreeInodes = c.freeBlocks, c.freeInodes
		r.Groups = c.groupUse(counts)
		r.Owners = c.ownersSorted()
	}
	return r
}

// groupUse counts the blocks of each group by what has them.
func (c *checker) groupUse(counts []counted) []GroupUse {
	s := c.sb
	use := make([]GroupUse, s.groupCount)
	// Runs may go from one group into the next.
	spread := func(b, n uint64, field func(*GroupUse) *uint32) {
		for n > 0 && s.validBlock(b) {
			g := s.groupOfBlock(b)
			here := min(n, s.groupStart(g)+uint64(s.groupBlocks(g))-b)
			*field(&use[g]) += uint32(here)
			b, n = b+here, n-here
		}
	}
	for g := range s.groupCount {
		d := &c.groups[g]
		c.eachSuper(g, func(b, n uint64) { spread(b, n, func(u *GroupUse) *uint32 { return &u.Superblock }) })
		spread(d.BlockBitmap, 1, func(u *GroupUse) *uint32 { return &u.Bitmaps })
		spread(d.InodeBitmap, 1, func(u *GroupUse) *uint32 { return &u.Bitmaps })
		spread(d.InodeTable, uint64(s.itableBlocks), func(u *GroupUse) *uint32 { return &u.InodeTables })
	}
	for _, d := range c.dirs.list {
		for _, r := range d.runs {
			spread(r.physical, r.length, func(u *GroupUse) *uint32 { return &u.Directories })
		}
	}
	c.walkJournal(func(r run) { spread(r.physical, r.length, func(u *GroupUse) *uint32 { return &u.Journal }) })
	for g := range use {
		u := &use[g]
		u.Blocks = s.groupBlocks(uint32(g))
		taken := c.taken.count(uint64(g)*uint64(s.ClustersPerGroup), uint64(s.groupClusters(uint32(g))))
		used := min(uint32(taken)<<s.clusterShift, u.Blocks)
		u.Free = u.Blocks - used
		u.Files = used - min(used, u.Superblock+u.Bitmaps+u.InodeTables+u.Journal+u.Directories)
		u.FreeInodes = counts[g].freeInodes
	}
	return use
}

// walkJournal hands out where the journal lies in the file system, as far as it can be read. Not all at once: a damaged one may have
// as many pieces as there are blocks.
func (c *checker) walkJournal(visit func(run)) {
	if !c.sb.hasCompat(compatHasJournal) || c.sb.JournalInum == 0 {
		return
	}
	in, err := c.systemInode(c.sb.JournalInum)
	if err != nil {
		return
	}
	_ = c.walkSystem(in, func(r run) error {
		visit(r)
		return nil
	})
}
