// On Linux the program is interrupted also when we are killed and cannot do it ourselves.

package procgroup

import "syscall"

func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
