package format

// This file is a node of an extent tree: a header of 12 bytes, then entries of 12 bytes, in i_block or filling a block that
// ends in a checksum (kernel: struct ext4_extent_header, ext4_extent, ext4_extent_idx, ext4_extent_tail).

import "fmt"

const (
	ehMagic      U16 = 0
	ehEntries    U16 = 2
	ehMax        U16 = 4
	ehDepth      U16 = 6
	ehGeneration U32 = 8

	eeBlock   U32 = 0 // first file block, of an extent and of an index entry
	eeLen     U16 = 4
	eeStartHi U16 = 6
	eeStartLo U32 = 8

	eiLeafLo U32 = 4
	eiLeafHi U16 = 8

	ExtentMagic     = 0xF30A
	ExtentEntry     = 12 // bytes, of the header too
	MaxExtentLen    = 1 << 15
	MaxUnwrittenLen = MaxExtentLen - 1 // the length's top bit says that it is unwritten
	MaxTreeDepth    = 5                // EXT4_MAX_EXTENT_DEPTH
	extentTailLen   = 4
)

// ExtentNode is a view of i_block or of a whole block.
type ExtentNode []byte

// Extent maps Len blocks of a file, from Block on, to Start and what follows it. An Unwritten one reads as zeros.
type Extent struct {
	Block     FileBlock
	Len       uint32
	Start     FSBlock
	Unwritten bool
}

func (n ExtentNode) Entries() int { return int(ehEntries.Get(n)) }
func (n ExtentNode) Max() int     { return int(ehMax.Get(n)) }
func (n ExtentNode) Depth() int   { return int(ehDepth.Get(n)) }

// ExtentCapacity is the number of entries that fit into a node of size bytes.
func ExtentCapacity(size int) int { return (size - ExtentEntry) / ExtentEntry }

// Init makes n an empty node of that depth.
func (n ExtentNode) Init(depth int) {
	clear(n)
	ehMagic.Set(n, ExtentMagic)
	ehMax.Set(n, uint16(ExtentCapacity(len(n))))
	ehDepth.Set(n, uint16(depth))
}

// Check says what is wrong with the header, so that every entry below Entries can be read.
func (n ExtentNode) Check(depth int) error {
	switch {
	case len(n) < ExtentEntry:
		return fmt.Errorf("a node of %d bytes", len(n))
	case ehMagic.Get(n) != ExtentMagic:
		return fmt.Errorf("magic %#04x, not %#04x", ehMagic.Get(n), ExtentMagic)
	case n.Max() > ExtentCapacity(len(n)):
		return fmt.Errorf("eh_max %d where %d fit", n.Max(), ExtentCapacity(len(n)))
	case n.Entries() > n.Max():
		return fmt.Errorf("eh_entries %d above eh_max %d", n.Entries(), n.Max())
	case n.Depth() != depth:
		return fmt.Errorf("depth %d, not %d", n.Depth(), depth)
	}
	return nil
}

func (n ExtentNode) entry(i int) []byte { return n[ExtentEntry*(i+1):][:ExtentEntry] }

// Extent is entry i of a node of depth 0.
func (n ExtentNode) Extent(i int) Extent {
	e := n.entry(i)
	x := Extent{
		Block: FileBlock(eeBlock.Get(e)),
		Len:   uint32(eeLen.Get(e)),
		Start: FSBlock(eeStartLo.Get(e)) | FSBlock(eeStartHi.Get(e))<<32,
	}
	if x.Len > MaxExtentLen { // lengths above 2^15 mark an unwritten extent
		x.Len -= MaxExtentLen
		x.Unwritten = true
	}
	return x
}

func (n ExtentNode) SetExtent(i int, x Extent) {
	e := n.entry(i)
	length := x.Len
	if x.Unwritten {
		length += MaxExtentLen
	}
	eeBlock.Set(e, uint32(x.Block))
	eeLen.Set(e, uint16(length))
	eeStartHi.Set(e, uint16(x.Start>>32))
	eeStartLo.Set(e, uint32(x.Start))
}

// Index is entry i of a node of depth above 0: the first file block below it, and the child's block.
func (n ExtentNode) Index(i int) (FileBlock, FSBlock) {
	e := n.entry(i)
	return FileBlock(eeBlock.Get(e)), FSBlock(eiLeafLo.Get(e)) | FSBlock(eiLeafHi.Get(e))<<32
}

func (n ExtentNode) SetIndex(i int, first FileBlock, child FSBlock) {
	e := n.entry(i)
	clear(e)
	eeBlock.Set(e, uint32(first))
	eiLeafLo.Set(e, uint32(child))
	eiLeafHi.Set(e, uint16(child>>32))
}

func (n ExtentNode) SetEntries(v int) { ehEntries.Set(n, uint16(v)) }
func (n ExtentNode) SetDepth(v int)   { ehDepth.Set(n, uint16(v)) }

// tail is where the checksum of a node that fills a block is: after the last entry that fits.
func (n ExtentNode) tail() (int, bool) {
	at := ExtentEntry * (n.Max() + 1)
	return at, at+extentTailLen <= len(n)
}

// CopyEntries takes over all entries of another node of the same depth, which must fit.
func (n ExtentNode) CopyEntries(from ExtentNode) {
	n.SetEntries(from.Entries())
	copy(n[ExtentEntry:], from[ExtentEntry:ExtentEntry*(from.Entries()+1)])
}
