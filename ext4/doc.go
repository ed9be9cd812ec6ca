// Package ext4 reads and writes ext4 file systems in one transaction at a time, without the kernel.
//
//	fsys, err := ext4.Open(dev)                        // checks superblock, features, geometry, descriptors; writes nothing
//	err = fsys.Update(func(tx *ext4.Tx) error { … })   // all of it or nothing of it
//	fs.WalkDir(fsys, "var/lib", …)                     // *FS is an fs.FS
//
// What is read is checked before it is used: checksums of superblock, descriptors, bitmaps, inodes, extent and directory
// blocks, and every pointer. What is not understood is refused (gate.go has one table of all features), so that an image is
// either changed rightly or not at all.
//
// Reading order: gate.go and geometry.go, view.go (descriptors, inodes), extents.go and file.go, dir.go and htree.go, path.go;
// then tx.go and its operations over alloc.go (the one place where bitmaps and counters change); last commit.go, which has
// the order in which things reach the device.
package ext4
