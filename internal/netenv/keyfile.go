// The third parser: a value of a GLib key file, and what NetworkManager does with an SSID (nm-settings-keyfile(5)).
package netenv

import (
	"fmt"
	"strings"
)

// keyfileEscapes are the escapes of a key file's strings (Desktop Entry Specification, "Possible value types").
var keyfileEscapes = map[byte]byte{'s': ' ', 'n': '\n', 't': '\t', 'r': '\r', '\\': '\\'}

var keyfileEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// escapeKeyfile writes a string as a key file's value. Blanks at both ends are escaped: the reader strips them in front, editors
// behind.
func escapeKeyfile(s string) string {
	body := strings.Trim(s, " ")
	lead := len(s) - len(strings.TrimLeft(s, " "))
	trail := len(s) - lead - len(body)
	escaped := keyfileEscaper.Replace(body)
	return strings.Repeat(`\s`, lead) + escaped + strings.Repeat(`\s`, trail)
}

// unescapeKeyfile is the reader's side. Where an escape is unknown or cut off ok is false, and s is what the reader makes of it
// nevertheless: an unknown escape stays, a backslash at the end goes.
func unescapeKeyfile(value string) (s string, ok bool) {
	value = strings.TrimLeft(value, " \t\n\v\f\r")
	ok = true
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			b.WriteByte(value[i])
			continue
		}
		i++
		if i == len(value) {
			return b.String(), false
		}
		if c, known := keyfileEscapes[value[i]]; known {
			b.WriteByte(c)
		} else {
			ok = false
			b.WriteByte('\\')
			b.WriteByte(value[i])
		}
	}
	return b.String(), ok
}

// escapeSSID writes an SSID as a key file's string in which a semicolon has a backslash of its own, or, where the bytes are no text
// that systemd passes on, as a list of numbers, "222;173;". NetworkManager itself writes two backslashes and reads one alike.
func escapeSSID(ssid string) string {
	text := strings.ReplaceAll(escapeKeyfile(ssid), ";", `\;`)
	if whyUncarried(text) == "" {
		return text
	}
	var b strings.Builder
	for i := range len(ssid) {
		fmt.Fprintf(&b, "%d;", ssid[i])
	}
	return b.String()
}

// ssidBytes is NetworkManager's reading of an SSID, from the string that the key file holds.
func ssidBytes(value string) string {
	if list, ok := numberList(value); ok {
		return list
	}
	return strings.ReplaceAll(value, `\;`, ";")
}

// numberList reads "222; 173;": numbers of one to three digits, each below 256 and followed by a semicolon, blanks around both.
func numberList(value string) (list string, ok bool) {
	const space = " \t\n\v\f\r"
	var b strings.Builder
	for rest := strings.TrimLeft(value, space); rest != ""; rest = strings.TrimLeft(rest, space) {
		number, after, found := strings.Cut(rest, ";")
		if !found {
			return "", false
		}
		number = strings.TrimRight(number, space)
		n := 0
		for i := range len(number) {
			if number[i] < '0' || number[i] > '9' {
				return "", false
			}
			n = 10*n + int(number[i]-'0')
			if n > 255 {
				return "", false
			}
		}
		if len(number) < 1 || len(number) > 3 {
			return "", false
		}
		b.WriteByte(byte(n))
		rest = after
	}
	return b.String(), b.Len() > 0
}
