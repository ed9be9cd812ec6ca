package ext4_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// Two names with one hash on both sides of a split: the second leaf continues
// the first one's last hash, and says so in the index.

// longName is number i as a name of 240 bytes, of which a leaf of 1 KiB holds four.
func longName(i int) string {
	name := fmt.Sprintf("%06d-", i)
	return name + strings.Repeat("c", 240-len(name))
}

var hashOf = regexp.MustCompile(`(?m)^Hash of (\d{6})-c* is (0x[0-9a-f]+)`)

// teaHashes has debugfs hash names as the image's tea directories hash them.
func teaHashes(t *testing.T, path string, numbers []int) map[int]uint64 {
	t.Helper()
	_, seed, _ := strings.Cut(testimage.Debugfs(t, path, 0, "stats -h"), "Directory Hash Seed:")
	seed, _, _ = strings.Cut(strings.TrimSpace(seed), "\n")
	var commands []string
	for _, i := range numbers {
		commands = append(commands, fmt.Sprintf("dx_hash -h tea -s %s %s", seed, longName(i)))
	}
	hashes := map[int]uint64{}
	for _, m := range hashOf.FindAllStringSubmatch(testimage.Debugfs(t, path, 0, commands...), -1) {
		i, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if hashes[i], err = strconv.ParseUint(m[2], 0, 32); err != nil {
			t.Fatal(err)
		}
	}
	return hashes
}

func TestNamesOfOneHashOnBothSidesOfASplit(t *testing.T) {
	for _, name := range []string{"nixos-1k", "pi-gen-1k"} { // debugfs dumps indexes with checksums only
		t.Run(name, func(t *testing.T) {
			o := roomy(testimage.ProfileNamed(name), 100)
			o.HashAlg = "tea"
			path := testimage.Ext4(t, o)
			testimage.Check(t, path, 0)
			// Found by hashing the first 150000 numbers.
			for _, pair := range [][2]int{{25819, 75298}, {26715, 98013}, {40705, 102830}, {94746, 113041}} {
				numbers := []int{pair[0], pair[1]}
				for i := range 60 {
					numbers = append(numbers, i)
				}
				hashes := teaHashes(t, path, numbers)
				hash := hashes[pair[0]]
				if len(hashes) != len(numbers) || hash == 0 || hashes[pair[1]] != hash {
					t.Fatalf("numbers %d have the hashes %#x and %#x", pair, hash, hashes[pair[1]])
				}
				lower, higher := -1, -1
				for i := range 60 {
					if hashes[i] < hash {
						lower = i
					} else if hashes[i] > hash {
						higher = i
					}
				}
				dir := fmt.Sprintf("d%d", pair[0])
				ops := []op{mkdir(dir, 0o755)}
				// Four fill the first leaf, in the order of their hashes; the others split it.
				for _, i := range []int{lower, pair[0], pair[1], higher, 100, 101, 102, 103, 104} {
					ops = append(ops, file(dir+"/"+longName(i), []byte(strconv.Itoa(i)), 0o644))
				}
				mustUpdate(t, path, ops)
				if out := testimage.Debugfs(t, path, 0, "htree_dump /"+dir); !strings.Contains(out, fmt.Sprintf("Hash %#08x", hash|1)) {
					t.Errorf("no leaf continues hash %#x:\n%s", hash, out)
				}
			}
		})
	}
}
