package audit

// This file remembers which encryption policy an inode has: all that is in an encrypted directory has the directory's own.

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
)

// policyID stands for an encryption policy. Equal ids are equal policies: an id is a hash of 64 bits that nobody can foresee.
type policyID uint64

const (
	policyNone      policyID = iota // not encrypted
	policyForeign                   // of a version that is not known; those are all alike
	policyCorrupt                   // never remembered
	policyFirstReal                 // hashes below are moved up
)

// policies are those of the inodes that are encrypted, collected in pass 1.
type policies struct {
	mu   sync.Mutex
	list []inodePolicy
	sort sync.Once
}

type inodePolicy struct {
	ino uint32
	id  policyID
}

var policySeed = maphash.MakeSeed()

// parsePolicy reads an encryption context, the value of the attribute "c" (fscrypt_context). The policy is all of it but the nonce, its last 16 bytes.
func parsePolicy(context []byte) policyID {
	const nonce = 16
	switch {
	case len(context) == 0 || context[0] == 0:
		return policyCorrupt
	case context[0] == 1 && len(context) != 28, context[0] == 2 && len(context) != 40:
		return policyCorrupt
	case context[0] > 2:
		return policyForeign
	}
	id := policyID(maphash.Bytes(policySeed, context[:len(context)-nonce]))
	return max(id, policyFirstReal)
}

// addPolicy remembers the policy of an inode. It says no where that is damaged.
func (c *checker) addPolicy(ino uint32, id policyID) bool {
	if id == policyCorrupt {
		return false
	}
	if c.resolving != nil {
		return true
	}
	c.policies.mu.Lock()
	defer c.policies.mu.Unlock()
	c.policies.list = append(c.policies.list, inodePolicy{ino, id})
	return true
}

// policyOf returns an inode's policy, after pass 1.
func (c *checker) policyOf(ino uint32) policyID {
	p := &c.policies
	p.sort.Do(func() {
		slices.SortFunc(p.list, func(a, b inodePolicy) int { return cmp.Compare(a.ino, b.ino) })
	})
	i, ok := slices.BinarySearchFunc(p.list, ino, func(p inodePolicy, ino uint32) int { return cmp.Compare(p.ino, ino) })
	if !ok {
		return policyNone
	}
	return p.list[i].id
}
