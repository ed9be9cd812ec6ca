package audit

// This file computes the hashes of names by which a hashed directory is ordered (Documentation/filesystems/ext4, "Hash Tree Directories").

import "math/bits"

// Versions of the hash: dx_root_info's hash_version, and three more that exist only in memory, for file systems whose
// superblock says that bytes of names are unsigned.
const (
	hashLegacy = iota
	hashHalfMD4
	hashTEA
	hashLegacyUnsigned
	hashHalfMD4Unsigned
	hashTEAUnsigned
	hashSip // in the entries themselves: directories that are encrypted and fold cases
)

// hashSeed is where a keyed hash starts: s_hash_seed, or MD4's own start where that is zero.
func hashSeed(seed [4]uint32) [4]uint32 {
	if seed == [4]uint32{} {
		return [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	}
	return seed
}

// hashName returns the major hash of a name, its lowest bit clear. An unknown version gives 0. The seed comes from hashSeed.
func hashName(version uint8, seed [4]uint32, name []byte) uint32 {
	var words [8]uint32
	switch version {
	case hashLegacy, hashLegacyUnsigned:
		return legacyHash(name, version == hashLegacyUnsigned)
	case hashHalfMD4, hashHalfMD4Unsigned:
		state := seed
		for len(name) > 0 {
			packName(words[:8], name, version == hashHalfMD4Unsigned)
			halfMD4(&state, &words)
			name = name[min(len(name), 32):]
		}
		return state[1] &^ 1
	case hashTEA, hashTEAUnsigned:
		state := seed
		for len(name) > 0 {
			packName(words[:4], name, version == hashTEAUnsigned)
			teaRounds(&state, &words)
			name = name[min(len(name), 16):]
		}
		return state[0] &^ 1
	}
	return 0
}

// widen is what a character of a name counts: on most machines char has a sign, and the first ones have set how it is.
func widen(b byte, unsigned bool) uint32 {
	if unsigned {
		return uint32(b)
	}
	return uint32(int32(int8(b)))
}

func legacyHash(name []byte, unsigned bool) uint32 {
	last, beforeLast := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for _, b := range name {
		h := beforeLast + (last ^ widen(b, unsigned)*7152373)
		if h>>31 != 0 {
			h -= 0x7fffffff
		}
		beforeLast, last = last, h
	}
	return last << 1
}

// packName fills the words with the name, big-endian, and what is left of them with the length of what is left of the name.
func packName(words []uint32, name []byte, unsigned bool) {
	pad := uint32(len(name)) * 0x01010101
	name = name[:min(len(name), 4*len(words))]
	for i := range words {
		word := pad
		for _, b := range name[:min(len(name), 4)] {
			word = word<<8 + widen(b, unsigned)
		}
		name = name[min(len(name), 4):]
		words[i] = word
	}
}

// halfMD4 is MD4's transformation with half of the steps in each round.
func halfMD4(state *[4]uint32, in *[8]uint32) {
	a, b, c, d := state[0], state[1], state[2], state[3]
	step := func(mixed, word uint32, turn int) {
		a, b, c, d = d, bits.RotateLeft32(a+mixed+word, turn), b, c
	}
	for i := range 8 {
		step(d^b&(c^d), in[i], [4]int{3, 7, 11, 19}[i&3])
	}
	for _, i := range [8]int{1, 3, 5, 7, 0, 2, 4, 6} {
		// Words 1, 5, 0, 4 come first in each group of four.
		step(b&c+(b^c)&d, in[i]+0x5a827999, secondTurns[i])
	}
	for _, i := range [8]int{3, 7, 2, 6, 1, 5, 0, 4} {
		step(b^c^d, in[i]+0x6ed9eba1, thirdTurns[i])
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}

// By how much each word's step turns in the second and the third round.
var (
	secondTurns = [8]int{1: 3, 3: 5, 5: 9, 7: 13, 0: 3, 2: 5, 4: 9, 6: 13}
	thirdTurns  = [8]int{3: 3, 7: 9, 2: 11, 6: 15, 1: 3, 5: 9, 0: 11, 4: 15}
)

// teaRounds encrypts the first two words of the state with the Tiny Encryption Algorithm, 16 rounds, and adds the outcome to them.
func teaRounds(state *[4]uint32, key *[8]uint32) {
	x, y := state[0], state[1]
	var sum uint32
	for range 16 {
		sum += 0x9e3779b9
		x += (y<<4 + key[0]) ^ (y + sum) ^ (y>>5 + key[1])
		y += (x<<4 + key[2]) ^ (x + sum) ^ (x>>5 + key[3])
	}
	state[0] += x
	state[1] += y
}
