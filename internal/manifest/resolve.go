// Resolving: the secrets are looked up, keys derived, environment files encoded, local files found.
package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"boringboot/internal/netenv"
	"boringboot/internal/sshkey"
)

// Lookup is a decrypted SOPS file.
type Lookup interface {
	Lookup(key string) ([]byte, error) // errors name the key and the file
	Name() string                      // the file's name
}

// Sources is what Resolve may take content from.
type Sources struct {
	Secrets Lookup                                                 // may be nil when no item needs it
	Age     func(ctx context.Context, path string) ([]byte, error) // decrypts an .age file; may be nil when no item needs it
	Dir     string                                                 // what relative paths start from; "" is the working directory
}

// Resolve gives every item its content. Errors name the item, the key and the file, never a secret. Files of
// this machine are not read yet: reading their content fails where they have changed meanwhile.
func (m *Manifest) Resolve(ctx context.Context, src Sources) (*Resolved, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	r := &resolver{ctx: ctx, m: m, src: src, keys: make(map[string]*sshkey.Key), out: &Resolved{}}
	for _, it := range m.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.add(it); err != nil {
			return nil, fmt.Errorf("%s: %w", it.name(), err)
		}
	}
	return r.out, nil
}

type resolver struct {
	ctx  context.Context
	m    *Manifest
	src  Sources
	keys map[string]*sshkey.Key // by key of the SOPS file
	out  *Resolved
}

func (r *resolver) add(it Item) error {
	name := ""
	if r.src.Secrets != nil {
		name = r.src.Secrets.Name()
	}
	e := r.m.entry(it, name)
	switch f := it.From; f.Source {
	case SSHPrivateKey:
		k, err := r.key(f.Key)
		if err != nil {
			return err
		}
		if r.out.HostKey == nil {
			r.out.HostKey = k
		}
		e.Content = bytes.NewReader(k.Private())
	case SSHPublicKeyOf:
		k, err := r.key(f.Key)
		if err != nil {
			return err
		}
		e.Content = bytes.NewReader(k.Public())
	case EnvironmentVars:
		data, err := r.environment(f.Vars)
		if err != nil {
			return err
		}
		e.Content = bytes.NewReader(data)
	case Secret:
		data, err := r.lookup(f.Key)
		if err != nil {
			return err
		}
		e.Content = bytes.NewReader(data)
	case Age:
		if r.src.Age == nil {
			return errors.New("age files cannot be decrypted here")
		}
		data, err := r.src.Age(r.ctx, r.local(f.File))
		if err != nil {
			return err
		}
		e.Content = bytes.NewReader(data)
	case LocalFile:
		content, err := OpenFile(r.local(f.File))
		if err != nil {
			return err
		}
		e.Content = content
	case Text:
		e.Content = bytes.NewReader([]byte(f.Text))
	}
	r.out.Entries = append(r.out.Entries, e)
	return nil
}

func (r *resolver) lookup(key string) ([]byte, error) {
	if r.src.Secrets == nil {
		return nil, fmt.Errorf("secret %s: no SOPS file was given", key)
	}
	return r.src.Secrets.Lookup(key)
}

func (r *resolver) key(key string) (*sshkey.Key, error) {
	if k := r.keys[key]; k != nil {
		return k, nil
	}
	data, err := r.lookup(key)
	if err != nil {
		return nil, err
	}
	k, err := sshkey.ParsePrivate(data)
	if err != nil {
		return nil, r.secretError(key, err)
	}
	r.keys[key] = k
	return k, nil
}

func (r *resolver) environment(vars []Variable) ([]byte, error) {
	var values []netenv.Var
	for _, v := range vars {
		data, err := r.lookup(v.Key)
		if err != nil {
			return nil, err
		}
		one := netenv.Var{Name: v.Name, Value: string(data)}
		if err := checkCredential(one); err != nil {
			return nil, r.secretError(v.Key, err)
		}
		if _, err := netenv.Encode([]netenv.Var{one}); err != nil {
			return nil, r.secretError(v.Key, err)
		}
		values = append(values, one)
	}
	return netenv.Encode(values)
}

// checkCredential refuses an SSID or a PSK that no network can have, and says where its line break may come from.
func checkCredential(v netenv.Var) error {
	err := v.Check()
	if err != nil && strings.HasSuffix(v.Value, "\n") {
		return fmt.Errorf("%w (a YAML block that begins with | keeps its last line break, one with |- does not)", err)
	}
	return err
}

func (r *resolver) secretError(key string, err error) error {
	return fmt.Errorf("secret %s of %s: %w", key, r.src.Secrets.Name(), err)
}

// local is a path on this machine.
func (r *resolver) local(file string) string {
	file = filepath.FromSlash(file)
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.src.Dir, file)
}
