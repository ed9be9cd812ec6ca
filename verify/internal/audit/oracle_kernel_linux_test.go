package audit_test

import "golang.org/x/sys/unix"

func setAttribute(path, name string, value []byte) error { return unix.Setxattr(path, name, value, 0) }
