// Package blocks gives a file system's blocks by number: from the device through a bounded cache, and in a transaction as
// copies that are changed. Dropping the copies is rollback.
package blocks

// This file is the cache of unchanged blocks.

import (
	"fmt"
	"io"
	"sync"

	"boringboot/ext4/internal/format"
)

// Source gives a block's bytes, which the caller does not change.
type Source interface {
	Block(n format.FSBlock) ([]byte, error)
}

// cacheBytes bounds what a Cache keeps.
const cacheBytes = 16 << 20

// Cache reads blocks from a device and keeps them. It may be used by several goroutines.
type Cache struct {
	dev   io.ReaderAt
	size  int
	count format.FSBlock

	mu   sync.Mutex
	kept map[format.FSBlock][]byte
}

// NewCache serves count blocks of size bytes.
func NewCache(dev io.ReaderAt, size int, count format.FSBlock) *Cache {
	return &Cache{dev: dev, size: size, count: count, kept: make(map[format.FSBlock][]byte)}
}

// BlockSize is in bytes.
func (c *Cache) BlockSize() int { return c.size }

// Block reads block n; its error names n.
func (c *Cache) Block(n format.FSBlock) ([]byte, error) {
	c.mu.Lock()
	b, ok := c.kept[n]
	c.mu.Unlock()
	if ok {
		return b, nil
	}
	b = make([]byte, c.size)
	if err := c.Read(n, b); err != nil {
		return nil, err
	}
	c.keep(n, b)
	return b, nil
}

// Ahead reads count blocks from n on at once, if the first is not kept yet. What it cannot read is left to Block.
func (c *Cache) Ahead(n format.FSBlock, count int) {
	c.mu.Lock()
	_, ok := c.kept[n]
	c.mu.Unlock()
	if ok {
		return
	}
	b := make([]byte, count*c.size)
	if c.Read(n, b) != nil {
		return
	}
	for i := range count {
		c.keep(n+format.FSBlock(i), b[i*c.size:][:c.size:c.size])
	}
}

func (c *Cache) keep(n format.FSBlock, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= cacheBytes/c.size {
		clear(c.kept)
	}
	c.kept[n] = b
}

// Read fills b with the blocks from n on, past the cache: for file data, which is not read twice.
func (c *Cache) Read(n format.FSBlock, b []byte) error {
	blocks := format.FSBlock((len(b) + c.size - 1) / c.size)
	if n >= c.count || blocks > c.count-n {
		return fmt.Errorf("block %d: beyond the last of %d blocks", n, c.count)
	}
	if _, err := c.dev.ReadAt(b, int64(n)*int64(c.size)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read block %d: %w", n, err)
	}
	return nil
}

// ForgetAll drops what is kept, because the device has another content now.
func (c *Cache) ForgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.kept)
}
