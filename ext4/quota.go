package ext4

// This file keeps the usage in quota files right. What an inode counts against its user, group and project is compared, once a
// transaction is complete, with what it counted before: so no operation can forget to say what it did. Limits are not enforced, as
// they are not for root.

import (
	"cmp"
	"maps"
	"slices"

	"boringboot/ext4/internal/format"
)

// quotaType is whom a quota is of; the order is the kernel's (USRQUOTA, GRPQUOTA, PRJQUOTA).
type quotaType int

const quotaTypes = 3

func (t quotaType) String() string { return [quotaTypes]string{"user", "group", "project"}[t] }

// quotaIno is the inode of a quota file, 0 if usage of that type is not counted.
func (v *view) quotaIno(t quotaType) Ino {
	if !v.sb.HasROCompat(format.ROCompatQuota) {
		return 0
	}
	return Ino([quotaTypes]format.U32{format.SUsrQuotaInum, format.SGrpQuotaInum, format.SPrjQuotaInum}[t].Get(v.sb))
}

// charge is what inodes count.
type charge struct{ bytes, inodes int64 }

// owner is whom it counts against.
type owner struct {
	typ quotaType
	id  uint32
}

// chargeOf is what an inode counts and against whom, by type. An inode that is free, of the file system's own or the value of an
// extended attribute counts nothing; such values count for each inode that refers to them.
func (v *view) chargeOf(ino Ino) (charge, [quotaTypes]uint32, error) {
	var none [quotaTypes]uint32
	if ino < v.firstIno && ino != format.RootIno || ino == v.quotaIno(2) || ino == v.orphanFile() {
		return charge{}, none, nil
	}
	if used, err := v.inodeAllocated(ino); err != nil || !used {
		return charge{}, none, err
	}
	n, err := v.rawInode(ino)
	if err != nil || n.flag(format.InodeEAInode) {
		return charge{}, none, err
	}
	unit := int64(512)
	if n.flag(format.InodeHugeFile) {
		unit = int64(v.blockSize)
	}
	c := charge{bytes: int64(n.RawBlocks()) * unit, inodes: 1}
	if v.sb.HasIncompat(format.IncompatEAInode) {
		x, err := v.xattrsOf(n)
		if err != nil {
			return charge{}, none, err
		}
		for _, a := range slices.Concat(x.inode, x.block) {
			if a.Inum != 0 {
				c.inodes++
			}
		}
	}
	return c, [quotaTypes]uint32{n.UID(), n.GID(), n.Project()}, nil
}

func (v *view) orphanFile() Ino {
	if !v.sb.HasCompat(format.CompatOrphanFile) {
		return 0
	}
	return Ino(format.SOrphanFileInum.Get(v.sb))
}

// inodeAllocated asks the inode bitmap as it is.
func (v *view) inodeAllocated(ino Ino) (bool, error) {
	g, index := v.inodeGroup(ino)
	d, err := v.desc(g)
	if err != nil || v.flags(d)&format.BGInodeUninit != 0 {
		return false, err
	}
	block, err := v.src.Block(d.InodeBitmap())
	if err != nil {
		return false, err
	}
	return bitmap(block).get(index), nil
}

// settleQuota writes what the transaction's inodes count more or less than before into the quota files. It comes last of all that
// changes inodes, and may allocate blocks for these files.
func (tx *Tx) settleQuota() error {
	if !tx.sb.HasROCompat(format.ROCompatQuota) {
		return nil
	}
	change := map[owner]charge{}
	for ino := range tx.edited {
		if err := tx.compareCharges(ino, change); err != nil {
			return err
		}
	}
	clear(tx.edited)
	owners := slices.SortedFunc(maps.Keys(change), func(a, b owner) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.id, b.id))
	})
	files := map[quotaType]*quotaFile{}
	for _, o := range owners {
		if change[o] == (charge{}) {
			continue
		}
		f := files[o.typ]
		if f == nil {
			var err error
			if f, err = tx.openQuota(o.typ); err != nil {
				return err
			}
			files[o.typ] = f
		}
		if err := f.count(o.id, change[o]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) compareCharges(ino Ino, change map[owner]charge) error {
	before, oldIDs, err := tx.base.chargeOf(ino)
	if err != nil {
		return err
	}
	after, newIDs, err := tx.chargeOf(ino)
	if err != nil {
		return err
	}
	for t := range quotaType(quotaTypes) {
		if tx.quotaIno(t) == 0 {
			continue
		}
		change[owner{t, oldIDs[t]}] = change[owner{t, oldIDs[t]}].plus(before, -1)
		change[owner{t, newIDs[t]}] = change[owner{t, newIDs[t]}].plus(after, 1)
	}
	return nil
}

func (c charge) plus(d charge, sign int64) charge {
	return charge{c.bytes + sign*d.bytes, c.inodes + sign*d.inodes}
}
