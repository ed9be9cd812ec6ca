// This file holds the spool: the temporary file without a name that Open unpacks a compressed image to.

package diskimage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math/bits"
	"os"
	"runtime"
	"sync"

	"boringboot/internal/atomicfile"
)

// spool is a file that is encrypted under a key that only memory holds: AES-128 in counter mode, the counter being the
// byte's position divided by 16. That is sound because the key is the spool's own and no position is written twice.
// Blocks of zeros are not written; filled knows which blocks are.
type spool struct {
	file   *os.File
	block  cipher.Block
	nonce  uint64 // the counter's upper half
	filled bitmap // by holeBlock
	size   int64

	mu      sync.Mutex // of scratch
	scratch []byte
}

// spoolError is an error of the spool rather than of the image, for texts that say where to look.
type spoolError struct {
	err    error
	making bool // it could not even be made
}

func (e *spoolError) Error() string { return e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

// Hint says what the user can do about it; it may be empty.
func (e *spoolError) Hint() string {
	variable := "TMPDIR"
	if runtime.GOOS == "windows" {
		variable = "TMP"
	}
	switch {
	case atomicfile.DiskFull(e.err):
		return "a compressed image is unpacked to be read: let " + variable + " name a directory on a larger disk"
	case e.making:
		return "a compressed image is unpacked to be read: let " + variable + " name a directory where files can be made"
	}
	return ""
}

func newSpool() (*spool, error) {
	key := make([]byte, 16+8)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	f, err := createSpool(os.TempDir())
	if err != nil {
		return nil, &spoolError{err: err, making: true}
	}
	return &spool{file: f, block: block, nonce: binary.LittleEndian.Uint64(key[16:]), scratch: make([]byte, copyChunk)}, nil
}

// crypt writes to dst the encryption, or decryption, of src, which lies at off.
func (s *spool) crypt(dst, src []byte, off int64) {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:8], s.nonce)
	binary.BigEndian.PutUint64(iv[8:], uint64(off)/aes.BlockSize)
	stream := cipher.NewCTR(s.block, iv[:])
	if skip := off % aes.BlockSize; skip > 0 {
		var discard [aes.BlockSize]byte
		stream.XORKeyStream(discard[:skip], discard[:skip])
	}
	stream.XORKeyStream(dst, src)
}

// WriteAt stores b at off, a multiple of holeBlock. Each block is written once.
func (s *spool) WriteAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for done < len(b) {
		part := b[done:min(done+len(s.scratch), len(b))]
		at := off + int64(done)
		s.crypt(s.scratch[:len(part)], part, at)
		if _, err := s.file.WriteAt(s.scratch[:len(part)], at); err != nil {
			return done, &spoolError{err: atomicfile.Pathless(err)}
		}
		for at/holeBlock*holeBlock < off+int64(done+len(part)) {
			s.filled.set(at / holeBlock)
			at += holeBlock
		}
		done += len(part)
	}
	return len(b), nil
}

// setSize ends the writing: the spool is size bytes long.
func (s *spool) setSize(size int64) error {
	s.size = size
	if err := s.file.Truncate(size); err != nil {
		return &spoolError{err: atomicfile.Pathless(err)}
	}
	return nil
}

// ReadAt reads and decrypts. It may be called by several goroutines.
func (s *spool) ReadAt(b []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > s.size-off
	if short {
		b = b[:s.size-off]
	}
	for done := 0; done < len(b); {
		at := off + int64(done)
		filled, run := s.filled.run(at/holeBlock, (off+int64(len(b))-1)/holeBlock)
		end := min((at/holeBlock+run)*holeBlock-off, int64(len(b)))
		part := b[done:end]
		if !filled {
			clear(part)
		} else {
			if n, err := s.file.ReadAt(part, at); n < len(part) {
				return done, &spoolError{err: atomicfile.Pathless(err)}
			}
			s.crypt(part, part, at)
		}
		done = int(end)
	}
	if short {
		return len(b), io.EOF
	}
	return len(b), nil
}

// Sync does nothing: a spool does not outlive its process.
func (s *spool) Sync() error { return nil }

func (s *spool) Close() error { return s.file.Close() }

// bitmap is a set of block numbers.
type bitmap []uint64

func (m *bitmap) set(i int64) {
	for int64(len(*m)) <= i/64 {
		*m = append(*m, 0)
	}
	(*m)[i/64] |= 1 << (i % 64)
}

func (m bitmap) has(i int64) bool { return i/64 < int64(len(m)) && m[i/64]>>(i%64)&1 == 1 }

// run says whether block first is in the set, and how many blocks from it on, up to last, are as it is.
func (m bitmap) run(first, last int64) (set bool, n int64) {
	set = m.has(first)
	for i := first; i <= last; {
		if i%64 == 0 && i/64 < int64(len(m)) {
			same := bits.TrailingZeros64(m[i/64])
			if set {
				same = bits.TrailingZeros64(^m[i/64])
			}
			if same == 64 {
				i += 64
				continue
			}
		} else if i/64 >= int64(len(m)) && !set {
			return set, last - first + 1
		}
		if m.has(i) != set {
			return set, i - first
		}
		i++
	}
	return set, last - first + 1
}
