package ext4

// What tests of the package's outside may see of its inside.

// RefusedBit tells whether the gate refuses a feature bit ("compat", "incompat", "ro_compat"), and the feature's name if it has one.
func RefusedBit(set string, bit uint32) (name string, is bool) {
	for _, f := range features {
		if f.set.String() == set && f.bit == bit {
			return f.name, f.how == refused
		}
	}
	return "", true
}
