package ext4

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// Each of the 96 bits: Open does with it what the table says, and refuses by its number what the table does not know.
func TestEveryFeatureBitIsTreatedAsTheTableSays(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), StorePaths: -1, Size: 2 << 20})
	r := newRecorder(t, path)
	sb := format.Superblock(r.now[1024:2048])
	known := map[string]feature{}
	for _, f := range features {
		key := fmt.Sprint(f.set, f.bit)
		if _, twice := known[key]; twice {
			t.Errorf("%s is in the table twice", f.name)
		}
		if (f.how != used) != (f.reason != "") {
			t.Errorf("%s: a reason is given where, and only where, a feature is not used", f.name)
		}
		known[key] = f
	}
	fields := map[featureSet]format.U32{setCompat: format.SFeatureCompat, setIncompat: format.SFeatureIncompat, setROCompat: format.SFeatureROCompat}
	for set, field := range fields {
		for i := range 32 {
			bit := uint32(1) << i
			old := field.Get(sb)
			field.Set(sb, old|bit)
			// With some bits the rest of the image does not fit any more: the gate alone is asked.
			err := checkFeatures(sb)
			field.Set(sb, old)
			f, ok := known[fmt.Sprint(set, bit)]
			switch {
			case !ok:
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), fmt.Sprintf("unknown %s bit %#x", set, bit)) {
					t.Errorf("%s bit %#x: %v", set, bit, err)
				}
			case f.how == used || f.how == preserved || f.how == recovered:
				if err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
			case f.how == refused:
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "feature "+f.name+" ("+f.reason) {
					t.Errorf("%s: %v", f.name, err)
				}
			}
		}
	}
}
