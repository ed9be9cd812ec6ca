package audit

// This file finds all claimants of clusters that were claimed twice, by going through pass 1 once more.

// resolver collects them.
type resolver struct{ twice *bitset }

func (r *resolver) claimant(ino uint32, cluster uint64) {}
