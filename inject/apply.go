package inject

// This file carries a plan out, in one transaction.

import (
	"fmt"

	"boringboot/ext4"
	"boringboot/internal/manifest"
)

// Apply does what the plan says: all of it, or nothing of it. A plan that changes nothing writes nothing, unless the file system
// was not unmounted: then it is recovered.
func (p *Plan) Apply() error {
	if !p.Changes() && p.fsys.Recovery() == nil {
		return nil
	}
	return p.fsys.Update(p.do, p.updateOptions()...)
}

// Rehearse does all that Apply does short of writing, and so finds whether everything fits, to the last block.
func (p *Plan) Rehearse() error {
	if !p.Changes() {
		return nil
	}
	return p.fsys.Update(p.do, append(p.updateOptions(), ext4.Rehearse())...)
}

func (p *Plan) updateOptions() []ext4.UpdateOption {
	var opts []ext4.UpdateOption
	if !p.opts.Time.IsZero() {
		opts = append(opts, ext4.WithTime(p.opts.Time))
	}
	if p.opts.Copy {
		opts = append(opts, ext4.WithoutJournal())
	}
	if p.opts.NoJournal {
		opts = append(opts, ext4.AcceptRisk())
	}
	return opts
}

func (p *Plan) do(tx *ext4.Tx) error {
	for _, s := range p.Steps {
		if err := s.do(tx); err != nil {
			return fmt.Errorf("%s: %w", s.Path, err)
		}
	}
	return nil
}

func (s *Step) do(tx *ext4.Tx) error {
	name, attr := fsName(s.Actual), ext4.Attr{Mode: s.Mode, UID: s.UID, GID: s.GID}
	switch s.Action {
	case Keep:
		return nil
	case Attr:
		if err := tx.Chmod(name, s.Mode); err != nil {
			return err
		}
		return tx.Chown(name, s.UID, s.GID)
	}
	if s.Link != "" {
		if s.Action == Replace {
			if err := tx.Remove(name); err != nil {
				return err
			}
		}
		return tx.Link(fsName(s.linkTo), name)
	}
	switch s.Kind {
	case manifest.Directory:
		return tx.Mkdir(name, attr)
	case manifest.Symlink:
		return tx.Symlink(s.Target, name, attr)
	default:
		return tx.WriteFile(name, s.Content, attr)
	}
}
