// One changed block, explained by who has it now and who had it before.

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// explainer knows which inodes may have changed, and why.
type explainer struct {
	before, after *Disk
	was, is       *Structure
	fsWas, fsIs   *ext4ro.FS

	wanted   map[uint32]bool            // inodes of wanted paths now, and of the directories that were made for them
	replaced map[uint32]bool            // inodes that wanted paths led to before
	above    map[uint32]bool            // directories above that were there before
	attr     map[uint32]bool            // those of them of which a mode and an owner are wanted
	names    map[uint32]map[string]bool // in each directory, the names that wanted paths go through
	paths    map[uint32]int             // how many wanted paths lead to an inode
	parents  map[uint32]map[uint32]bool // the directories that wanted inodes are in
	maps     map[uint32]*ext4ro.Layout  // of wanted files, and of directories above
	beside   map[uint32]bool            // wanted inodes that were looked at
	log      log

	findings []Finding
	more     int
}

func newExplainer(ctx context.Context, before, after *Disk, was, is *Structure, want []manifest.Entry) (*explainer, error) {
	e := &explainer{before: before, after: after, was: was, is: is, wanted: map[uint32]bool{}, replaced: map[uint32]bool{}, above: map[uint32]bool{}, attr: map[uint32]bool{},
		names: map[uint32]map[string]bool{}, paths: map[uint32]int{}, parents: map[uint32]map[uint32]bool{}, maps: map[uint32]*ext4ro.Layout{}, beside: map[uint32]bool{}, findings: []Finding{}}
	old, err := openWalker(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBefore, err)
	}
	defer old.close()
	if old.ro.Pending() {
		return nil, fmt.Errorf("%w: it was not unmounted, and its journal or its orphans bring changes of their own", ErrBefore)
	}
	now, err := openWalker(ctx, after)
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	defer now.close()
	// What follows reads both disks whole: it takes as long as it takes.
	if e.fsWas, err = openPatient(ctx, before); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBefore, err)
	}
	if e.fsIs, err = openPatient(ctx, after); err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	if now.ro.Pending() {
		e.unexplained("what the journal or the orphans hold, which changes the file system when it is mounted")
	}
	existed := map[uint32]bool{}
	for i := range want {
		w, err := old.walk(want[i].Path)
		for _, d := range w.dirs {
			existed[d.ino] = true
		}
		if err == nil {
			e.replaced[w.last.ino] = true
			if w.last.kind == kindDirectory {
				existed[w.last.ino] = true
			}
		}
	}
	for i := range want {
		w, err := now.walk(want[i].Path)
		at := w.dirs
		if err == nil {
			at = append(at[:len(at):len(at)], w.last)
		}
		for j, p := range at {
			switch {
			case p.kind == kindDirectory && existed[p.ino]:
				e.above[p.ino] = true
			case err == nil || j < len(at)-1:
				e.wanted[p.ino] = true
			}
			if j > 0 && p.path == at[j-1].join(baseName(p.path)) { // not so behind a symlink or ".."
				e.allow(at[j-1].ino, baseName(p.path))
				if e.parents[p.ino] == nil {
					e.parents[p.ino] = map[uint32]bool{}
				}
				e.parents[p.ino][at[j-1].ino] = true
			}
		}
		if err == nil {
			e.paths[w.last.ino]++
			if want[i].Kind == manifest.Directory && (want[i].Mode != 0 || !want[i].KeepAttr) {
				e.attr[w.last.ino] = true // what they are is compared with what is wanted
			}
		}
	}
	if err := e.journalIsEmpty(); err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	return e, e.newDirectories()
}

func baseName(path string) string {
	names := split(path)
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

func (e *explainer) allow(dir uint32, name string) {
	if e.names[dir] == nil {
		e.names[dir] = map[string]bool{}
	}
	e.names[dir][name] = true
}

// openWalker opens a disk's root to walk in it with our own decoder.
func openWalker(ctx context.Context, d *Disk) (*reader, error) {
	disk, size := d.root()
	return openOwnReader(newBudget(ctx, disk, size))
}

// openPatient opens a disk's root without a budget; reading ends with ctx.
func openPatient(ctx context.Context, d *Disk) (*ext4ro.FS, error) {
	disk, size := d.root()
	return ext4ro.Open(untilDone{ctx, disk}, size)
}

// untilDone reads until ctx is done.
type untilDone struct {
	ctx context.Context
	r   io.ReaderAt
}

func (u untilDone) ReadAt(p []byte, off int64) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.ReadAt(p, off)
}

