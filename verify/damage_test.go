// Damaged images: whatever the metadata say, there is an answer, soon, in little memory, and it is no pass unless the files are right.

package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

// Limits of one judgement of a damaged image.
const (
	maxTime  = 10 * time.Second
	maxAlloc = 512 << 20 // bytes allocated in all, so a bound on what was ever in use
)

// victim is an image in memory, and where its metadata are.
type victim struct {
	name  string
	data  []byte
	want  []manifest.Entry
	zones [][2]int64 // offsets and lengths of metadata
}

// victims are one image for the readers that check and one for those that do not, the second with a hashed directory.
func victims(t *testing.T) []victim {
	t.Helper()
	var all []victim
	for _, profile := range []string{"nixos-4k", "no-checksums-1k"} {
		p := testimage.ProfileNamed(profile)
		o := hashed(p, 600)
		o.Size = 8 << 20
		want := standard(t)
		path := image(t, o, want)
		want = append(want, inHashed("name-00123")(t, path)...)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v := victim{name: profile, data: data, want: want}
		bs := int64(p.BlockSize)
		v.zones = append(v.zones, [2]int64{1024, 0x200}, [2]int64{max(2048, bs), 64})
		for _, of := range []string{"/", "/var", "/var/lib", "/var/lib/bootstrap", "/srv", "/hashed", bigPath, keyPath, "/hashed/name-00123"} {
			v.zones = append(v.zones, [2]int64{inodeOffset(t, path, p.BlockSize, of), 160})
		}
		for _, dir := range []string{"/", "/var/lib", "/srv", "/hashed"} {
			for _, block := range strings.Fields(lastLine(testimage.Debugfs(t, path, 0, "blocks "+dir))) {
				n, err := strconv.ParseInt(block, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				v.zones = append(v.zones, [2]int64{n * bs, min(bs, 512)})
			}
		}
		all = append(all, v)
	}
	return all
}

func imagePath(t *testing.T, v victim) string {
	t.Helper()
	path := t.TempDir() + "/image"
	if err := os.WriteFile(path, v.data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inodeOffset has debugfs say where the inode of path is.
func inodeOffset(t *testing.T, image string, blockSize int, path string) int64 {
	t.Helper()
	out := testimage.Debugfs(t, image, 0, "imap "+path)
	var ino, group, block, offset int64
	line := out[strings.Index(out, "Inode "):]
	if _, err := fmt.Sscanf(strings.ReplaceAll(line, "\n", " "), "Inode %d is part of block group %d located at block %d, offset 0x%x", &ino, &group, &block, &offset); err != nil {
		t.Fatalf("imap: %v\n%s", err, out)
	}
	return block*int64(blockSize) + offset
}

// judgeDamaged judges an image both ways and holds it to the limits.
func judgeDamaged(t *testing.T, name string, data []byte, want []manifest.Entry) (ok, findings, failed int) {
	t.Helper()
	for _, how := range []struct {
		name  string
		judge func() (*Report, error)
	}{
		{"Contents", func() (*Report, error) {
			return Contents(context.Background(), bytes.NewReader(data), int64(len(data)), want)
		}},
		{"Bootstrap", func() (*Report, error) {
			return Bootstrap(context.Background(), bytes.NewReader(data), int64(len(data)), withoutContent(want))
		}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		r, err := how.judge()
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if took > maxTime {
			t.Errorf("%s: %s took %v", name, how.name, took)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > maxAlloc {
			t.Errorf("%s: %s allocated %d MiB", name, how.name, n>>20)
		}
		switch {
		case err != nil:
			failed++
			if r != nil && r.OK() && len(r.Files) == 0 {
				t.Errorf("%s: %s: an error and a report that is OK", name, how.name)
			}
		case r.OK():
			ok++
		default:
			findings++
			if len(r.Findings) == 0 {
				t.Errorf("%s: %s: not OK and no finding", name, how.name)
			}
		}
	}
	return ok, findings, failed
}

func TestRandomDamageIsSurvived(t *testing.T) {
	seeds := 500
	if testing.Short() {
		seeds = 50
	}
	for _, v := range victims(t) {
		t.Run(v.name, func(t *testing.T) {
			var ok, findings, failed int
			data := make([]byte, len(v.data))
			for seed := range seeds {
				copy(data, v.data)
				rnd := rand.New(rand.NewPCG(uint64(seed), 7))
				var did []string
				for range 1 + rnd.IntN(4) {
					zone := v.zones[rnd.IntN(len(v.zones))]
					at := zone[0] + rnd.Int64N(zone[1])
					switch rnd.IntN(3) {
					case 0:
						data[at] = byte(rnd.Uint32())
					case 1:
						binary.LittleEndian.PutUint32(data[at&^3:], rnd.Uint32())
					case 2:
						binary.LittleEndian.PutUint32(data[at&^3:], []uint32{0, 1, 0xffffffff, 0x7fffffff, 0x80000000}[rnd.IntN(5)])
					}
					did = append(did, fmt.Sprintf("byte %d", at))
				}
				o, fi, fa := judgeDamaged(t, fmt.Sprintf("seed %d (%s)", seed, strings.Join(did, ", ")), data, v.want)
				ok, findings, failed = ok+o, findings+fi, failed+fa
			}
			t.Logf("%d verified, %d with findings, %d not judged", ok, findings, failed)
			if ok == 0 || findings == 0 || failed == 0 {
				t.Error("the damage is not of all kinds: the test shows nothing")
			}
		})
	}
}

func TestEveryFieldOfTheSuperblockMayHoldNonsense(t *testing.T) {
	for i, v := range victims(t) {
		data := bytes.Clone(v.data)
		for at := 1024; at < 1024+0x160; at += 2 {
			for _, value := range [][]uint16{{0xffff, 0x8000}, {0, 1, 0xffff}}[i] {
				copy(data, v.data[:4096])
				binary.LittleEndian.PutUint16(data[at:], value)
				judgeDamaged(t, fmt.Sprintf("%s: 0x%04x at superblock offset 0x%x", v.name, value, at-1024), data, v.want)
			}
		}
	}
}

func TestTinyImagesAreSurvived(t *testing.T) {
	v := victims(t)[1]
	for _, n := range []int{0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 8192, 65536} {
		judgeDamaged(t, fmt.Sprintf("the first %d bytes", n), v.data[:n], v.want)
	}
	// The superblock alone, made to fit.
	for _, blocks := range []uint32{2, 3, 8, 64} {
		data := bytes.Clone(v.data[:blocks*1024])
		binary.LittleEndian.PutUint32(data[1024+4:], blocks)
		judgeDamaged(t, fmt.Sprintf("%d blocks", blocks), data, v.want)
	}
}

func TestCraftedDamageIsSurvived(t *testing.T) {
	v := victims(t)[1] // no checksums stand in the way
	p := testimage.ProfileNamed(v.name)
	bs := int64(p.BlockSize)
	path := imagePath(t, v)
	inode := func(of string) int64 { return inodeOffset(t, path, p.BlockSize, of) }
	hashedBlocks := strings.Fields(lastLine(testimage.Debugfs(t, path, 0, "blocks /hashed")))
	dxRoot, err := strconv.ParseInt(hashedBlocks[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	le16, le32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	tests := []struct {
		name   string
		damage func(b []byte)
	}{
		{"an extent tree that leads into itself", func(b []byte) {
			// Both the inode's node and the block's are of depth 5 and lead to the block.
			at := inode(bigPath) + 0x28
			block := uint32(5000)
			for _, node := range [][]byte{b[at:], b[int64(block)*bs:]} {
				le16(node, 0xF30A)
				le16(node[2:], 4)
				le16(node[4:], 4)
				le16(node[6:], 5)
				for i := range 4 {
					e := node[12+12*i:]
					le32(e, uint32(i))
					le32(e[4:], block)
					le32(e[8:], 0)
				}
			}
		}},
		{"extents of 32767 blocks, hundreds of them", func(b []byte) {
			at := inode(bigPath) + 0x28
			le16(b[at+2:], 1)
			le16(b[at+6:], 1)
			le32(b[at+12:], 0)
			le32(b[at+16:], 5000)
			le16(b[at+20:], 0)
			node := b[5000*bs:]
			le16(node, 0xF30A)
			le16(node[2:], 84)
			le16(node[4:], 84)
			le16(node[6:], 0)
			for i := range 84 {
				e := node[12+12*i:]
				le32(e, uint32(i*32767))
				le16(e[4:], 32767)
				le16(e[6:], 0)
				le32(e[8:], 1)
			}
		}},
		{"a directory of 4 GiB", func(b []byte) { le32(b[inode("/srv")+4:], 0xfffffc00) }},
		{"a root directory of 15 MiB in one extent", func(b []byte) {
			at := inode("/")
			le32(b[at+4:], 15<<20)
			le16(b[at+0x28+12+4:], 15<<10)
		}},
		{"a file of 8 EiB", func(b []byte) {
			le32(b[inode(bigPath)+4:], 0xffffffff)
			le32(b[inode(bigPath)+0x6c:], 0x7fffffff)
		}},
		{"a file of more than 8 EiB", func(b []byte) { le32(b[inode(keyPath)+0x6c:], 0xffffffff) }},
		{"a file of 1 TiB in indirect blocks", func(b []byte) {
			at := inode(bigPath)
			le32(b[at+0x20:], 0)
			le32(b[at+0x6c:], 256)
			for i := range 15 {
				le32(b[at+0x28+int64(4*i):], uint32(1+i))
			}
		}},
		{"a directory in indirect blocks that lead into themselves", func(b []byte) {
			at := inode("/srv")
			le32(b[at+0x20:], 0)
			le32(b[at+4:], 14<<20)
			for i := range 15 {
				le32(b[at+0x28+int64(4*i):], 5001)
			}
			for i := range bs / 4 {
				le32(b[5001*bs+4*i:], 5001)
			}
		}},
		{"a directory index of which every entry is the same block", func(b []byte) {
			b[dxRoot*bs+0x1e] = 2
			count := binary.LittleEndian.Uint16(b[dxRoot*bs+0x20:])
			le16(b[dxRoot*bs+0x22:], count)
			for i := range int64(count) - 1 {
				le32(b[dxRoot*bs+0x24+8*i:], 1)
			}
		}},
		{"directory entries of no length", func(b []byte) {
			at := inode("/srv") + 0x28 + 12 + 8
			block := int64(binary.LittleEndian.Uint32(b[at:]))
			clear(b[block*bs+12 : (block+1)*bs])
		}},
		{"directory entries of 65535 bytes", func(b []byte) {
			at := inode("/srv") + 0x28 + 12 + 8
			block := int64(binary.LittleEndian.Uint32(b[at:]))
			le16(b[block*bs+4:], 0xffff)
			le16(b[block*bs+12+4:], 0xffff)
		}},
		{"an inode number beyond the last", func(b []byte) {
			at := inode("/srv") + 0x28 + 12 + 8
			block := int64(binary.LittleEndian.Uint32(b[at:]))
			for off := block*bs + 24; off < block*bs+60; off += 4 {
				le32(b[off:], 0xfffffff0)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := bytes.Clone(v.data)
			test.damage(data)
			if bytes.Equal(data, v.data) {
				t.Fatal("nothing was damaged")
			}
			if ok, _, _ := judgeDamaged(t, test.name, data, v.want); ok == 2 {
				t.Error("verified, both ways")
			}
		})
	}
}
