package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// This file makes the images that are damaged, and knows where their metadata is and how its checksums are made right again.

// fuzzedImage is a small image with all kinds of metadata that its features bring.
type fuzzedImage struct {
	name   string
	data   []byte
	places []spot
	size   int // of all places together
	path   string
}

// spot is a piece of metadata.
type spot struct {
	name     string
	at, size int
	// seal makes the checksum over the place right, and that over what has this checksum.
	seal func(image []byte)
}

// fuzzedKind says how an image is made and what is done to it before it is damaged.
type fuzzedKind struct {
	name     string
	features string
	block    int // bytes
	inode    int // bytes
	size     string
	args     []string
	after    func(f *testing.F, im *fuzzedImage)
}

var fuzzedKinds = []fuzzedKind{
	{"extents, an index", "ext_attr,filetype,extent,flex_bg,sparse_super,large_file,dir_nlink,extra_isize,dir_index,64bit,huge_file,uninit_bg", 1024, 256, "512k", nil, nil},
	{"indirect blocks, no checksums, quotas", "ext_attr,filetype,sparse_super,large_file,extra_isize,dir_index,quota,project", 1024, 256, "1M",
		[]string{"-E", "quotatype=usrquota:grpquota:prjquota"}, nil},
	{"data and values in inodes, checksums", "ext_attr,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,dir_index,64bit,metadata_csum,inline_data,ea_inode", 1024, 512, "1M", nil, nil},
	{"clusters, data and values in inodes", "ext_attr,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,dir_index,64bit,bigalloc,inline_data,ea_inode,quota", 1024, 256, "4M", []string{"-C", "4096"}, nil},
	{"meta groups, three levels, in use by nobody", "ext_attr,filetype,extent,sparse_super,large_file,extra_isize,dir_index,metadata_csum,metadata_csum_seed,large_dir,meta_bg,mmp", 1024, 256, "4M",
		[]string{"-g", "1024"}, nil},
	{"a journal with a transaction, reserved descriptors", "has_journal,ext_attr,resize_inode,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,dir_index", 1024, 256, "4M", []string{"-J", "size=1"}, interrupted},
	{"a journal with a transaction, checksums, an orphan file", "has_journal,orphan_file,ext_attr,filetype,extent,flex_bg,sparse_super2,large_file,extra_isize,dir_index,64bit,metadata_csum", 1024, 256, "4M",
		[]string{"-J", "size=1"}, interrupted},
	{"fast commits, a list of orphans", "has_journal,fast_commit,ext_attr,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,dir_index,64bit", 1024, 256, "6M",
		[]string{"-J", "size=2"}, withFastCommits},
}

// fuzzedTree is what all of them have.
func fuzzedTree(tx *Tx) error {
	a := Attr{Mode: 0o755, UID: 1000, GID: 70_000}
	value := pattern(700, 4)
	if tx.sb.HasIncompat(format.IncompatEAInode) {
		value = pattern(2500, 4)
	}
	sparse := pieces{at: map[int64][]byte{}}
	for i := range int64(8) {
		sparse.at[i*5000] = []byte{1}
		sparse.size = i*5000 + 1
	}
	errs := []error{
		tx.MkdirAll("a/b/c", a), tx.MkdirAll("a/gone/d", a), tx.Mkdir("t", a),
		tx.WriteFile("a/file", bytes.NewReader(pattern(5000, 1)), a), tx.WriteFile("a/small", bytes.NewReader(pattern(90, 1)), a),
		tx.WriteFile("a/sparse", sparse, a), tx.WriteFile("a/orphan", bytes.NewReader(pattern(3000, 1)), a),
		tx.Symlink("/a/file", "link", a), tx.Symlink(strings.Repeat("t", 100), "a/long", a), tx.Link("a/file", "a/again"),
		tx.SetXattr("a/file", "user.small", []byte("v")), tx.SetXattr("a/file", "user.large", value),
		tx.SetXattr("a/b", "user.large", value),
		tx.SetXattr("a/small", "system.posix_acl_access", append([]byte{2, 0, 0, 0}, acl{
			{aclUserObj, 7, aclNoID}, {aclUser, 5, 1000}, {aclGroupObj, 5, aclNoID}, {aclMask, 7, aclNoID}, {aclOther, 5, aclNoID}}.user()[4:]...)),
	}
	for i := range 30 {
		errs = append(errs, tx.Link("a/again", "a/b/"+strings.Repeat(string(rune('a'+i)), 40)))
	}
	for i := range 3 {
		errs = append(errs, tx.WriteFile(fmt.Sprintf("t/%d", i), bytes.NewReader(pattern(10*i, 1)), a))
	}
	return errors.Join(errs...)
}