func (e *explainer) unexplained(format string, args ...any) {
	if len(e.findings) >= maxUnexplained {
		if e.more++; e.more > 1 {
			e.findings = e.findings[:maxUnexplained]
		}
		e.findings = append(e.findings, Finding{Code: codeChanged, Severity: Error, Message: fmt.Sprintf("and %d more changes that nothing explains", e.more)})
		return
	}
	e.findings = append(e.findings, Finding{Code: codeChanged, Severity: Error, Message: "nothing explains " + fmt.Sprintf(format, args...)})
}

// block explains one changed block of the root, or notes that nothing does.
func (e *explainer) block(ctx context.Context, b uint64) error {
	size := int64(e.is.BlockSize)
	old, now := make([]byte, size), make([]byte, size)
	at := e.after.Parts[e.after.Root].Start + int64(b)*size
	if room := e.after.Parts[e.after.Root].Size - int64(b)*size; room < size { // behind the last whole block
		e.unexplained("a change behind the file system")
		return nil
	}
	if at+size > e.before.Size {
		e.unexplained("a change in block %d, which the original does not have whole", b)
		return nil
	}
	if err := readAll(ctx, e.before.Reader, old, at); err != nil {
		return err
	}
	if err := readAll(ctx, e.after.Reader, now, at); err != nil {
		return err
	}
	o, owned := e.is.owner(b)
	p, had := e.was.owner(b)
	if !owned {
		// Free now. What was taken away is cleared.
		switch {
		case e.is.isBoot(b):
			e.unexplained("a change in block 0, that of the boot sector")
		case had && (e.replaced[p.Number] || e.above[p.Number]) && isInodes(p.Use):
			if !allZero(now) {
				e.unexplained("what is in free block %d, which a replaced file had", b)
			}
		case had || !allZero(now): // cleared is what borrowed blocks are when they are given back
			e.unexplained("a change in free block %d", b)
		}
		return nil
	}
	switch o.Use {
	case audit.UseSuperblock:
		return e.systemBlock(o, b, old, now)
	case audit.UseBlockBitmap, audit.UseInodeBitmap:
		e.bitmap(o, b, old, now)
		return nil
	case audit.UseInodeTable:
		return e.inodes(o, b, old, now)
	case audit.UseMMP:
		return nil // judged by the audit
	case audit.UseJournal:
		if !had || p.Use != audit.UseJournal {
			e.unexplained("that block %d belongs to the journal", b)
			return nil
		}
		return e.journal(b, old, now)
	case audit.UseAttributes:
		return e.attributes(b, had && p.Use == audit.UseAttributes, old, now)
	}
	if o.Use == audit.UseFile && e.isQuota(o.Number) {
		return nil // usage is counted by the audit
	}
	switch {
	case e.wanted[o.Number]:
		if had && !e.replaced[p.Number] && !e.above[p.Number] && p.Number != o.Number {
			e.unexplained("that block %d went from inode %d to inode %d", b, p.Number, o.Number)
		}
		return e.content(o.Number, b, now)
	case e.above[o.Number]:
		if had && p.Number != o.Number && !e.replaced[p.Number] {
			e.unexplained("that block %d went from inode %d to inode %d", b, p.Number, o.Number)
		}
		return e.ofAbove(o.Number, b, old, now)
	default:
		l := &locator{d: e.after, structure: e.is}
		e.unexplained("a change %s", l.at(at))
	}
	return nil
}

func isInodes(u audit.Use) bool {
	return u == audit.UseFile || u == audit.UseDirectory || u == audit.UseAttributes
}

func (e *explainer) isQuota(ino uint32) bool {
	for _, q := range e.fsIs.QuotaInums {
		if q != 0 && q == ino && e.fsIs.FeatureRoCompat&ext4ro.RoCompatQuota != 0 {
			return true
		}
	}
	return false
}

// directory compares the names of a directory above: only those that wanted paths go through may differ.
func (e *explainer) directory(ino uint32) error {
	if e.names[ino] == nil {
		e.names[ino] = map[string]bool{}
	}
	if e.names[ino]["/"] { // done; no name has a slash in it
		return nil
	}
	e.names[ino]["/"] = true
	old, err := ext4ro.List(e.fsWas, ino)
	if err == nil {
		var now map[string]uint32
		if now, err = ext4ro.List(e.fsIs, ino); err == nil {
			e.compareNames(ino, old, now)
			return nil
		}
	}
	if !errors.Is(err, ext4ro.ErrCorrupt) {
		return err
	}
	e.unexplained("the directory with inode %d: it cannot be read (%s)", ino, reason(err))
	return nil
}

