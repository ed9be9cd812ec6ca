// What a variable is for, told by its name alone: the one rule that encoding, provisioning and auditing go by.
package netenv

import (
	"fmt"
	"strings"
)

// Kind is what a variable is for.
type Kind string

// The kinds.
const (
	SSID  Kind = "SSID" // a network's name: a keyfile's ssid=
	PSK   Kind = "PSK"  // a network's key: a keyfile's psk=
	Plain Kind = ""     // any other text of a keyfile
)

// KindOf tells a variable's kind by its name: it holds "SSID" or "PSK", in letters of either case. Of a name that holds both the
// last counts: HOME_SSID_PSK is the key of a network.
func KindOf(name string) Kind {
	upper := strings.ToUpper(name)
	switch ssid, psk := strings.LastIndex(upper, string(SSID)), strings.LastIndex(upper, string(PSK)); {
	case ssid > psk:
		return SSID
	case psk > ssid:
		return PSK
	}
	return Plain
}

// Check says why the variable's value cannot be what its kind has it be. A Plain one can be anything. The text never quotes it.
func (v Var) Check() error {
	switch KindOf(v.Name) {
	case SSID:
		// An SSID may end in a line break, but none does: it is an accident of whoever wrote it down.
		if strings.HasSuffix(v.Value, "\n") {
			return fmt.Errorf("%w: it ends in a line break", ErrSSID)
		}
		return CheckSSID(v.Value)
	case PSK:
		return CheckPSK(v.Value)
	}
	return nil
}
