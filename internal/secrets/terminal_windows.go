// The terminal that a person is asked at (Windows: the console's input, which holds the mode).
package secrets

import "os"

func openTerminal() (*os.File, error) { return os.OpenFile("CONIN$", os.O_RDWR, 0) }
