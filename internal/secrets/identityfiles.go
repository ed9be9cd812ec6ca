// The files in which identities are looked for, for those who must not write over one.
package secrets

import (
	sopsage "github.com/getsops/sops/v3/age"
)

// IdentityFiles returns the files in which an identity is looked for, whether they are there or not: those that the user named in the
// environment, and those that sops looks into on its own.
func IdentityFiles() []string {
	var files []string
	for _, name := range []string{sopsage.SopsAgeKeyFileEnv, sopsage.SopsAgeSshPrivateKeyFileEnv} {
		if file, set := lookupEnv(name); set && file != "" && !holdsKey(file) {
			files = append(files, file)
		}
	}
	files = append(files, defaultSSHFiles()...)
	if file := defaultAgeFile(); file != "" {
		files = append(files, file)
	}
	return files
}
