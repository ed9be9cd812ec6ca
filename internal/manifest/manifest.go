// Package manifest turns "what to inject" into entries: a path, a mode, an owner, bytes.
//
// A Manifest is data: read from YAML or JSON (Parse), or the default one. Resolve takes it and the secrets and gives Entries, with
// keys derived, environment files encoded and every length checked, so that whatever is wrong with a secret is known before
// anything is built or copied. Expect gives the same entries without content, for an audit that has no secrets.
// docs/manifest.md describes the form for people.
package manifest

import (
	"fmt"
	"io"
	"io/fs"

	"boringboot/internal/sshkey"
)

// Manifest is what to put into an image.
type Manifest struct {
	Version int // 1
	Files   []Item
}

// Item is one path of a manifest.
type Item struct {
	Path     string
	From     From
	Mode     fs.FileMode // permission bits, fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky
	UID, GID uint32

	where string // "name:line" of the text it was read from, for errors; empty otherwise
}

// Source says where an item's content comes from.
type Source string

// The sources, by the names that a manifest uses.
const (
	SSHPrivateKey   Source = "ssh-private-key"
	SSHPublicKeyOf  Source = "ssh-public-key-of"
	EnvironmentVars Source = "environment"
	Secret          Source = "secret"
	Age             Source = "age"
	LocalFile       Source = "file"
	Text            Source = "text"
	Dir             Source = "directory"
	Link            Source = "symlink"
)

// From is the one source of an item. Source says which of the other fields counts.
type From struct {
	Source Source
	Key    string     // SSHPrivateKey, SSHPublicKeyOf, Secret: a key of the SOPS file, "a/b/c" for a nested one
	Vars   []Variable // Environment: in the order of the file
	File   string     // Age, LocalFile: a path on this machine, relative ones from the manifest's directory
	Text   string     // Text: the content itself
	Target string     // Link: where it points
}

// Variable is a line of an environment file and the key of the SOPS file that it gets its value from.
type Variable struct{ Name, Key string }

// Default is the manifest that is used without one: a host key, its public half and Wi-Fi credentials.
func Default() *Manifest {
	const key = "ssh_host_ed25519_key"
	return &Manifest{Version: 1, Files: []Item{
		{Path: "/var/lib/bootstrap/ssh_host_ed25519_key", Mode: 0o600, From: From{Source: SSHPrivateKey, Key: key}},
		{Path: "/var/lib/bootstrap/ssh_host_ed25519_key.pub", Mode: 0o644, From: From{Source: SSHPublicKeyOf, Key: key}},
		{Path: "/var/lib/networkmanager/system-connections.env", Mode: 0o600, From: From{
			Source: EnvironmentVars,
			Vars:   []Variable{{"WIFI_SSID", "wifi_ssid"}, {"WIFI_PSK", "wifi_psk"}},
		}},
	}}
}

// NeedsSecrets reports whether Resolve will look anything up in a SOPS file.
func (m *Manifest) NeedsSecrets() bool {
	for _, it := range m.Files {
		switch it.From.Source {
		case SSHPrivateKey, SSHPublicKeyOf, EnvironmentVars, Secret:
			return true
		}
	}
	return false
}

// Kind is what an entry is in a file system.
type Kind string

// The kinds of entries.
const (
	File      Kind = "file"
	Directory Kind = "directory"
	Symlink   Kind = "symlink"
)

// Role is what an audit may expect of an entry's content.
type Role string

// The roles.
const (
	Plain       Role = "plain"       // anything
	PrivateKey  Role = "private-key" // an OpenSSH ed25519 key without passphrase
	PublicKey   Role = "public-key"  // its public half
	Environment Role = "environment" // an environment file with the variables of Vars, each of which can be what its kind (netenv.KindOf) has it be
)

// Content is the bytes of a file: *bytes.Reader, *io.SectionReader, *FileContent.
type Content interface {
	io.ReaderAt
	Size() int64 // bytes
}

// Entry is one thing that shall be in the image.
type Entry struct {
	Path     string      // absolute and clean: "/var/lib/bootstrap/ssh_host_ed25519_key"
	Kind     Kind        //
	Mode     fs.FileMode // permission bits, fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky; 0777 of a Symlink
	UID, GID uint32
	Content  Content  // of a File; nil in what Expect returns
	Target   string   // of a Symlink
	Link     string   // of a File: the Path of an entry that it is another name of (a hard link)
	Role     Role     //
	KeyPath  string   // of a PublicKey: the Path of the private key it belongs to, where that is injected too
	Vars     []string // of an Environment: the names of its variables, in the order of the file
	Secret   bool     // its content was derived from a secret
	KeepAttr bool     // of a Directory: where it exists, its mode and owner stay; to an audit one with Mode 0 may have any
	Origin   string   // for people: "secret wifi_psk of secrets/bastet.yaml"; never the secret
}

// Resolved is a manifest with its content.
type Resolved struct {
	Entries []Entry
	HostKey *sshkey.Key // of the first ssh-private-key; nil without one
}

// Expect returns the entries without content, for an audit without secrets.
func (m *Manifest) Expect() []Entry {
	var entries []Entry
	for _, it := range m.Files {
		entries = append(entries, m.entry(it, ""))
	}
	return entries
}

// entry is the part of an item's entry that needs no content. secrets is the SOPS file's name, for Origin.
func (m *Manifest) entry(it Item, secrets string) Entry {
	e := Entry{Path: it.Path, Kind: File, Mode: it.Mode, UID: it.UID, GID: it.GID, Role: Plain}
	of := ""
	if secrets != "" {
		of = " of " + secrets
	}
	switch f := it.From; f.Source {
	case SSHPrivateKey:
		e.Role, e.Secret, e.Origin = PrivateKey, true, "secret "+f.Key+of
	case SSHPublicKeyOf:
		e.Role, e.Origin = PublicKey, "public half of secret "+f.Key+of
		for _, other := range m.Files {
			if other.From.Source == SSHPrivateKey && other.From.Key == f.Key {
				e.KeyPath = other.Path
				break
			}
		}
	case EnvironmentVars:
		e.Role, e.Secret = Environment, true
		for i, v := range f.Vars {
			e.Vars = append(e.Vars, v.Name)
			if i == 0 {
				e.Origin = "secret " + v.Key
			} else {
				e.Origin += ", " + v.Key
			}
		}
		e.Origin += of
	case Secret:
		e.Secret, e.Origin = true, "secret "+f.Key+of
	case Age:
		e.Secret, e.Origin = true, "age file "+f.File
	case LocalFile:
		e.Origin = "file " + f.File
	case Text:
		e.Origin = "the manifest's text"
	case Dir:
		e.Kind, e.Origin = Directory, "the manifest"
	case Link:
		e.Kind, e.Target, e.Mode, e.Origin = Symlink, f.Target, 0o777, "the manifest"
	}
	return e
}

// name is how an error refers to an item.
func (it Item) name() string {
	if it.where == "" {
		return it.Path
	}
	return fmt.Sprintf("%s: %s", it.where, it.Path)
}
