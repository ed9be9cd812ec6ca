// The hashes of names in directories: legacy, half MD4 and TEA, of signed or of unsigned characters.

package ext4ro

import "math/bits"

const (
	hashLegacy  = 0 // dx_root_info.hash_version
	hashHalfMD4 = 1
	hashTEA     = 2

	flagUnsignedHash = 0x2        // s_flags, EXT2_FLAGS_UNSIGNED_HASH
	hashEOF          = 0x7fffffff // EXT4_HTREE_EOF_32BIT: a hash that stands for the end
)

// hasher hashes names as one directory has it.
type hasher struct {
	version  uint8
	unsigned bool
	seed     [4]uint32
}

// newHasher returns nil for a version that there is not.
func newHasher(version uint8, sb *Superblock) *hasher {
	if version > hashTEA {
		return nil
	}
	h := &hasher{version: version, unsigned: sb.Flags&flagUnsignedHash != 0, seed: [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}}
	if sb.HashSeed != [4]uint32{} {
		h.seed = sb.HashSeed
	}
	return h
}

// hash returns a name's hash; its lowest bit is 0.
func (h *hasher) hash(name string) uint32 {
	state := h.seed
	var sum uint32
	switch h.version {
	case hashLegacy:
		sum = h.legacy(name)
	case hashHalfMD4:
		for rest := name; ; rest = rest[32:] {
			halfMD4(&state, h.words(rest, 8))
			if len(rest) <= 32 {
				break
			}
		}
		sum = state[1]
	case hashTEA:
		for rest := name; ; rest = rest[16:] {
			tea(&state, h.words(rest, 4))
			if len(rest) <= 16 {
				break
			}
		}
		sum = state[0]
	}
	if sum &^= 1; sum == hashEOF<<1 {
		sum = (hashEOF - 1) << 1
	}
	return sum
}

// char is a character as an integer, with its sign where the hash has one.
func (h *hasher) char(c byte) uint32 {
	if h.unsigned {
		return uint32(c)
	}
	return uint32(int32(int8(c)))
}

func (h *hasher) legacy(name string) uint32 {
	hash0, hash1 := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for i := range len(name) {
		hash := hash1 + (hash0 ^ h.char(name[i])*7152373)
		if hash&0x80000000 != 0 {
			hash -= 0x7fffffff
		}
		hash1, hash0 = hash0, hash
	}
	return hash0 << 1
}

// words packs the first 4n characters, the first of four in the highest bits; what is missing is the name's length, over and over.
func (h *hasher) words(name string, n int) []uint32 {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	name = name[:min(len(name), 4*n)]
	out := make([]uint32, n)
	for w := range out {
		out[w] = pad
		for i := 4 * w; i < min(len(name), 4*w+4); i++ {
			out[w] = h.char(name[i]) + out[w]<<8
		}
	}
	return out
}

// halfMD4 is three rounds of MD4 over eight words instead of sixteen.
func halfMD4(state *[4]uint32, in []uint32) {
	const k2, k3 = 0x5A827999, 0x6ED9EBA1 // the square roots of 2 and 3, as MD4 has them
	choose := func(x, y, z uint32) uint32 { return z ^ x&(y^z) }
	majority := func(x, y, z uint32) uint32 { return x&y + (x^y)&z }
	parity := func(x, y, z uint32) uint32 { return x ^ y ^ z }
	s := *state
	for _, round := range []struct {
		mix   func(x, y, z uint32) uint32
		add   uint32
		order [8]int
		turn  [4]int
	}{
		{choose, 0, [8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19}},
		{majority, k2, [8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13}},
		{parity, k3, [8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15}},
	} {
		for i, w := range round.order {
			// a, d, c, b take turns; each is mixed from the three after it.
			t := (4 - i%4) % 4
			x, y, z := s[(t+1)%4], s[(t+2)%4], s[(t+3)%4]
			s[t] = bits.RotateLeft32(s[t]+round.mix(x, y, z)+in[w]+round.add, round.turn[i%4])
		}
	}
	for i := range s {
		state[i] += s[i]
	}
}

// tea is sixteen rounds of the Tiny Encryption Algorithm.
func tea(state *[4]uint32, in []uint32) {
	const delta = 0x9E3779B9
	x, y, sum := state[0], state[1], uint32(0)
	for range 16 {
		sum += delta
		x += (y<<4 + in[0]) ^ (y + sum) ^ (y>>5 + in[1])
		y += (x<<4 + in[2]) ^ (x + sum) ^ (x>>5 + in[3])
	}
	state[0] += x
	state[1] += y
}