func (e *explainer) compareNames(ino uint32, old, now map[string]uint32) {
	for name, in := range old {
		if now[name] != in && !e.names[ino][name] {
			e.unexplained("that a name in the directory with inode %d is gone or leads elsewhere", ino)
		}
	}
	for name := range now {
		if _, ok := old[name]; !ok && !e.names[ino][name] {
			e.unexplained("a new name in the directory with inode %d", ino)
		}
	}
}

// bitmap explains the bits that differ: of what wanted paths have now, or replaced files had.
func (e *explainer) bitmap(o audit.Owner, b uint64, old, now []byte) {
	for i := range now {
		for diff := old[i] ^ now[i]; diff != 0; diff &= diff - 1 {
			bit := uint64(i*8) + uint64(lowestBit(diff))
			ok := false
			if o.Use == audit.UseInodeBitmap {
				ino := uint32(uint64(o.Number)*uint64(e.fsIs.InodesPerGroup) + bit + 1)
				ok = e.wanted[ino] || e.replaced[ino]
			} else {
				block := uint64(e.fsIs.FirstDataBlock) + uint64(o.Number)*uint64(e.fsIs.BlocksPerGroup) + bit*uint64(e.fsIs.ClusterBlocks)
				ok = e.clusterExplained(block)
			}
			if !ok {
				inodes := o.Use == audit.UseInodeBitmap
				if e.fsWas.Uninitialised(o.Number, inodes) && !e.fsIs.Uninitialised(o.Number, inodes) {
					return // it comes into being with the marks of all that the file system has in its group, which the audit compares
				}
				e.unexplained("a change of bit %d of block %d, a bitmap of group %d", bit, b, o.Number)
				return
			}
		}
	}
}

func lowestBit(b byte) int {
	n := 0
	for b&1 == 0 {
		b, n = b>>1, n+1
	}
	return n
}

// clusterExplained says whether one of the blocks of a cluster belongs to what may change, or did.
func (e *explainer) clusterExplained(first uint64) bool {
	for b := first; b < first+uint64(e.fsIs.ClusterBlocks); b++ {
		if o, ok := e.is.owner(b); ok && o.Use == audit.UseAttributes && e.sharedByWanted(b) {
			return true
		} else if ok && isInodes(o.Use) && (e.wanted[o.Number] || e.above[o.Number] || e.isQuota(o.Number)) {
			return true
		}
		if p, ok := e.was.owner(b); ok && isInodes(p.Use) && (e.replaced[p.Number] || e.above[p.Number]) {
			return true
		}
		if b >= e.is.Blocks {
			return true // the padding behind the last block
		}
	}
	return false
}

// inodes explains the inodes of a table's block that differ.
func (e *explainer) inodes(o audit.Owner, b uint64, old, now []byte) error {
	size := int(e.fsIs.InodeSize)
	perBlock := uint64(e.is.BlockSize / size)
	first := uint64(o.Number)*uint64(e.fsIs.InodesPerGroup) + (b-o.Block)*perBlock + 1
	for i := range int(perBlock) {
		x, y := old[i*size:][:size], now[i*size:][:size]
		if bytes.Equal(x, y) {
			continue
		}
		ino := uint32(first) + uint32(i)
		if (b-o.Block)*perBlock+uint64(i) >= uint64(e.fsIs.InodesPerGroup) {
			e.unexplained("a change behind the inode table of group %d", o.Number)
			continue
		}
		switch {
		case e.above[ino]:
			if !e.fsIs.SameButForContent(x, y, e.attr[ino]) {
				e.unexplained("what was changed of the directory with inode %d besides its content and times", ino)
			}
			if err := e.directory(ino); err != nil {
				return err
			}
		case e.wanted[ino]:
			if e.hasOtherNames(ino) {
				e.unexplained("a change of inode %d, which has names besides the wanted ones", ino)
			}
			if err := e.besides(ino); err != nil {
				return err
			}
		case e.replaced[ino]:
			// Another name of a file that was replaced loses a link; the last one is gone.
			if !ext4ro.GoneFrom(x, y) && !ext4ro.SameButForLinks(x, y) {
				e.unexplained("what was changed of inode %d, which a wanted path led to before", ino)
			}
		case e.isQuota(ino):
			if !e.fsIs.SameButForContent(x, y, false) {
				e.unexplained("what was changed of inode %d, a quota file", ino)
			}
		case allZero(y) && ext4ro.Gone(x):
			// A table that was not initialised, in which others are made.
		default:
			l := &locator{d: e.after, structure: e.is}
			e.unexplained("a change of inode %d%s", ino, l.name(ino))
		}
	}
	return nil
}
