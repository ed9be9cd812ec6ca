package audit_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// cryptNames is how many names a directory gets: with their hashes they take three blocks.
const cryptNames = 60

// cryptImage has the directories "crypt", which is encrypted, and "sip", which folds cases besides and has a tree of the hashes in its entries.
func cryptImage(t *testing.T) *subject {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// fscrypt_context: version, modes, flags, the key's name, a nonce.
	nonce := bytes.Repeat([]byte{0x4e}, 16)
	old := file("old", append([]byte("\x01\x01\x04\x00key-name"), nonce...))
	other := file("other", append([]byte("\x02\x01\x04\x00\x00\x00\x00\x00key-identifier--"), nonce...))
	commands := []string{"mkdir crypt", "mkdir sip", "expand_dir sip", "expand_dir sip",
		"ea_set -f " + old + " crypt c", "ea_set -f " + other + " sip c", "sif crypt flags 0x80800", "sif sip flags 0x40080800", "cd crypt"}
	for i := range 5 {
		commands = append(commands, fmt.Sprintf("mknod cipher-text-%04d p", i))
	}
	commands = append(commands, "mkdir a-directory-inside", "ea_set -f "+old+" a-directory-inside c", "sif a-directory-inside flags 0x80800", "cd ../sip")
	for i := range cryptNames {
		commands = append(commands, fmt.Sprintf("mknod cipher-text-with-case-%04d p", i))
	}
	r := recipe{name: "directories: encrypted", features: with(modern, "encrypt", "casefold"), blockSize: 1024, inodeSize: 256, content: bare,
		extended: "encoding=utf8"}
	s := newSubject(t, r).toFile(t)
	// The recipe's own e2fsck would clear what has no hashes yet.
	testimage.DebugfsWrite(t, s.path, 0, commands...)
	reread := func() {
		data, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		s.canvas = canvas{layout: layoutOf(data)}
	}
	reread()
	e := edit(t, s, "sip")
	e.addHashes()
	e.reseal()
	if _, err := s.show(); err != nil {
		t.Fatal(err)
	}
	if err := told(testimage.Command(t, "e2fsck", "-fyD", s.path), 1); err != nil {
		t.Fatal(err)
	}
	if err := testimage.FsckErr(s.path, 0); err != nil {
		t.Fatal(err)
	}
	reread()
	s.heal()
	if e = edit(t, s, "sip"); len(e.index) == 0 {
		t.Fatal("no hash tree was made")
	}
	return s
}

// addHashes writes the directory anew, all entries but the dots with hashes behind their names.
func (e *editor) addHashes() {
	type named struct {
		ino      uint32
		fileType byte
		name     string
	}
	var all []named
	for i := range e.blocks {
		for _, at := range e.list(i) {
			if ino := le.Uint32(e.data[at:]); ino != 0 {
				all = append(all, named{ino, e.data[at+7], e.name(at)})
			}
		}
	}
	n := 0
	for i := range e.blocks {
		b := make([]byte, e.end())
		at, last := 0, 0
		for ; n < len(all); n++ {
			x := all[n]
			size := (8 + len(x.name) + 3) &^ 3
			hashAt := size
			if n > 1 {
				size += 8
			}
			if at+size > len(b) {
				break
			}
			le.PutUint32(b[at:], x.ino)
			le.PutUint16(b[at+4:], uint16(size))
			b[at+6], b[at+7] = byte(len(x.name)), x.fileType
			copy(b[at+8:], x.name)
			if n > 1 {
				h := fnv.New32a()
				h.Write([]byte(x.name))
				le.PutUint32(b[at+hashAt:], h.Sum32()&^1)
			}
			last = at
			at += size
		}
		le.PutUint16(b[last+4:], uint16(len(b)-last))
		e.write(e.place(i, 0), b) // the checksum's place is there already
	}
	if n < len(all) {
		e.tb.Fatalf("%d entries, and room for %d", len(all), n)
	}
}

func TestEditedEncryptedDirectories(t *testing.T) {
	s := cryptImage(t)
	// hashAt is where an entry keeps its hash.
	hashAt := func(e *editor, at int) int { return at + (8+int(e.data[at+6])+3)&^3 }
	for _, c := range []dirCase{
		{name: "nothing is done", dir: "crypt", edit: func(*editor) {}},
		{name: "a slash in an encrypted name", dir: "crypt", edit: setByte("cipher-text-0001", 8, '/'), code: ""},
		{name: "an encrypted name of 15 bytes", dir: "crypt", edit: setByte("cipher-text-0001", 6, 15), code: audit.CodeDirectoryEntry},
		{name: "a directory inside that is not encrypted", dir: "crypt", edit: func(e *editor) {
			in := edit(t, s, "crypt/a-directory-inside")
			e.put(in.inodePlace(in.ino, 0x21), 0)
			in.reseal()
		}, code: audit.CodeDirectoryEntry},
		{name: "a directory inside with another policy", dir: "crypt", edit: func(e *editor) {
			in := edit(t, s, "crypt/a-directory-inside")
			at := in.inodeAt(in.ino)
			i := bytes.Index(e.data[at:][:e.inodeSize], []byte("key-name"))
			e.put(at+i, 'K')
			in.reseal()
		}, code: audit.CodeDirectoryEntry},
		{name: "a directory inside with a policy that is not known", dir: "crypt", edit: func(e *editor) {
			in := edit(t, s, "crypt/a-directory-inside")
			at := in.inodeAt(in.ino)
			i := bytes.Index(e.data[at:][:e.inodeSize], []byte("key-name"))
			e.put(at+i-4, 9)
			in.reseal()
		}, code: audit.CodeDirectoryEntry},
		{name: "another nonce is the same policy", dir: "crypt", edit: func(e *editor) {
			in := edit(t, s, "crypt/a-directory-inside")
			at := in.inodeAt(in.ino)
			i := bytes.Index(e.data[at:][:e.inodeSize], []byte("key-name"))
			e.put(at+i+8+3, 9)
			in.reseal()
		}, code: ""},
		{name: "nothing is done", dir: "sip", edit: func(*editor) {}},
		{name: "a hash that is not in its leaf's range", dir: "sip", edit: func(e *editor) {
			e.write32(hashAt(e, e.list(e.leaves()[1])[1]), 2)
		}, code: audit.CodeDirectoryHash},
		{name: "a name says nothing of its hash", dir: "sip", edit: func(e *editor) {
			e.put(e.list(e.leaves()[1])[1]+8, 'Z')
		}, code: ""},
		{name: "another hash version", dir: "sip", edit: rootByte(4, 1), code: audit.CodeDirectoryHash},
		{name: "an entry without room for its hash", dir: "sip", edit: func(e *editor) {
			at := e.list(e.leaves()[1])[1]
			size := le.Uint16(e.data[at+4:])
			e.write16(at+int(size)+4, le.Uint16(e.data[at+int(size)+4:])+8)
			e.write(at+int(size)-8, e.data[at+int(size):][:40])
			e.write16(at+4, size-8)
		}, code: audit.CodeDirectoryEntry},
		{name: "a directory that folds cases no more", dir: "sip", edit: func(e *editor) { e.put(e.inodePlace(e.ino, 0x23), 0) },
			code: audit.CodeDirectoryHash},
	} {
		t.Run(c.dir+"/"+c.name, func(t *testing.T) {
			defer s.heal()
			e := edit(t, s, c.dir)
			c.edit(e)
			e.reseal()
			if _, err := s.show(); err != nil {
				t.Fatal(err)
			}
			c.judge(t, e)
		})
	}
}
