package audit

// This file reads inline data: 60 bytes in i_block, the rest in the attribute system.data.

// inlineAttribute returns the rest, valid until the next attribute is looked for.
func (w *worker) inlineAttribute(in *inode) (value []byte, found bool, err error) {
	return w.attribute(in, "system.data")
}
