// Package ext4 reads ext4 file systems and changes them, in pure Go, in one transaction at a time.
//
//	fsys, err := ext4.Open(dev)                        // checks superblock, features, geometry, descriptors; writes nothing
//	err = fsys.Update(func(tx *ext4.Tx) error { … })   // all of it or nothing of it
//	fs.WalkDir(fsys, "var/lib", …)                     // *FS is an fs.FS
//
// # What it does
//
//	read      files by extents of any depth or by indirect blocks, holes, symlinks, directories linear and hashed
//	write     directories, hashed by any function with up to three levels of index, and linear; regular files by either kind of
//	          map with their holes, symlinks, devices, pipes, sockets, further names, modes, owners, times; blocks of 1 to 64 KiB,
//	          alone and in clusters (bigalloc), inodes of 128 bytes and up; extended attributes in the inode, in a block that others may share and in inodes of their
//	          own, with POSIX access lists and capabilities as the kernel stores them; files and directories within inodes (inline_data)
//	remove    names, files of all kinds, whole trees; rename as rename(2); what is gone leaves no trace, in the journal neither
//	features  gate.go has one table: used, preserved, refused with a reason; what is not in it is refused by its number
//	recover   a journal that is not empty, orphan inodes: in memory, until the first update writes it
//	layouts   whatever mke2fs, resize2fs and tune2fs make of superblocks, descriptors and tables; their copies stay as the kernel
//	          leaves them
//	quotas    usage of users, groups and projects is counted in the quota files of the quota feature; limits are not enforced, as
//	          they are not for root. Files aquota.user and aquota.group, without that feature, are files like others
//	in use    a file system whose multiple mount protection says so is refused; in place ours says so while we write
//	refused   what is marked as having errors, is truncated, has a wrong checksum on the way, or a superblock,
//	          journal, orphan file, quota file or resize inode with which the kernel would not mount it or e2fsck complain
//
// A directory is looked at entry by entry before it is changed (dircheck.go). What is not touched is not looked at: this is
// no fsck.
//
// # What always holds
//
// Data flow one way: bytes, views of them (internal/format), gate and geometry, the read view, a transaction's copies
// (internal/blocks), checksums, commit. Nothing is written before fn has returned and everything it did has found its place, so
// an error before that costs nothing. Whatever is read is checked before it is used. Fields are patched in place: bytes that
// nobody here knows the meaning of stay. What a transaction frees is overwritten with zeros and not used again before it is
// committed. The same inputs give the same bytes: no clock, no random numbers. An FS whose superblock somebody else has changed
// since it was opened is not updated (ErrInUse); a file system that is mounted is known by its mmp feature only.
//
// # The commit
//
// In place, with a journal, one jbd2 transaction: write whatever goes into blocks that were free, the transaction into the empty
// log and the mark that recovery is needed; sync; write the commit block and let the log begin; sync; write the blocks home and clear what
// was freed; sync; empty the log; sync; clear the mark; sync. A cut anywhere leaves all of it, which the kernel or e2fsck
// completes from the log, or nothing. Blocks that were free are not in the transaction, so thousands of new files fit into a small
// journal. What does not fit into its log is one transaction all the same: others before and after it lend the journal free blocks for
// that time (largeupdate.go). It is refused, before anything is written, where there are too few of them, or they lie in too many pieces.
// A cut may leave a journal that is larger than it was. A recovery clears the log, which may have what never came to be. A file system
// without a journal has no such protection: data first, then metadata. With WithoutJournal everything is written at once: for copies.
//
// # Reading order
//
// fs.go; gate.go, supercheck.go, geometry.go, layout.go, tables.go and system.go; view.go (descriptors, inodes), inode.go,
// blockmap.go over extents.go and indirect.go, mapped.go, file.go, dir.go, htree.go, dircheck.go and dirmemory.go, inline.go and
// inline_dir.go, xattr.go, xattrinode.go and acl.go, path.go, read.go and stat.go; recover.go, clean.go with fastcommit.go and
// orphans.go, recoverwrite.go; then tx.go and its operations in create.go, content.go, mknod.go, link.go, remove.go, removetree.go,
// rename.go, truncate.go, dirwrite.go, unlink.go, slack.go, htreewrite.go, xattrset.go, extentwrite.go and indirectwrite.go over
// clusters.go (what a file takes and gives back), orlov.go and blockalloc.go (where), alloc.go and inodealloc.go, the one place
// where bitmaps and counters change; quota.go; last data.go, commit.go, journal.go, journalgrow.go,
// largeupdate.go, writer.go, scrub.go and mmp.go.
package ext4
