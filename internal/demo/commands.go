// The commands that the demo stands for, so that a newcomer can run them by hand.

package demo

import (
	"path/filepath"
	"strings"
)

// Commands are the lines that do by hand what the demo does with its inputs: provision, audit, look. They are for a POSIX shell or,
// where goos is "windows", for PowerShell. Paths are quoted where they need it.
func (in *Inputs) Commands(goos string) []string {
	quote, identity := quotePOSIX, "SOPS_AGE_KEY_FILE="+quotePOSIX(in.Identity)+" "
	if goos == "windows" {
		// An assignment takes a bare word for a command: there the quotes are needed.
		quote, identity = quotePowerShell, "$env:SOPS_AGE_KEY_FILE = "+alwaysQuotePowerShell(in.Identity)+"; "
	}
	image := quote(operand(in.Provisioned()))
	return []string{
		identity + "boringboot provision --image " + quote(operand(in.Image)) + " --secrets " + quote(operand(in.Secrets)) + " " + Host + " " + image,
		"verify-image " + image,
		"boringboot inspect " + image + " /var/lib/bootstrap",
	}
}

// Provisioned is the path of the image that the demo makes of its inputs.
func (in *Inputs) Provisioned() string { return filepath.Join(in.Dir, Host+".img") }

// operand is path where a program would take it for an option otherwise.
func operand(path string) string {
	if strings.HasPrefix(path, "-") {
		return "." + string(filepath.Separator) + path
	}
	return path
}

// plain are the characters that no shell of the two reads as anything else.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:-"

func isPlain(s string) bool {
	return s != "" && strings.Trim(s, plain) == ""
}

func quotePOSIX(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func quotePowerShell(s string) string {
	if isPlain(strings.ReplaceAll(s, `\`, "/")) {
		return s
	}
	return alwaysQuotePowerShell(s)
}

func alwaysQuotePowerShell(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
