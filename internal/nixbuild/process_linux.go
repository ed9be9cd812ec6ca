// On Linux nix is interrupted also when we are killed and cannot do it ourselves.

package nixbuild

import "syscall"

func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
