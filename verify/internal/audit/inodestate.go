package audit

// This file is what the checks of inodes keep beside the facts: for all workers, and for each.

import (
	"sync"
	"sync/atomic"
)

// inodeState is what all workers share.
type inodeState struct {
	nodesOnce sync.Once
	nodes     *bitset      // blocks of maps that were gone into
	again     atomic.Int64 // bytes of those that were gone into once more
	dirRuns   atomic.Int64 // runs of all directories

	attributes attributeBlocks
	ea         eaInodes

	largeFiles, largeDirs lockedFlag // there are any
}

// inodeWork is what each worker has.
type inodeWork struct {
	walker   mapWalker
	contents contents
	odd      []oddity
	places   placeSet
	value    []byte // of the attribute that was looked for
	other    inode  // another than the one in hand
	otherRaw []byte
}
