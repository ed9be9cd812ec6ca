// This file tries the bar on a real terminal, a pseudo terminal of the kernel.

package progress

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boringboot/internal/testimage"
)

// openPTY returns both ends of a pseudo terminal with so many columns.
func openPTY(t *testing.T, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testimage.Require(t, fmt.Sprintf("a pseudo terminal (%v)", err))
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// readLine reads what was written, up to the first end of a line.
func readLine(t *testing.T, master *os.File) string {
	t.Helper()
	var text []byte
	for !strings.HasSuffix(string(text), "\n") {
		b := make([]byte, 4096)
		n, err := master.Read(b)
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
		text = append(text, b[:n]...)
	}
	return string(text)
}

func TestATerminalGetsABarOfItsWidth(t *testing.T) {
	t.Setenv("TERM", "xterm")
	master, slave := openPTY(t, 72)
	r := New(slave, false)
	r.Start("copying nixos.img", 100<<20)
	r.Add(25 << 20)
	time.Sleep(150 * time.Millisecond)
	r.Add(25 << 20)
	r.Add(50 << 20)
	r.Done()
	text := readLine(t, master)
	if !strings.Contains(text, "\rcopying nixos.img  [") || !strings.Contains(text, "50%") {
		t.Errorf("no bar in %q", text)
	}
	rows := screen(t, text, 72)
	if len(rows) != 2 || !strings.HasPrefix(rows[0], "copying nixos.img: 100.0 MiB in ") || rows[1] != "" {
		t.Errorf("the screen shows %q in the end, want the summary alone", rows)
	}
}

func TestADumbTerminalGetsLines(t *testing.T) {
	t.Setenv("TERM", "dumb")
	master, slave := openPTY(t, 72)
	r := New(slave, false)
	r.Start("copying", 1)
	r.Add(1)
	r.Done()
	if got := readLine(t, master); got != "copying: 1 B in 0.0s\r\n" {
		t.Errorf("wrote %q", got)
	}
}
