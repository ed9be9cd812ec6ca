// Package netenv writes and reads the file through which NetworkManager gets its Wi-Fi credentials on NixOS.
//
// A value passes three parsers on its way, and must come out of the last byte for byte:
//
//	system-connections.env  ──systemd──►  environment  ──envsubst──►  keyfile  ──NetworkManager──►  SSID or PSK
//
// systemd reads the file as an EnvironmentFile (systemd.exec(5); environment.go). envsubst puts the value into a line
// "psk=$WIFI_PSK" of a keyfile as it is. NetworkManager reads that line as a GLib key file and treats an SSID specially
// (nm-settings-keyfile(5); keyfile.go). Encode applies the three in reverse.
package netenv

import (
	"errors"
	"fmt"
	"strings"
)

// Var is one environment variable.
type Var struct {
	Name  string
	Value string
}

// Kinds of refusal, for errors.Is. Error texts name variables and never quote a value.
var (
	// ErrName: not a name that an environment variable can have.
	ErrName = errors.New("not the name of an environment variable")
	// ErrValue: a value that does not survive the three parsers.
	ErrValue = errors.New("value cannot be carried")
	// ErrSyntax: systemd refuses the file as a whole.
	ErrSyntax = errors.New("not an environment file")
	// ErrSSID and ErrPSK: no network can have it.
	ErrSSID = errors.New("impossible SSID")
	ErrPSK  = errors.New("impossible PSK")
)

// maxString is MAX_ARG_STRLEN of include/uapi/linux/binfmts.h: what execve(2) takes of "NAME=value" and its NUL.
const maxString = 131072

// Encode returns an environment file that gives NetworkManager exactly these values: one line NAME="…" each, in the order
// given. A variable of the kind SSID (KindOf) is written for NetworkManager's reader of SSIDs: any bytes can be carried. All
// others are text: valid UTF-8 without NUL or control characters other than tab, line feed and carriage return.
func Encode(vars []Var) ([]byte, error) {
	var b strings.Builder
	seen := make(map[string]bool)
	for _, v := range vars {
		if !validName(v.Name) {
			return nil, fmt.Errorf("%w: %q", ErrName, v.Name)
		}
		if seen[v.Name] {
			return nil, fmt.Errorf("%w: %s is there twice", ErrName, v.Name)
		}
		seen[v.Name] = true
		escaped := escapeKeyfile(v.Value)
		if KindOf(v.Name) == SSID {
			escaped = escapeSSID(v.Value)
		}
		if why := whyUncarried(escaped); why != "" {
			return nil, fmt.Errorf("%s: %w: %s", v.Name, ErrValue, why)
		}
		if len(v.Name)+len("=")+len(escaped)+1 > maxString {
			return nil, fmt.Errorf("%s: %w: %d bytes are more than an environment variable holds", v.Name, ErrValue, len(v.Value))
		}
		b.WriteString(v.Name + `="` + quoteSystemd(escaped) + "\"\n")
	}
	return []byte(b.String()), nil
}

// Decode returns what NetworkManager would get from an environment file, through all three parsers. A value that one of them
// would not pass on is an error of kind ErrValue.
func Decode(data []byte) ([]Var, error) {
	vars, err := Parse(data)
	if err != nil {
		return nil, err
	}
	for i, v := range vars {
		// envsubst copies the value into the keyfile, where a line feed begins another entry.
		if strings.Contains(v.Value, "\n") {
			return nil, fmt.Errorf("%s: %w: a line break in it ends the keyfile's line (\\n inside a keyfile is written as a backslash and an n)", v.Name, ErrValue)
		}
		value, ok := unescapeKeyfile(v.Value)
		if KindOf(v.Name) == SSID {
			value = ssidBytes(value) // NetworkManager takes an SSID even if its escapes are faulty
		} else if !ok {
			return nil, fmt.Errorf("%s: %w: NetworkManager drops it for an escape sequence it does not know", v.Name, ErrValue)
		}
		vars[i].Value = value
	}
	return vars, nil
}

// CheckSSID says why no network can have this name: it has 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2), of any value.
func CheckSSID(ssid string) error {
	if n := len(ssid); n < 1 || n > 32 {
		return fmt.Errorf("%w: it has %d bytes, an SSID has 1 to 32", ErrSSID, n)
	}
	return nil
}

// CheckPSK says why this cannot be a WPA key: a passphrase of 8 to 63 printable ASCII characters or a key of 64 hexadecimal
// digits (IEEE 802.11-2020, J.4.1, and NetworkManager's own check). The text never quotes it.
func CheckPSK(psk string) error {
	if len(psk) == 64 {
		for i := range len(psk) {
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(psk[i])) {
				return fmt.Errorf("%w: of 64 characters all must be hexadecimal digits", ErrPSK)
			}
		}
		return nil
	}
	if n := len(psk); n < 8 || n > 63 {
		return fmt.Errorf("%w: it has %d bytes, a passphrase has 8 to 63 and a raw key 64 hexadecimal digits", ErrPSK, n)
	}
	for i := range len(psk) {
		if psk[i] < 0x20 || psk[i] > 0x7e {
			return fmt.Errorf("%w: byte %d is not a printable ASCII character", ErrPSK, i+1)
		}
	}
	return nil
}