func fuzzedImages(f *testing.F) []*fuzzedImage {
	f.Helper()
	var list []*fuzzedImage
	for _, k := range fuzzedKinds {
		list = append(list, makeFuzzedImage(f, k))
	}
	return list
}

func makeFuzzedImage(f *testing.F, k fuzzedKind) *fuzzedImage {
	f.Helper()
	testimage.Require(f, "mke2fs", "e2fsck")
	im := &fuzzedImage{name: k.name, path: filepath.Join(f.TempDir(), "image")}
	args := append([]string{"-q", "-t", "ext4", "-O", "none," + k.features, "-b", fmt.Sprint(k.block), "-I", fmt.Sprint(k.inode), "-N", "64",
		"-U", testimage.UUID, "-m", "0"}, k.args...)
	if out, err := testimage.Command(f, "mke2fs", append(args, im.path, k.size)...).CombinedOutput(); err != nil {
		f.Fatalf("%s: mke2fs: %v\n%s", k.name, err, out)
	}
	mustUpdate(f, openImage(f, im.path), fuzzedTree)
	if err := testimage.FsckErr(im.path, 0); err != nil {
		f.Fatalf("%s: %v", k.name, err)
	}
	im.data = loadDevice(f, im.path).data
	if k.after != nil {
		k.after(f, im)
	}
	im.findPlaces(f)
	writeImage(f, im.path, im.data)
	return im
}

// interrupted cuts an update off behind its commit block: the journal has a transaction.
func interrupted(f *testing.F, im *fuzzedImage) {
	r := &recorder{old: im.data, now: bytes.Clone(im.data), failAt: -1}
	fsys, err := Open(r)
	if err != nil {
		f.Fatal(err)
	}
	mustUpdate(f, fsys, func(tx *Tx) error {
		return errors.Join(tx.Mkdir("t/new", Attr{Mode: 0o755}), tx.WriteFile("t/new/file", bytes.NewReader(pattern(300, 1)), Attr{}), tx.Remove("a/orphan"))
	})
	im.data = r.image(r.syncs[1], func(int) bool { return true })
	again, err := Open(&memDevice{im.data})
	if err != nil || again.Recovery() == nil || again.Recovery().Transactions != 1 {
		f.Fatalf("%s: nothing is to be recovered: %v", im.name, err)
	}
}

// withFastCommits puts records behind the log, and an inode on the list of orphans.
func withFastCommits(f *testing.F, im *fuzzedImage) {
	interrupted(f, im)
	fsys, err := Open(&memDevice{im.data})
	if err != nil {
		f.Fatal(err)
	}
	v := fsys.view
	file, err := v.locate("a/file", true)
	if err != nil {
		f.Fatal(err)
	}
	dir, err := v.locate("t", true)
	if err != nil {
		f.Fatal(err)
	}
	put32 := binary.LittleEndian.AppendUint32
	area := fcRecord(format.FCHead, put32(put32(nil, 0), fsys.recovery.log.Sequence))
	area = append(area, fcRecord(format.FCLink, append(put32(put32(nil, uint32(dir.node.ino)), uint32(file.node.ino)), "fast"...))...)
	inode := format.Inode(bytes.Clone(file.node.Inode[:160]))
	format.ILinksCount.Set(inode, format.ILinksCount.Get(inode)+1)
	area = append(area, fcRecord(format.FCInode, append(put32(nil, uint32(file.node.ino)), inode...))...)
	area = append(area, fcRecord(format.FCDelRange, put32(put32(put32(nil, uint32(file.node.ino)), 3), 1))...)
	tail := fcRecord(format.FCTail, put32(put32(nil, fsys.recovery.log.Sequence), 0))
	binary.LittleEndian.PutUint32(tail[8:], format.CRC32C(format.CRC32C(0, area), tail[:8]))
	area = append(area, tail...)

	super := im.data[int(fsys.recovery.journal.runs[0].start)*v.blockSize:][:v.blockSize]
	format.JSFeatureIncompat.Set(super, format.JSFeatureIncompat.Get(super)|format.JIncompatFastCommit)
	if fsys, err = Open(&memDevice{im.data}); err != nil {
		f.Fatal(err)
	}
	j := fsys.recovery.journal
	at, err := j.place(j.Last + 1)
	if err != nil {
		f.Fatal(err)
	}
	copy(im.data[int(at)*v.blockSize:][:v.blockSize], area)
	// An orphan: an inode of the log's transaction that has not lost its name, so that it is cut to its size.
	sb := format.Superblock(im.data[format.SuperblockOffset:][:format.SuperblockSize])
	format.SLastOrphan.Set(sb, uint32(file.node.ino))
	again, err := Open(&memDevice{im.data})
	if err != nil || again.Recovery() == nil || again.Recovery().FastCommits != 1 {
		f.Fatalf("%s: nothing is to be recovered: %v", im.name, err)
	}
}

