// Whether a file system is one that could be read back, asked before anything is put into it.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Able says whether what is put into the file system that starts at offset 0 of root, and is at most size bytes long, can be read back.
// If not, the error is ErrNoReader with each reader's reason. With holes there is a file with holes among it, which not every reader can read.
func Able(ctx context.Context, root io.ReaderAt, size int64, holes bool) error {
	reasons := make([]error, len(openers))
	var all sync.WaitGroup
	for i, o := range openers {
		all.Go(func() {
			b := newBudget(ctx, root, size)
			r, err := openReader(o, b)
			r.close()
			switch {
			case b.failed() != nil:
				err = b.failed()
			case err == nil && holes && !o.zeros:
				err = errHoles
			}
			reasons[i] = err
		})
	}
	all.Wait()
	var texts []string
	for i, o := range openers {
		if reasons[i] == nil {
			return nil
		}
		texts = append(texts, o.name+": "+reason(reasons[i]))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s", ErrNoReader, strings.Join(texts, "; "))
}

var errHoles = errors.New("it does not read the holes of files as zeros")
