package format

// This file has the hash functions of hashed directories: the legacy one, half of MD4, and TEA, each over signed or
// unsigned characters (kernel: fs/ext4/hash.c; Documentation/filesystems/ext4/directory.rst).

import (
	"fmt"
	"math/bits"
)

// Hash versions as dx_root_info and s_def_hash_version have them. The unsigned ones are stored only by s_flags.
const (
	HashLegacy          = 0
	HashHalfMD4         = 1
	HashTEA             = 2
	HashLegacyUnsigned  = 3
	HashHalfMD4Unsigned = 4
	HashTEAUnsigned     = 5
)

// The largest hash is reserved: readdir uses it for the end of a directory.
const hashEOF = 0x7FFFFFFF << 1

// DirHash is the major hash of name; its lowest bit is 0. seed is s_hash_seed; all zero stands for MD4's start values.
func DirHash(version uint8, seed [4]uint32, name []byte) (uint32, error) {
	state := [4]uint32{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476}
	if seed != [4]uint32{} {
		state = seed
	}
	char := func(c byte) uint32 { return uint32(int32(int8(c))) }
	if version >= HashLegacyUnsigned {
		char = func(c byte) uint32 { return uint32(c) }
	}

	var hash uint32
	switch version {
	case HashLegacy, HashLegacyUnsigned:
		hash = legacyHash(name, char)
	case HashHalfMD4, HashHalfMD4Unsigned:
		var in [8]uint32
		for rest := name; len(rest) > 0; rest = rest[min(32, len(rest)):] {
			hashWords(in[:], rest, char)
			halfMD4(&state, &in)
		}
		hash = state[1]
	case HashTEA, HashTEAUnsigned:
		var in [4]uint32
		for rest := name; len(rest) > 0; rest = rest[min(16, len(rest)):] {
			hashWords(in[:], rest, char)
			tea(&state, &in)
		}
		hash = state[0]
	default:
		return 0, fmt.Errorf("directory hash version %d is not known", version)
	}
	hash &^= 1
	if hash == hashEOF {
		hash -= 2
	}
	return hash, nil
}

func legacyHash(name []byte, char func(byte) uint32) uint32 {
	older, newer := uint32(0x37ABE8F9), uint32(0x12A3FE2D)
	for _, c := range name {
		h := older + (newer ^ char(c)*7152373)
		if h&0x80000000 != 0 {
			h -= 0x7FFFFFFF
		}
		older, newer = newer, h
	}
	return newer << 1
}

// hashWords packs characters big end first into words; words that are short or missing are filled with the length of what is
// left of the name, four times.
func hashWords(out []uint32, rest []byte, char func(byte) uint32) {
	pad := uint32(len(rest)) | uint32(len(rest))<<8
	pad |= pad << 16
	rest = rest[:min(len(rest), 4*len(out))]
	for i := range out {
		w := pad
		for _, c := range rest[:min(4, len(rest))] {
			w = char(c) + w<<8
		}
		rest = rest[min(4, len(rest)):]
		out[i] = w
	}
}

func tea(state *[4]uint32, key *[4]uint32) {
	const delta = 0x9E3779B9
	x, y := state[0], state[1]
	sum := uint32(0)
	for range 16 {
		sum += delta
		x += (y<<4 + key[0]) ^ (y + sum) ^ (y>>5 + key[1])
		y += (x<<4 + key[2]) ^ (x + sum) ^ (x>>5 + key[3])
	}
	state[0] += x
	state[1] += y
}

// The rounds of half MD4: its boolean function, added constant, order of the eight words, and rotations.
var halfMD4Rounds = [3]struct {
	f      func(x, y, z uint32) uint32
	k      uint32
	word   [8]int
	rotate [4]int
}{
	{func(x, y, z uint32) uint32 { return z ^ x&(y^z) }, 0, [8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19}},
	{func(x, y, z uint32) uint32 { return x&y + (x^y)&z }, 0x5A827999, [8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13}},
	{func(x, y, z uint32) uint32 { return x ^ y ^ z }, 0x6ED9EBA1, [8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15}},
}

func halfMD4(state *[4]uint32, in *[8]uint32) {
	a, b, c, d := state[0], state[1], state[2], state[3]
	for _, r := range halfMD4Rounds {
		for i, w := range r.word {
			a = bits.RotateLeft32(a+r.f(b, c, d)+in[w]+r.k, r.rotate[i%4])
			a, b, c, d = d, a, b, c
		}
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}
