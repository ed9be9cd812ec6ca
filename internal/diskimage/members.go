// This file reads compressed files that hold several streams, one after another, and tells what follows the last one from a stream that is cut.

package diskimage

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/mikelolasagasti/xz"
)

// What each stream of a format begins with.
const (
	gzipMagic = "\x1f\x8b\x08"
	xzMagic   = "\xfd7zXZ\x00"
)

// gzipReader reads a sequence of members as one stream. It ignores zeros behind each, which tapes and some
// downloads append; gzip(1) does so behind the last.
type gzipReader struct {
	*gzip.Reader
	r *bufio.Reader
}

func newGzipReader(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReader(r) // gzip.Reader then takes no byte beyond a member's end
	z, err := gzip.NewReader(br)
	if errors.Is(err, gzip.ErrHeader) { // which means something else behind a member
		return nil, errors.New("its header is damaged, or has a name of more than 511 bytes")
	}
	if err != nil {
		return nil, midStream(err)
	}
	z.Multistream(false)
	return &gzipReader{z, br}, nil
}

func (g *gzipReader) Read(b []byte) (int, error) {
	n, err := g.Reader.Read(b)
	if err != io.EOF {
		return n, err
	}
	for {
		next, err := g.r.Peek(1)
		if err != nil {
			return n, err
		}
		if next[0] != 0 {
			break
		}
		if _, err := g.r.Discard(1); err != nil {
			return n, err
		}
	}
	// Fewer bytes than a header has are not the beginning of one because they are few.
	if head, _ := g.r.Peek(len(gzipMagic)); !strings.HasPrefix(gzipMagic, string(head)) {
		return n, gzip.ErrHeader
	}
	if err := g.Reader.Reset(g.r); err != nil {
		return n, midStream(err)
	}
	g.Multistream(false)
	return n, nil
}

// midStream is the error of a header that started: the source's end is too early there.
func midStream(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// xzReader reads a sequence of streams, and the padding between them, as one.
type xzReader struct {
	*xz.Reader
	source *tailReader
}

func newXZReader(r io.Reader, dictMax uint32) (io.ReadCloser, error) {
	source := &tailReader{r: r}
	z, err := xz.NewReader(source, dictMax)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &xzReader{z, source}, nil
}

func (x *xzReader) Close() error { return nil }

func (x *xzReader) Read(b []byte) (int, error) {
	n, err := x.Reader.Read(b)
	if err != io.EOF {
		return n, err
	}
	err = x.Reader.Reset(nil) // what follows; io.EOF: nothing
	if errors.Is(err, xz.ErrBuf) && !x.source.endsInXZHeader() {
		err = xz.ErrFormat
	}
	if err == nil {
		x.Multistream(false)
	}
	return n, err
}

// xzHeaderSize is the length of a stream's header, and xzAlign what the length of a stream and of padding is a multiple of (the .xz file
// format 1.2.1, 2.1.1 and 2.2).
const (
	xzHeaderSize = 12
	xzAlign      = 4
)

// tailReader remembers how much was read, and the last bytes of it.
type tailReader struct {
	r    io.Reader
	n    int64
	tail [xzHeaderSize]byte
}

func (t *tailReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	last := b[max(0, n-len(t.tail)):n]
	copy(t.tail[:], t.tail[len(last):])
	copy(t.tail[len(t.tail)-len(last):], last)
	return n, err
}

// endsInXZHeader reports whether what was read ends in the first bytes of a stream's header, short of the whole.
func (t *tailReader) endsInXZHeader() bool {
	for k := int(t.n % xzAlign); k < xzHeaderSize; k += xzAlign {
		head := string(t.tail[xzHeaderSize-k:])
		if k > 0 && strings.HasPrefix(head[:min(k, len(xzMagic))], xzMagic[:min(k, len(xzMagic))]) {
			return true
		}
	}
	return false
}
