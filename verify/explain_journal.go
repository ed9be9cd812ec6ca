// The blocks of the journal's log, explained: zeros, or what a transaction has left there.

package verify

import (
	"bytes"
	"slices"

	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// log is what is known of the journal's log.
type log struct {
	was, is  *ext4ro.Log
	metadata []uint64 // blocks of metadata that were changed
}

// openLog reads the log, and notes which blocks of metadata were changed.
func (e *explainer) openLog(changed []uint64) error {
	was, err := e.fsWas.Log()
	if err != nil {
		return err
	}
	is, err := e.fsIs.Log()
	if err != nil {
		return err
	}
	e.log = log{was: was, is: is}
	if was == nil || is == nil {
		return nil // that is told
	}
	for _, b := range changed {
		if o, ok := e.is.owner(b); ok && o.Use != audit.UseFile && o.Use != audit.UseJournal {
			e.log.metadata = append(e.log.metadata, b)
		}
	}
	return is.Follow(is.Transactions(was), func(home uint64) bool {
		_, found := slices.BinarySearch(changed, home)
		return found || !e.ofFile(e.is, home) && !e.ofFile(e.was, home)
	})
}

// ofFile says whether a block is a file's. Those of metadata may be in a transaction unchanged, and free ones, which the journal was lent.
func (e *explainer) ofFile(s *Structure, b uint64) bool {
	o, ok := s.owner(b)
	return ok && o.Use == audit.UseFile && !e.isQuota(o.Number)
}

// journal explains a block of the journal. The log is empty, but what is in its blocks could be anything: it is zeros, or a piece of a
// transaction. That of the last one is known; of those before it, where the update was larger than the log and went through it in steps, what
// is left need only resemble the metadata of which it is a copy, or where that is not known any more, some that were changed.
func (e *explainer) journal(b uint64, old, now []byte) error {
	l := &e.log
	if l.is == nil || l.was == nil {
		return nil
	}
	place, ok := l.is.Place(b)
	switch {
	case !ok: // of the map of its blocks, which the audit judges
		return nil
	case place == 0: // its superblock, which is compared as such
		const size = 1024
		if !bytes.Equal(old[size:], now[size:]) {
			e.unexplained("a change in block %d, behind the journal's superblock", b)
		}
		return nil
	case allZero(now) || l.is.Frame(b):
		return nil
	}
	home, last, ok := l.is.Copy(b)
	var homes []uint64
	switch {
	case ok && last:
		same, err := e.isCopy(now, home)
		if err != nil || same {
			return err
		}
	case ok:
		homes = []uint64{home}
	case l.is.Loose(b):
		homes = l.metadata
	}
	for _, home := range homes {
		same, err := e.resembles(now, home)
		if err != nil || same {
			return err
		}
	}
	e.unexplained("what is in block %d, of the journal, which is no piece of a transaction", b)
	return nil
}

// isCopy says whether a block of the log is a copy of a block as it is.
func (e *explainer) isCopy(is []byte, home uint64) (bool, error) {
	if home >= e.is.Blocks {
		return false, nil
	}
	block, err := e.blockNow(home)
	return err == nil && e.log.is.SameCopy(is, block, home), err
}

// resembles says whether most of a block is as in a block of metadata.
func (e *explainer) resembles(is []byte, home uint64) (bool, error) {
	block, err := e.blockNow(home)
	if err != nil {
		return false, err
	}
	differ := 0
	for i := range is {
		if is[i] != block[i] {
			if differ++; differ > len(is)/4 {
				return false, nil
			}
		}
	}
	return true, nil
}

// blockNow reads a block of the root as it is.
func (e *explainer) blockNow(b uint64) ([]byte, error) {
	block := make([]byte, e.is.BlockSize)
	r, _ := e.after.root()
	_, err := r.ReadAt(block, int64(b)*int64(e.is.BlockSize))
	return block, err
}
