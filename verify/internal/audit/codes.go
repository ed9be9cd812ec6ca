package audit

// This file is the list of codes. They are part of the interface (docs/verify-image.md) and do not change.

// Code says what kind of damage a finding is.
type Code string

const (
	// Superblock, features, descriptors.
	CodeSuperblock         Code = "superblock"          // a field that cannot be, or contradicts another
	CodeSuperblockChecksum Code = "superblock-checksum" //
	CodeFeatures           Code = "features"            // unknown, or not together
	CodeBackup             Code = "backup-superblock"   // a copy contradicts the primary
	CodeErrorsFlag         Code = "errors-flag"         // marked as having errors
	CodeNotClean           Code = "not-clean"           // not unmounted
	CodeNeedsRecovery      Code = "needs-recovery"
	CodeDescriptor         Code = "group-descriptor"
	CodeDescriptorChecksum Code = "group-descriptor-checksum"
	CodeOverlap            Code = "metadata-overlap" // a block of the file system's own that has two uses

	// Pass 1.
	CodeInode          Code = "inode" // a field that cannot be
	CodeInodeChecksum  Code = "inode-checksum"
	CodeInodeFlags     Code = "inode-flags"
	CodeInodeSize      Code = "inode-size"
	CodeInodeBlocks    Code = "inode-blocks" // i_blocks
	CodeDeletedInode   Code = "deleted-inode"
	CodeReservedInode  Code = "reserved-inode"
	CodeMap            Code = "block-map" // extents or indirect blocks: bounds, order, overlap, header
	CodeMapChecksum    Code = "block-map-checksum"
	CodeMapShape       Code = "block-map-shape" // could be smaller (warning)
	CodeClaimedTwice   Code = "block-claimed-twice"
	CodeXattr          Code = "xattr"
	CodeXattrChecksum  Code = "xattr-checksum"
	CodeXattrRefs      Code = "xattr-references"
	CodeInlineData     Code = "inline-data"
	CodeSymlink        Code = "symlink"
	CodeDevice         Code = "device"
	CodeResizeInode    Code = "resize-inode"
	CodeBadBlocksInode Code = "bad-blocks"

	// Passes 2 to 4.
	CodeDirectory         Code = "directory" // its blocks, holes
	CodeDirectoryEntry    Code = "directory-entry"
	CodeDirectoryChecksum Code = "directory-checksum"
	CodeDirectoryHash     Code = "directory-hash-tree"
	CodeDuplicateName     Code = "duplicate-name"
	CodeUnconnected       Code = "unconnected"
	CodeLinkCount         Code = "link-count"

	// Pass 5.
	CodeBlockBitmap         Code = "block-bitmap"
	CodeBlockBitmapChecksum Code = "block-bitmap-checksum"
	CodeInodeBitmap         Code = "inode-bitmap"
	CodeInodeBitmapChecksum Code = "inode-bitmap-checksum"
	CodeCounters            Code = "free-counts"

	// Besides.
	CodeJournal    Code = "journal"
	CodeOrphan     Code = "orphan"
	CodeOrphanFile Code = "orphan-file"
	CodeMMP        Code = "mmp"
	CodeQuota      Code = "quota"
)
