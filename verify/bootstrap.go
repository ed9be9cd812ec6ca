// Sense checks that need no secrets: what a file of a known role must hold for the first boot to work.

package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"boringboot/internal/manifest"
	"boringboot/internal/netenv"
	"boringboot/internal/sshkey"
)

// Bootstrap reads every wanted path back as Contents does, but without content to compare with: it compares type, mode and owner, has
// every reader read all of a file and the readers compared with each other, and looks at what the file's role demands. A private key
// parses, is ed25519 and has no passphrase; a public key is the half of the private key it belongs to; an environment file parses and
// holds the variables that the manifest names, those for a network's name and key such as can be one.
//
// The error is as that of Contents.
func Bootstrap(ctx context.Context, root io.ReaderAt, size int64, want []manifest.Entry) (*Report, error) {
	return judge(ctx, root, size, want, checkRole)
}

// maxRole bounds the files that have a role, in bytes: what sshd and systemd read at boot is a thousand times shorter.
const maxRole = 1 << 20

// checkRole is a contentCheck.
func checkRole(r *reader, w *way, want *manifest.Entry, v *view) error {
	switch want.Role {
	case manifest.PrivateKey, manifest.PublicKey, manifest.Environment:
	default:
		v.digest, v.err = digestOf(r, w)
		return nil
	}
	content, err := readRole(r, w)
	if err != nil {
		v.err = err
		return nil
	}
	sum := sha256.Sum256(content)
	v.digest = hex.EncodeToString(sum[:])
	if len(content) == 0 || len(content) > maxRole {
		v.fault(codeWrongSize, "it is empty, or longer than a file of this kind can be")
		return nil
	}
	switch want.Role {
	case manifest.PrivateKey:
		checkPrivateKey(content, v)
	case manifest.PublicKey:
		checkPublicKey(r, content, want.KeyPath, v)
	case manifest.Environment:
		checkEnvironment(content, want.Vars, v)
	}
	return nil
}

// digestOf reads a whole file for its SHA-256, in hexadecimal.
func digestOf(r *reader, w *way) (string, error) {
	content, err := r.content(w)
	if err != nil {
		return "", err
	}
	h, buf := sha256.New(), make([]byte, compareChunk)
	for done := int64(0); ; {
		n, err := readFull(content, buf)
		h.Write(buf[:n])
		done += int64(n)
		if done > w.last.size || err == io.EOF && done < w.last.size {
			return "", fmt.Errorf("it read %d bytes of a file of %d", done, w.last.size)
		}
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// readRole reads a file that has a role; of one that is too long, one byte too many.
func readRole(r *reader, w *way) ([]byte, error) {
	content, err := r.content(w)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, min(w.last.size, maxRole)+1)
	n, err := readFull(content, buf)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n <= maxRole && int64(n) != w.last.size {
		return nil, fmt.Errorf("it read %d bytes of a file of %d", n, w.last.size)
	}
	return buf[:n], nil
}

func checkPrivateKey(content []byte, v *view) *sshkey.Key {
	key, err := sshkey.ParsePrivate(content)
	if err != nil {
		v.fault(codePrivateKey, "sshd cannot use this key: %v", err)
		return nil
	}
	if !bytes.Equal(key.Private(), content) {
		v.fault(codePrivateKey, "sshd cannot use this key: its line ends, or the newline after its last line, are not as ssh-keygen writes them")
		return nil
	}
	return key
}

func checkPublicKey(r *reader, content []byte, keyPath string, v *view) {
	public, err := sshkey.ParsePublic(content)
	if err != nil {
		v.fault(codePublicKey, "this is no public key: %v", err)
		return
	}
	if keyPath == "" {
		return
	}
	// What is wrong with the private key itself is said where it is looked at.
	var private *sshkey.Key
	if w, err := r.walk(keyPath); err == nil && w.last.kind == kindFile {
		if content, err := readRole(r, w); err == nil {
			private, _ = sshkey.ParsePrivate(content)
		}
	}
	switch {
	case private == nil:
		v.fault(codeKeyMismatch, "the private key that it belongs to, %s, cannot be read", keyPath)
	case !private.PublicKey.Equal(public):
		v.fault(codeKeyMismatch, "it is not the public half of %s", keyPath)
	}
}

// checkEnvironment holds the file to the variables that the manifest names: each is there, and can be what its kind has it be.
func checkEnvironment(content []byte, names []string, v *view) {
	vars, err := netenv.Decode(content)
	if err != nil {
		v.fault(codeEnvironment, "systemd or NetworkManager cannot read it: %v", err)
		return
	}
	if ignored, err := netenv.Ignored(content); err == nil {
		for _, line := range ignored {
			v.faults = append(v.faults, fault{codeEnvironment, Warning, "systemd passes over a line of it: " + line})
		}
	}
	for _, name := range names {
		code := codeEnvironment
		switch netenv.KindOf(name) {
		case netenv.SSID:
			code = codeSSID
		case netenv.PSK:
			code = codePSK
		}
		i := slices.IndexFunc(vars, func(e netenv.Var) bool { return e.Name == name })
		if i < 0 {
			v.fault(code, "the variable %s is not in it", name)
			continue
		}
		if err := vars[i].Check(); err != nil {
			v.fault(code, "%s: %v", name, err)
		}
		vars = slices.Delete(vars, i, i+1)
	}
	// How many, and not which: a name that nobody asked for may be a piece of what was meant to be a value.
	if len(vars) > 0 {
		v.faults = append(v.faults, fault{codeEnvironment, Warning, fmt.Sprintf("it sets %d more than the variables that the manifest names", len(vars))})
	}
}
