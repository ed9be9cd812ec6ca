// What was changed: every byte in which two disks differ is explained by a wanted path, by a directory above one, or by what the file
// system has to note about them. Whatever is not explained is an error.

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"boringboot/internal/manifest"
)

// ErrBefore is the error of an original that nothing can be compared with.
var ErrBefore = errors.New("the original cannot be compared with")

// maxUnexplained bounds the findings about changes.
const maxUnexplained = 50

// Changes compares a disk with the one that it was made from. Both hold ext4 roots that begin at the same place. What the wanted paths, the
// directories above them and the file system's own accounts do not explain is in the findings; another length is one, and what both have is compared
// all the same. Both structures are those that AuditStructure found; in a damaged one not everything can be explained, and what cannot be is told.
//
// The error is for what could not be read, and wraps ErrBefore where the original is of no use: its root is elsewhere, or it was not unmounted.
func Changes(ctx context.Context, before, after *Disk, was, is *Structure, want []manifest.Entry) (findings []Finding, err error) {
	defer wall("changes", &err)
	p, q := before.Parts[before.Root], after.Parts[after.Root]
	if p.Start != q.Start {
		return nil, fmt.Errorf("%w: its root is elsewhere: at byte %d, and now at %d", ErrBefore, p.Start, q.Start)
	}
	if was.BlockSize != is.BlockSize {
		return nil, fmt.Errorf("%w: its root has blocks of another size: %d bytes, and now %d", ErrBefore, was.BlockSize, is.BlockSize)
	}
	e, err := newExplainer(ctx, before, after, was, is, want)
	if err != nil {
		return nil, err
	}
	if before.Size != after.Size {
		e.unexplained("that the image has %d bytes, and the original %d", after.Size, before.Size)
	}
	if p.Size != q.Size && before.Size-p.Size != after.Size-q.Size { // not by that alone
		e.unexplained("that the root has %d bytes, and %d in the original", q.Size, p.Size)
	}
	if was.Blocks != is.Blocks {
		e.unexplained("that the root's file system has %d blocks, and %d in the original", is.Blocks, was.Blocks)
	}
	blocks, outside, err := differences(ctx, before, after, int64(is.BlockSize))
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	if err := e.openLog(blocks); err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	l := &locator{d: after, structure: is}
	for _, at := range outside {
		e.unexplained("a change %s", l.at(at))
	}
	for _, b := range blocks {
		if err := e.block(ctx, b); err != nil {
			return nil, fmt.Errorf("changes: %w", err)
		}
	}
	return e.findings, nil
}

// partAt is the index of the partition that has a byte of the disk; −1: none.
func (d *Disk) partAt(at int64) int {
	return slices.IndexFunc(d.Parts, func(p Part) bool { return p.Start <= at && at < p.Start+p.Size })
}

// differences lists the blocks of the root in which the disks differ, and elsewhere where sectors that differ begin, one after the other. It looks
// at what both have.
func differences(ctx context.Context, before, after *Disk, blockSize int64) (blocks []uint64, outside []int64, err error) {
	const chunk, sector = 1 << 20, 512
	root, size := after.Parts[after.Root], min(before.Size, after.Size)
	type part struct {
		blocks  []uint64
		outside []int64
	}
	parts := make([]part, (size+chunk-1)/chunk)
	var next atomic.Int64
	var once sync.Once
	var group sync.WaitGroup
	var failed atomic.Bool
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			a, b := make([]byte, chunk), make([]byte, chunk)
			for !failed.Load() {
				i := next.Add(1) - 1
				if i >= int64(len(parts)) {
					return
				}
				from := i * chunk
				a, b := a[:min(chunk, size-from)], b[:min(chunk, size-from)]
				e := readAll(ctx, before.Reader, a, from)
				if e == nil {
					e = readAll(ctx, after.Reader, b, from)
				}
				if e != nil {
					once.Do(func() { err = e })
					failed.Store(true)
					return
				}
				if bytes.Equal(a, b) {
					continue
				}
				p := &parts[i]
				last := int64(-2 * sector) // of the sectors outside that differ
				for at := 0; at < len(a); at += sector {
					end := min(at+sector, len(a))
					if bytes.Equal(a[at:end], b[at:end]) {
						continue
					}
					where := from + int64(at)
					if where < root.Start || where >= root.Start+root.Size {
						if where != last+sector || after.partAt(where) != after.partAt(last) {
							p.outside = append(p.outside, where)
						}
						last = where
						continue
					}
					block := uint64((where - root.Start) / blockSize)
					if n := len(p.blocks); n == 0 || p.blocks[n-1] != block {
						p.blocks = append(p.blocks, block)
					}
				}
			}
		})
	}
	group.Wait()
	for _, p := range parts {
		for _, b := range p.blocks {
			if n := len(blocks); n == 0 || blocks[n-1] != b { // a block may begin in the chunk before
				blocks = append(blocks, b)
			}
		}
		outside = append(outside, p.outside...)
	}
	return blocks, outside, err
}
