package audit

// This file runs an audit from the superblock to the last counter, and holds what the passes share.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Options of an audit.
type Options struct {
	Workers int  // goroutines; 0 means as many as there are cores
	Owners  bool // remember who has which blocks
}

// ErrNotExt is the error of an image that holds no file system of the ext family.
var ErrNotExt = errors.New("no ext2, ext3 or ext4 file system")

// checker is the state of one audit.
type checker struct {
	ctx    context.Context
	disk   io.ReaderAt
	size   int64
	sb     *super
	groups []descriptor
	found  findings

	claims
	shared *bitset // blocks that several inodes may use (attributes)
	facts  []atomic.Pointer[groupFacts]
	dirs   directories
	owners *owners // nil: nobody wants to know

	resolving *resolver // not nil while claimants of clusters are looked for: see duplicates.go

	freeBlocks, freeInodes uint64 // by the bitmaps: see counters.go

	workers int
	errMu   sync.Mutex
	err     error
	failed  atomic.Bool

	inodeState  // inode.go
	dirState    // directory.go
	systemState // journal.go, quota.go
}

// worker is what each goroutine of a pass has for itself.
type worker struct {
	c   *checker
	buf []byte // one block, for whatever the function in hand wants it

	table []byte // of scan.go: a piece of an inode table
	in    inode  // of scan.go: the one in hand

	inodeWork // inode.go
	dirWork   // directory.go
	usage     // quota.go
}

// Run audits the ext4 file system that begins at offset 0 of disk and has size bytes to live in. An error is an image that could not
// be judged: it holds none (ErrNotExt), it could not be read, or ctx was done. All else is in the findings.
func Run(ctx context.Context, disk io.ReaderAt, size int64, o Options) (*Result, error) {
	c := &checker{ctx: ctx, disk: disk, size: size, workers: o.Workers}
	if c.workers <= 0 {
		c.workers = runtime.GOMAXPROCS(0)
	}
	if o.Owners {
		c.owners = &owners{}
	}
	counts, err := c.run()
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, err
	}
	return c.result(counts), nil
}

// run goes through the passes, and ends where an earlier one has found that the next would make no sense.
func (c *checker) run() ([]counted, error) {
	if ok, err := c.open(); !ok {
		return nil, err
	}
	if !c.loadGroups() {
		return nil, nil
	}
	c.initClaims()
	c.checkBackups()
	if !c.markSystem() {
		return nil, nil
	}
	c.checkMMP()
	c.checkResizeInode()
	c.checkJournal()

	c.scanInodes()
	c.finishXattrs()
	c.resolveDuplicates()

	c.checkDirectories()
	c.checkConnections()
	c.checkLinks()

	counts := c.checkBitmaps()
	c.checkCounters(counts)
	c.checkOrphans()
	c.checkQuota()
	return counts, nil
}

func (c *checker) newWorker() *worker {
	return &worker{c: c, buf: make([]byte, c.sb.blockSize)}
}

// checkDirectories is pass 2.
func (c *checker) checkDirectories() {
	if root := c.directory(rootInode); root != nil {
		root.named.parent = rootInode // it is its own, whoever else names it
	}
	// Directories that have their blocks together are read as often as there are directories, so there is an end to it.
	var read atomic.Uint64
	c.parallel(len(c.dirs.list), func(w *worker, i int) {
		d := c.dirs.list[i]
		n := uint64(1)
		for _, r := range d.runs {
			n += r.length
		}
		if read.Add(n) > flood*c.sb.BlocksCount && c.double.isSet() {
			c.lostNames.set()
			return
		}
		w.checkDirectory(d)
	})
}

// lockedFlag is set once, by anybody.
type lockedFlag struct{ v atomic.Bool }

func (f *lockedFlag) set()        { f.v.Store(true) }
func (f *lockedFlag) isSet() bool { return f.v.Load() }

// fail notes the first error that ends the audit: I/O, or a context that is done.
func (c *checker) fail(err error) {
	c.errMu.Lock()
	defer c.errMu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.failed.Store(true)
}

// stopped says whether there is no point in going on.
func (c *checker) stopped() bool {
	if c.failed.Load() {
		return true
	}
	if err := c.ctx.Err(); err != nil {
		c.fail(err)
		return true
	}
	return false
}

// validBlock says whether a block may be pointed to.
func (c *checker) validBlock(b uint64) bool { return c.sb.validBlock(b) }

// readBlock reads one block. An error is fatal: pass it up, or to fail.
func (c *checker) readBlock(b uint64, buf []byte) error {
	return c.readBlocks(b, buf[:c.sb.blockSize])
}

// readBlocks reads len(buf) bytes from block b on.
func (c *checker) readBlocks(b uint64, buf []byte) error {
	if n, err := c.disk.ReadAt(buf, int64(b)*int64(c.sb.blockSize)); n < len(buf) {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("block %d: %w", b, err)
	}
	return nil
}

// parallel runs work on all workers, each with numbers below n, every number once, in about ascending order. A panic of a worker goes on in
// the caller, who may have a wall around it.
func (c *checker) parallel(n int, work func(w *worker, i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	var panicked atomic.Value
	for range min(c.workers, n) {
		w := c.newWorker()
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.CompareAndSwap(nil, fmt.Sprintf("%v\n%s", p, debug.Stack()))
				}
			}()
			for {
				i := int(next.Add(1)) - 1
				if i >= n || c.stopped() {
					break
				}
				work(w, i)
			}
			c.merge(w)
		})
	}
	group.Wait()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
}
