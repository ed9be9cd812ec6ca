package audit_test

// This file finds the fields of what lies inside inodes and files: attributes, inline data, quotas.

func (f *finder) inline(ino, at int, mode uint16, sealed seal) {
	if mode>>12 != 4 {
		f.add("inline data", at+0x28, []field{{"content", 0, 1}, {"content", 59, 1}}, sealed)
		return
	}
	f.add("inline directory", at+0x28, []field{{"parent", 0, 4}}, sealed)
	for _, e := range some(entriesOf(f.data[at+0x28:][:60], 4, 60)) {
		f.add("inline directory: entry", at+0x28+e, entryFields, sealed)
	}
	// The rest is the value of the attribute system.data.
	extra := at + 128 + int(le.Uint16(f.data[at+0x80:]))
	if le.Uint32(f.data[extra:]) != 0xEA020000 {
		return
	}
	for _, e := range f.attributes(extra+4, at+f.inodeSize) {
		if f.data[e+1] != 7 || le.Uint32(f.data[e+8:]) == 0 {
			continue
		}
		value, size := extra+4+int(le.Uint16(f.data[e+2:])), int(le.Uint32(f.data[e+8:]))
		for _, d := range some(entriesOf(f.data[value:][:size], 0, size)) {
			f.add("inline directory: later entry", value+d, entryFields, sealed)
		}
	}
}

// attributes are the offsets of entries from at on.
func (f *finder) attributes(at, end int) []int {
	var list []int
	for at+16 <= end && le.Uint32(f.data[at:]) != 0 {
		list = append(list, at)
		at += 16 + (int(f.data[at])+3)&^3
	}
	return list
}

func (f *finder) inodeAttributes(ino, at int, sealed seal) {
	extra := at + 128 + int(le.Uint16(f.data[at+0x80:]))
	if extra+4 > at+f.inodeSize || le.Uint32(f.data[extra:]) != 0xEA020000 {
		return
	}
	f.add("attributes in the inode", extra, []field{{"h_magic", 0, 4}}, sealed)
	f.entriesOfAttributes("attributes in the inode", extra+4, at+f.inodeSize, extra+4, sealed)
}

func (f *finder) attributeBlock(block int) {
	at, sealed := block*f.block, sealAttributes(block)
	f.whole("attributes", block, sealed)
	f.add("attribute block", at, attributeHeaderFields, sealed)
	f.entriesOfAttributes("attribute block", at+32, at+f.block, at, sealed)
}

func (f *finder) entriesOfAttributes(structure string, at, end, base int, sealed seal) {
	for _, e := range f.attributes(at, end) {
		hashed := func(c *canvas) {
			sealHash(e, base)(c)
			sealed(c)
		}
		// With the hash stale, and with the hash made right, too.
		f.add(structure+": entry", e, attributeFields, sealed)
		f.add(structure+": entry", e, attributeFields[:5], hashed)
		size, inum := int(le.Uint32(f.data[e+8:])), le.Uint32(f.data[e+4:])
		if inum == 0 && size > 0 {
			value := base + int(le.Uint16(f.data[e+2:]))
			f.add(structure+": value", value, []field{{"value", 0, 1}, {"value", size - 1, 1}}, sealed)
			f.add(structure+": value", value, []field{{"hashed value", 0, min(4, size)}}, hashed)
		}
		if next := e + 16 + (int(f.data[e])+3)&^3; next+4 <= end && le.Uint32(f.data[next:]) == 0 {
			f.add(structure, next, []field{{"end of entries", 0, 4}}, sealed)
		}
	}
}

// quota blocks have 1 KiB, whatever the file system's have.
func (f *finder) quota(data []fileBlock) {
	at := func(block int) int { // of the file
		n := block * 1024
		for _, b := range data {
			if b.logical == n/f.block {
				return b.block*f.block + n%f.block
			}
		}
		return -1
	}
	f.add("quota header", at(0), quotaHeaderFields)
	var walk func(block, level int)
	walk = func(block, level int) {
		p := at(block)
		if p < 0 {
			return
		}
		if level == 4 {
			f.add("quota block", p, quotaBlockFields)
			for i := range 14 {
				if record := p + 16 + 72*i; i < 3 || le.Uint64(f.data[record+0x18:]) != 0 {
					f.add("quota record", record, quotaRecordFields)
				}
			}
			return
		}
		seen := map[int]bool{}
		empty := false
		for i := range 256 {
			child := int(le.Uint32(f.data[p+4*i:]))
			if child == 0 && !empty {
				f.add("quota tree", p+4*i, []field{{"empty reference", 0, 4}})
				empty = true
			}
			if child != 0 {
				f.add("quota tree", p+4*i, []field{{"reference", 0, 4}})
			}
			if child != 0 && !seen[child] {
				seen[child] = true
				walk(child, level+1)
			}
		}
	}
	walk(1, 0)
}
