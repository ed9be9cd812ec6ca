package audit

// This file counts who uses what, and compares it with the quota files (feature quota).

import "fmt"

// use is what an owner has.
type use struct{ bytes, inodes uint64 }

// quotaTotals is what all have: by user, group, project.
type quotaTotals [3]map[uint32]use

// usage counts for one worker. Neighbours in a table mostly have one owner, so what the last one has is kept aside.
type usage [3]struct {
	totals map[uint32]use
	owner  uint32
	recent use
}

func (u *usage) addUse(kind int, owner uint32, x use) {
	t := &u[kind]
	if owner != t.owner {
		u.settleUse(kind)
		t.owner = owner
	}
	t.recent.bytes += x.bytes
	t.recent.inodes += x.inodes
}

func (u *usage) settleUse(kind int) {
	t := &u[kind]
	if t.recent == (use{}) {
		return
	}
	if t.totals == nil {
		t.totals = map[uint32]use{}
	}
	sum := t.totals[t.owner]
	t.totals[t.owner] = use{sum.bytes + t.recent.bytes, sum.inodes + t.recent.inodes}
	t.recent = use{}
}

// countUsage notes what an inode costs its owners: its clusters, those of its attributes included, and itself besides the inodes that
// hold its attributes' values. The file system's own inodes cost nobody anything, and those values are counted where they are
// referred to.
func (w *worker) countUsage(in *inode, clusters, attributes uint64) {
	s := w.c.sb
	if w.c.resolving != nil || !s.hasRoCompat(roCompatQuota) || in.ino < s.firstInode && in.ino != rootInode ||
		in.ino == s.QuotaInums[quotaProjects] || in.ino == s.OrphanFileInum || in.has(flagEaInode) {
		return
	}
	x := use{clusters * uint64(s.clusterRatio) * uint64(s.blockSize), attributes + 1}
	w.usage.addUse(quotaUsers, in.UID, x)
	w.usage.addUse(quotaGroups, in.GID, x)
	if s.inodeSize > goodOldInodeSize {
		project := uint32(0)
		if in.ExtraIsize >= projidEnd {
			project = in.ProjID
		}
		w.usage.addUse(quotaProjects, project, x)
	}
}

// projidEnd is how large i_extra_isize is where i_projid counts.
const projidEnd = 32

// merge takes over what a worker has counted, when its pass ends.
func (c *checker) merge(w *worker) {
	c.quotaMu.Lock()
	defer c.quotaMu.Unlock()
	for kind := range w.usage {
		w.usage.settleUse(kind)
		counted := w.usage[kind].totals
		w.usage[kind].totals = nil
		if c.quota[kind] == nil {
			c.quota[kind] = counted
			continue
		}
		for owner, x := range counted {
			sum := c.quota[kind][owner]
			c.quota[kind][owner] = use{sum.bytes + x.bytes, sum.inodes + x.inodes}
		}
	}
}

// The kinds of quota, in the order of their inodes in the superblock.
const (
	quotaUsers = iota
	quotaGroups
	quotaProjects
)

// reservedForOthers says whether an inode is reserved, and not for quota.
func reservedForOthers(ino uint32) bool { return ino >= 1 && ino <= 10 && ino != 3 && ino != 4 }

// checkQuota compares the quota files with what pass 1 has counted.
func (c *checker) checkQuota() {
	s := c.sb
	for kind, ino := range s.QuotaInums {
		if ino == 0 {
			continue
		}
		o := Object{Kind: Quota, Number: uint64(kind)}
		if reservedForOthers(ino) || ino > s.InodesCount {
			c.warn(CodeQuota, o, "inode %d cannot be its file", ino)
		}
		if s.hasRoCompat(roCompatQuota) {
			c.checkQuotaFile(o, kind, ino)
		}
	}
}

func (c *checker) checkQuotaFile(o Object, kind int, ino uint32) {
	in, err := c.systemInode(ino)
	if err != nil {
		c.report(CodeQuota, o, "its file cannot be read: inode %d: %v", ino, err)
		return
	}
	file := c.openSystem(in, maxQuotaFile)
	tree := &quotaTree{read: file.readAt}
	if err := tree.open(file.size, kind); err != nil {
		c.report(CodeQuota, o, "its file is damaged: %v", err)
		return
	}
	if !tree.magicOK {
		c.warn(CodeQuota, o, "its file does not begin with the magic number of quotas of this kind") // which e2fsck does not look at
	}
	counted := c.quota[kind]
	recorded := make(map[uint32]struct{}, len(counted)) // of those that were counted
	var wrong wrongOwners
	err = tree.walk(func(r quotaRecord) {
		x, ok := counted[r.id]
		if ok {
			recorded[r.id] = struct{}{}
		}
		if said := (use{r.bytes, r.inodes}); said != x {
			wrong.add(r.id, said, x)
		}
	})
	if err != nil {
		c.report(CodeQuota, o, "its file is damaged: %v", err)
		return
	}
	for id, x := range counted {
		if _, ok := recorded[id]; !ok {
			wrong.add(id, use{}, x)
		}
	}
	if wrong.n > 0 {
		c.report(CodeQuota, o, "it is not up to date: %s", wrong.String())
	}
}

// wrongOwners counts those whose record is wrong, and keeps the one with the smallest number.
type wrongOwners struct {
	n          int
	id         uint32
	said, have use
}

func (w *wrongOwners) add(id uint32, said, have use) {
	if w.n == 0 || id < w.id {
		w.id, w.said, w.have = id, said, have
	}
	w.n++
}

func (w *wrongOwners) String() string {
	text := fmt.Sprintf("%d is recorded with %d bytes and %d inodes, and has %d and %d", w.id, w.said.bytes, w.said.inodes, w.have.bytes, w.have.inodes)
	if w.n > 1 {
		text += fmt.Sprintf("; %d more are wrong", w.n-1)
	}
	return text
}
