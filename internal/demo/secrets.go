// The demo's secrets: keys that are made on the spot, and what a host's SOPS file holds of them.

package demo

import (
	"fmt"

	"boringboot/internal/secrets"
	"boringboot/internal/sshkey"

	"filippo.io/age"
)

type demoSecrets struct {
	hostKey      *sshkey.Key
	identityFile []byte // as age-keygen writes one
	encrypted    []byte // the SOPS file
}

func makeSecrets() (*demoSecrets, error) {
	hostKey, err := sshkey.Generate("root@" + Host)
	if err != nil {
		return nil, fmt.Errorf("make the demo's host key: %w", err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make the demo's age identity: %w", err)
	}
	recipient := identity.Recipient().String()
	encrypted, err := secrets.Encrypt(Host+".yaml", map[string]string{
		"ssh_host_ed25519_key": string(hostKey.Private()),
		"wifi_ssid":            SSID,
		"wifi_psk":             PSK,
	}, []string{recipient})
	if err != nil {
		return nil, fmt.Errorf("encrypt the demo's secrets: %w", err)
	}
	return &demoSecrets{
		hostKey:      hostKey,
		identityFile: fmt.Appendf(nil, "# made by boringboot demo, for the demo alone\n# public key: %s\n%s\n", recipient, identity),
		encrypted:    encrypted,
	}, nil
}
