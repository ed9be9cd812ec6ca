//go:build !linux

package audit_test

import "errors"

func setAttribute(string, string, []byte) error {
	return errors.New("attributes are set on Linux only")
}