func fcRecord(tag uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, tag), uint16(len(value)))
	return append(b, value...)
}

// findPlaces lists where the metadata is, as the device has it.
func (im *fuzzedImage) findPlaces(f *testing.F) {
	f.Helper()
	sb, err := readSuperblock(&memDevice{im.data}, int64(len(im.data)))
	if err != nil {
		f.Fatal(err)
	}
	raw := &FS{}
	geo, err := newGeometry(sb, int64(len(im.data)))
	if err != nil {
		f.Fatal(err)
	}
	raw.view = &view{geometry: geo, sb: sb, src: cacheOf(&memDevice{im.data}, geo)}
	v := raw.view
	im.add("superblock", format.SuperblockOffset, format.SuperblockSize, func(b []byte) {
		if v.metadataCsum {
			format.Superblock(b[format.SuperblockOffset:][:format.SuperblockSize]).SetChecksum()
		}
	})
	for g := range v.groups {
		im.addGroup(f, v, g)
	}
	for ino := Ino(1); ino <= v.inodes; ino++ {
		if used, err := v.inodeAllocated(ino); err != nil {
			f.Fatal(err)
		} else if used {
			im.addInode(f, v, ino)
		}
	}
	if v.sb.HasIncompat(format.IncompatMMP) {
		at := int(format.SMMPBlock.Get(v.sb)) * v.blockSize
		im.add("mmp", at, format.MMPSize, func(b []byte) {
			if v.metadataCsum {
				format.MMP(b[at:][:format.MMPSize]).KeepChecksum(v.seed)
			}
		})
	}
	if v.sb.HasCompat(format.CompatHasJournal) {
		im.addJournal(f, v)
	}
}

func (im *fuzzedImage) add(name string, at, size int, seal func(b []byte)) {
	im.places = append(im.places, spot{name, at, size, seal})
	im.size += size
}

func (im *fuzzedImage) addGroup(f *testing.F, v *view, g Group) {
	d, err := v.desc(g)
	if err != nil {
		f.Fatal(err)
	}
	block, off := v.descAt(g)
	at := int(block)*v.blockSize + off
	sealDesc := func(b []byte) {
		if v.groupCsum {
			v.groupChecksum().Set(g, format.GroupDesc(b[at:][:v.descSize]))
		}
	}
	im.add(fmt.Sprintf("descriptor %d", g), at, v.descSize, sealDesc)
	bits := int(d.BlockBitmap()) * v.blockSize
	size := int(v.clustersPerGroup() / 8)
	im.add(fmt.Sprintf("block bitmap %d", g), bits, size, func(b []byte) {
		if v.metadataCsum {
			format.GroupDesc(b[at:][:v.descSize]).SetBlockBitmapCsum(format.BitmapChecksum(v.seed, b[bits:], size))
		}
		sealDesc(b)
	})
	inodes := int(d.InodeBitmap()) * v.blockSize
	n := int(v.inodesPerGroup / 8)
	im.add(fmt.Sprintf("inode bitmap %d", g), inodes, n, func(b []byte) {
		if v.metadataCsum {
			format.GroupDesc(b[at:][:v.descSize]).SetInodeBitmapCsum(format.BitmapChecksum(v.seed, b[inodes:], n))
		}
		sealDesc(b)
	})
}

