// Package show writes for people: sizes, and names that come from somewhere else and must not move a terminal's cursor.
package show

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable makes visible what a terminal would obey rather than show: control characters, and those that turn the direction of
// writing. What is not UTF-8 is replaced, too.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Size writes a number of bytes in the largest binary unit that leaves at least one: "512 B", "30.0 MiB", "40.9 MiB".
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for f >= 1023.95 && unit < 5 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTPE"[unit]) // always with a tenth: a bar that counts does not jitter
}
