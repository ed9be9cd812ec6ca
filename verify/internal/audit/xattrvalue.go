package audit

// This file looks for the two attributes that the structure depends on: system.data, which holds inline data beyond the 60 bytes of
// i_block, and "c", the encryption context.

import "sync"

// soughtValues are what is wanted of them. The values themselves are not kept: a block of attributes may hold one as large as itself,
// and many inodes may have the block.
type soughtValues struct {
	hasData, hasPolicy bool
	data               int // bytes of system.data
	policy             policyID
}

func (v *soughtValues) note(e attributeEntry, value []byte) {
	if !v.hasData && fullNameIs(e, "system.data") {
		v.hasData, v.data = true, len(value)
	}
	if !v.hasPolicy && fullNameIs(e, "c") {
		v.hasPolicy, v.policy = true, parsePolicy(value)
	}
}

// soughtIn looks through the attributes in the inode, then through those in its block. Lists that are damaged are an error, wherever in
// them the attributes are.
func (w *worker) soughtIn(in *inode) (v soughtValues, err error) {
	err = w.inodeList(in, func(e attributeEntry, value []byte) error {
		v.note(e, value)
		return nil
	})
	b := w.c.sb.acl(in)
	if b == 0 || err != nil {
		return v, err
	}
	kept := w.soughtInBlock(in, b)
	if kept.err != nil {
		return v, kept.err
	}
	if !v.hasData {
		v.hasData, v.data = kept.hasData, kept.data
	}
	if !v.hasPolicy {
		v.hasPolicy, v.policy = kept.hasPolicy, kept.policy
	}
	return v, nil
}

// blockValues are those of a block of attributes: many inodes may share it, and each asks.
type blockValues struct {
	once sync.Once
	err  error
	soughtValues
}

// soughtInBlock reads a block of attributes, or remembers it.
func (w *worker) soughtInBlock(in *inode, b uint64) *blockValues {
	c := w.c
	c.attributes.mu.Lock()
	if c.attributes.values == nil {
		c.attributes.values = map[uint64]*blockValues{}
	}
	kept := c.attributes.values[b]
	if kept == nil {
		kept = &blockValues{}
		c.attributes.values[b] = kept
	}
	c.attributes.mu.Unlock()
	kept.once.Do(func() {
		kept.err = w.blockList(in, b, func(e attributeEntry, value []byte) error {
			kept.note(e, value)
			return nil
		})
	})
	return kept
}

// inlineAttribute says how many bytes of inline data there are in system.data, if there is one.
func (w *worker) inlineAttribute(in *inode) (size int, found bool, err error) {
	v, err := w.soughtIn(in)
	return v.data, v.hasData && err == nil, err
}

// inlineValue is what system.data holds of a directory, valid until the next one is asked for. Where that is not in the inode, it is in
// block b, or nowhere (0).
func (w *worker) inlineValue(in *inode) (value []byte, b uint64, err error) {
	w.value = w.value[:0]
	found := false
	err = w.inodeList(in, func(e attributeEntry, v []byte) error {
		if !found && fullNameIs(e, "system.data") {
			w.value, found = append(w.value, v...), true
		}
		return nil
	})
	if acl := w.c.sb.acl(in); acl != 0 && err == nil {
		kept := w.soughtInBlock(in, acl)
		if err = kept.err; err == nil && !found && kept.hasData {
			b = acl
		}
	}
	return w.value, b, err
}

// inlineInBlock reads system.data of a directory from a block of attributes.
func (w *worker) inlineInBlock(d *directory) ([]byte, error) {
	w.value = w.value[:0]
	found := false
	err := w.blockList(&inode{ino: d.ino, Generation: d.generation}, d.inlineBlock, func(e attributeEntry, v []byte) error {
		if !found && fullNameIs(e, "system.data") {
			w.value, found = append(w.value, v...), true
		}
		return nil
	})
	return w.value, err
}