// addInode adds an inode, and blocks that it has.
func (im *fuzzedImage) addInode(f *testing.F, v *view, ino Ino) {
	n, err := v.rawInode(ino)
	if err != nil {
		f.Fatal(err)
	}
	block, off, err := v.inodeAt(ino)
	if err != nil {
		f.Fatal(err)
	}
	at := int(block)*v.blockSize + off
	im.add(fmt.Sprintf("inode %d", ino), at, v.inodeSize, func(b []byte) {
		if v.metadataCsum {
			format.Inode(b[at:][:v.inodeSize]).SetChecksum(v.seed, ino)
		}
	})
	blockPlace := func(what string, b FSBlock, seal func(b []byte)) {
		at := int(b) * v.blockSize
		im.add(fmt.Sprintf("inode %d: %s", ino, what), at, v.blockSize, func(image []byte) {
			if v.metadataCsum {
				seal(image[at:][:v.blockSize])
			}
		})
	}
	seed := v.seedOf(n)
	if b := n.FileACL(); b != 0 {
		blockPlace("attributes", b, func(block []byte) { format.XattrBlock(block).SetChecksum(v.seed, b) })
	}
	if !v.hasMap(n) || format.IMode.Get(n.Inode) == 0 || ino == format.ResizeIno || ino == format.JournalIno {
		return
	}
	orphans, quota := ino == v.orphanFile(), ino == v.quotaIno(0) || ino == v.quotaIno(1) || ino == v.quotaIno(2)
	err = v.walkMap(n, func(e format.Extent) error {
		for i := range e.Len {
			switch b, fb := e.Start+FSBlock(i), e.Block+FileBlock(i); {
			case n.Type() == format.ModeDir:
				blockPlace(fmt.Sprintf("directory block %d", fb), b, func(block []byte) { sealDirBlock(v, fb, block, seed) })
			case orphans:
				blockPlace("orphans", b, func(block []byte) { format.OrphanBlock(block).SetChecksum(seed, b) })
			case quota:
				blockPlace("quota", b, func([]byte) {})
			}
		}
		return nil
	}, func(b FSBlock) error {
		blockPlace("map", b, func(block []byte) {
			if x := format.ExtentNode(block); x.Max() <= format.ExtentCapacity(len(block)) {
				x.SetChecksum(seed)
			}
		})
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

func sealDirBlock(v *view, fb FileBlock, block []byte, seed uint32) {
	if v.isIndexBlock(fb, block) {
		if x, err := v.dxNode(fb, block); err == nil {
			x.SetChecksum(seed)
		}
		return
	}
	format.DirBlock(block).SetChecksum(seed)
}

// addJournal adds the journal's superblock, the log as far as a transaction goes, and fast commits.
func (im *fuzzedImage) addJournal(f *testing.F, v *view) {
	j, n, err := v.readJournal()
	if err != nil {
		f.Fatal(err)
	}
	if err := j.mapUpTo(v, n, j.Length); err != nil {
		f.Fatal(err)
	}
	for fb := range j.Length {
		if fb >= 40 && (fb < j.Last || fb > j.Last+2) {
			continue
		}
		b, err := j.place(fb)
		if err != nil {
			f.Fatal(err)
		}
		at := int(b) * v.blockSize
		im.add(fmt.Sprintf("journal block %d", fb), at, v.blockSize, func(image []byte) {
			if sb := format.JournalSuperblock(image[at:][:v.blockSize]); fb == 0 && format.JSFeatureIncompat.Get(sb)&(format.JIncompatCsumV2|format.JIncompatCsumV3) != 0 {
				sb.SetChecksum()
			}
		})
	}
}

// patch is damage: a place of an image, counted over all places, and what eight bytes there are changed by.
func (im *fuzzedImage) patch(f *testing.F, name string, off int, want string) []byte {
	f.Helper()
	at := 0
	for _, p := range im.places {
		if !strings.HasPrefix(p.name, name) {
			at += p.size
			continue
		}
		b := binary.LittleEndian.AppendUint32(nil, uint32(at+off))
		for i := range 8 {
			c := byte(0)
			if i < len(want) {
				c = want[i] ^ im.data[p.at+off+i]
			}
			b = append(b, c)
		}
		return b
	}
	f.Fatalf("%s: no %s", im.name, name)
	return nil
}

const patchSize, maxPatches = 12, 20

// damage makes a damaged copy. What was damaged is sealed if seal is set.
func (im *fuzzedImage) damage(patches []byte, seal bool) []byte {
	b := bytes.Clone(im.data)
	for n := 0; len(patches) >= patchSize && n < maxPatches; n++ {
		off := int(binary.LittleEndian.Uint32(patches) % uint32(im.size))
		for _, p := range im.places {
			if off >= p.size {
				off -= p.size
				continue
			}
			for i, c := range patches[4:patchSize] {
				if off+i < p.size {
					b[p.at+off+i] ^= c
				}
			}
			if seal {
				p.seal(b)
			}
			break
		}
		patches = patches[patchSize:]
	}
	return b
}

// judged says what e2fsck finds in an image. The file holds data between the calls: only what differs is written.
func (im *fuzzedImage) judged(tb testing.TB, image []byte) error {
	tb.Helper()
	file, err := os.OpenFile(im.path, os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	put := func(b []byte, at int) {
		if _, err := file.WriteAt(b, int64(at)); err != nil {
			tb.Fatal(err)
		}
	}
	const piece = 4096
	for at := 0; at < len(image); at += piece {
		if end := min(at+piece, len(image)); !bytes.Equal(image[at:end], im.data[at:end]) {
			put(image[at:end], at)
			defer func() { put(im.data[at:end], at) }()
		}
	}
	return testimage.FsckErr(im.path, 0)
}
