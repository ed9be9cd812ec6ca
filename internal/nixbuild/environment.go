// The environment of nix: ours without what may hold or lead to a secret.

package nixbuild

import "strings"

// withheld are the prefixes of variables that nix is not given: what sops and age read their keys from, and what opens the key
// services that sops knows. Evaluation can read the environment (builtins.getEnv under --impure), and what a flake fetches or builds
// is not ours to trust. Credentials with which nix itself fetches (AWS_*, SSH_AUTH_SOCK, NIX_*) stay.
var withheld = []string{"SOPS_", "AGE_", "VAULT_", "AZURE_", "GOOGLE_", "HUAWEICLOUD_"}

func childEnvironment(env []string) []string {
	kept := make([]string, 0, len(env))
	for _, v := range env {
		if !isWithheld(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

func isWithheld(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	for _, prefix := range withheld {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) { // Windows folds case
			return true
		}
	}
	return false
}
