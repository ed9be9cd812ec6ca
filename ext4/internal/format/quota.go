package format

// This file is a quota file as the quota feature has it, format vfsv1, revision 1: blocks of 1 KiB whatever the file system's are.
// Block 0 begins with a header, block 1 is the root of a tree of four levels, in which each of an id's bytes, from the highest on,
// picks one of 256 references; the last leads to a leaf of up to 14 entries of 72 bytes (kernel: include/linux/dqblk_qtree.h,
// fs/quota/quotaio_v2.h).

const (
	QuotaBlockSize  = 1024 // bytes
	QuotaRoot       = 1    // the block of the tree's root
	QuotaTreeDepth  = 4
	QuotaVersion    = 1
	quotaEntrySize  = 72
	quotaLeafHeader = 16
	// QuotaLeafEntries is how many entries a leaf has room for.
	QuotaLeafEntries = (QuotaBlockSize - quotaLeafHeader) / quotaEntrySize
)

// QuotaMagic is what the file of each type of quota begins with: users', groups' and projects'.
var QuotaMagic = [3]uint32{0xD9C01F11, 0xD9C01927, 0xD9C03F14}

// Fields of block 0.
const (
	DQHMagic     U32 = 0
	DQHVersion   U32 = 4
	DQIBgrace    U32 = 8  // seconds for which the soft limit of space may be passed
	DQIIgrace    U32 = 12 // and that of inodes
	DQIBlocks    U32 = 20 // of the file, in use or on the list of free ones
	DQIFreeBlk   U32 = 24 // the first free block, 0 for none
	DQIFreeEntry U32 = 28 // the first leaf that has a free entry, 0 for none
)

// QuotaNode is a view of a block of the tree.
type QuotaNode []byte

// Ref is the reference for an id in a node at a depth, the root's being 0.
func (b QuotaNode) Ref(depth int, id uint32) uint32       { return refAt(depth, id).Get(b) }
func (b QuotaNode) SetRef(depth int, id uint32, v uint32) { refAt(depth, id).Set(b, v) }

func refAt(depth int, id uint32) U32 {
	return U32(id >> (8 * (QuotaTreeDepth - 1 - depth)) & 0xFF * 4)
}

// Empty tells whether a node refers to nothing.
func (b QuotaNode) Empty() bool { return allZero(b) }

// QuotaLeaf is a view of a block of entries, and of one that is free: lists of both go through its header.
type QuotaLeaf []byte

const (
	DQDHNextFree U32 = 0
	DQDHPrevFree U32 = 4
	DQDHEntries  U16 = 8
)

// Entry is a view of one place for an entry.
func (b QuotaLeaf) Entry(i int) QuotaEntry {
	return QuotaEntry(b[quotaLeafHeader+i*quotaEntrySize:][:quotaEntrySize:quotaEntrySize])
}

// Find is the place of an id's entry, -1 if it has none in this leaf.
func (b QuotaLeaf) Find(id uint32) int {
	for i := range QuotaLeafEntries {
		if e := b.Entry(i); !e.Unused() && DQBID.Get(e) == id {
			return i
		}
	}
	return -1
}

// QuotaEntry is a view of what an id has: limits and usage.
type QuotaEntry []byte

const (
	DQBID         U32 = 0
	DQBIhardlimit U64 = 8
	DQBIsoftlimit U64 = 16
	DQBCurinodes  U64 = 24
	DQBBhardlimit U64 = 32 // KiB
	DQBBsoftlimit U64 = 40 // KiB
	DQBCurspace   U64 = 48 // bytes
	DQBBtime      U64 = 56 // when the time above the soft limit of space ends
	DQBItime      U64 = 64
)

// Unused: a place without an entry holds zeros; the entry of id 0 that has nothing has 1 for its time.
func (e QuotaEntry) Unused() bool { return allZero(e) }

// HasLimits tells whether an entry is more than what its id uses.
func (e QuotaEntry) HasLimits() bool {
	return DQBIhardlimit.Get(e)|DQBIsoftlimit.Get(e)|DQBBhardlimit.Get(e)|DQBBsoftlimit.Get(e) != 0
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
