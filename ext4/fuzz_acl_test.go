package ext4

import (
	"bytes"
	"testing"
)

// FuzzACL: an access control list that is accepted in one form is the same when it is encoded again, and when it has gone through
// the other form.
func FuzzACL(f *testing.F) {
	list := acl{{aclUserObj, 7, aclNoID}, {aclUser, 5, 1000}, {aclGroupObj, 5, aclNoID}, {aclGroup, 1, 70_000}, {aclMask, 7, aclNoID}, {aclOther, 5, aclNoID}}
	f.Add(list.disk(), uint16(0o640))
	f.Add(list.user(), uint16(0o4711))
	f.Add(acl{{aclUserObj, 7, aclNoID}, {aclGroupObj, 5, aclNoID}, {aclOther, 5, aclNoID}}.disk(), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, mode uint16) {
		if len(b) > 1<<16 {
			return
		}
		if list, err := parseDiskACL(b); err == nil {
			if again := list.disk(); !bytes.Equal(b, again) {
				t.Fatalf("encoded again, %x is %x", b, again)
			}
			through, err := parseUserACL(list.user())
			if err != nil || !bytes.Equal(through.disk(), b) || through.check() != nil {
				t.Fatalf("through the form of getxattr(2) %x is %x: %v", b, through.disk(), err)
			}
			changed := list.chmod(mode & 0o777)
			if err := changed.check(); err != nil {
				t.Fatalf("after a change of the mode: %v", err)
			}
			if got, _ := changed.mode(mode); got&0o777 != mode&0o777 {
				t.Fatalf("a list that was given the mode %#o has %#o", mode&0o777, got&0o777)
			}
		}
		if list, err := parseUserACL(b); err == nil && list.check() == nil {
			stored, err := parseDiskACL(list.disk())
			if err != nil || !bytes.Equal(stored.user(), list.user()) {
				t.Fatalf("through the stored form %x is %x: %v", list.user(), stored.user(), err)
			}
			list.mode(mode)
		}
	})
}
