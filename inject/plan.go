package inject

// This file decides what is to be done to a file system, and finds everything that can be wrong with it before a byte is written.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"boringboot/ext4"
	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
)

// Options says how a plan is made.
type Options struct {
	Allow     []string  // directories in which the refusal of forbidden paths is lifted
	Overwrite bool      // replace files that are there with other content
	Time      time.Time // the time stamp of everything that is written; zero: the file system's last-write time
	Copy      bool      // the image is a copy that is renamed into place when it is verified: no journal is needed
	NoJournal bool      // change a file system without a journal in place; otherwise that is ext4.ErrNoJournal
}

// Action is what the plan does to one path.
type Action string

// The actions. Keep is for what is there already, as it should be.
const (
	Make    Action = "make"
	Replace Action = "replace"
	Attr    Action = "attributes" // the content is right, mode or owner are not
	Keep    Action = "keep"
)

// Step is one path of a plan.
type Step struct {
	manifest.Entry
	Action Action
	Actual string // where Path leads in the image; differs from it where symbolic links are on the way
	linkTo string // of an entry with Link: where that leads
	sparse bool   // it is a file that will have holes
	unlike string // of a directory of a tree that is there with another mode or owner, which it keeps: what differs
}

// Plan is what is to be done to one file system. It has the steps in the order in which they are done: a directory comes before
// what it holds.
type Plan struct {
	Steps []Step
	Need  Space // a lower bound
	Free  Space

	fsys     *ext4.FS
	opts     Options
	step     map[string]int  // where in Steps a path is
	accepted map[string]bool // directories above whose mode and owner are accepted as they are
}

// Space counts what a file system gives out.
type Space struct {
	Blocks uint64 // of the file system's block size
	Inodes uint64
}

// NewPlan plans entries into fsys. It reads and does not write. It fails when a path is refused, when entries contradict each
// other or what is there, and when the file system has not enough free blocks or inodes (errors.Is(err, ext4.ErrNoSpace)).
func NewPlan(fsys *ext4.FS, entries []manifest.Entry, o Options) (*Plan, error) {
	p := &Plan{fsys: fsys, opts: o, step: map[string]int{}, accepted: map[string]bool{}}
	if err := CheckPaths(entries, o.Allow); err != nil {
		return nil, err
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b manifest.Entry) int { return slices.Compare(split(a.Path), split(b.Path)) })

	made := map[string]manifest.Kind{}  // what the plan puts where nothing is, by actual path
	seen := map[string]manifest.Entry{} // actual path to the entry that leads there
	for _, e := range entries {
		at, err := locate(fsys, e.Path)
		if err != nil {
			return nil, err
		}
		actual := at.path()
		if err := checkAllowed(e.Path, actual, o.Allow); err != nil {
			return nil, err
		}
		if err := p.checkAbove(e, at); err != nil {
			return nil, err
		}
		if other, dup := seen[actual]; dup {
			if p.sameDirectory(e, other, actual) {
				continue
			}
			return nil, twiceError(e, other, actual)
		}
		seen[actual] = e
		for d, asked := range at.madeDirs(e.Path) {
			if kind, ok := made[d]; ok && kind != manifest.Directory {
				return nil, fmt.Errorf("%s: %s is a %s in the same manifest, not a directory", e.Path, d, kind)
			} else if ok {
				if s := &p.Steps[p.step[d]]; s.Origin == missingDir && missingDirMode(d, asked) == privateDir { // another path came by its other name
					s.Mode = privateDir
				}
				continue
			}
			dir := manifest.Entry{Path: d, Kind: manifest.Directory, Mode: missingDirMode(d, asked), Origin: missingDir}
			p.add(Step{Entry: dir, Action: Make, Actual: d}, made)
		}
		decide := p.decide
		if e.Link != "" {
			decide = p.decideLink
		}
		step, err := decide(e, actual, len(at.missing) == 0)
		if err != nil {
			return nil, err
		}
		if made[actual] == manifest.Directory && step.Kind == manifest.Directory {
			return nil, fmt.Errorf("%s: needed as a directory by an earlier path and named with attributes of its own later", e.Path)
		}
		p.add(step, made)
	}
	return p, p.checkSpace()
}

// sameDirectory reports whether two entries ask for one directory in the same way, as trees do that have it in common.
func (p *Plan) sameDirectory(a, b manifest.Entry, actual string) bool {
	if a.Kind != manifest.Directory || b.Kind != manifest.Directory {
		return false
	}
	if a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID {
		return true
	}
	info, err := p.fsys.Lstat(fsName(actual))
	return a.KeepAttr && b.KeepAttr && err == nil && info.IsDir() // it stays as it is
}

func twiceError(a, b manifest.Entry, actual string) error {
	from := func(e manifest.Entry) string {
		s := e.Path
		if e.Origin != "" {
			s += " (" + e.Origin + ")"
		}
		if e.Kind == manifest.Directory {
			s += fmt.Sprintf(", a directory of mode %04o and owner %d:%d,", filemode.ToUnix(e.Mode), e.UID, e.GID)
		}
		return s
	}
	return fmt.Errorf("%s and %s are the same path in the image (%s)", from(b), from(a), actual)
}

// missingDirMode is the mode of a directory that is made because a path needs it. It may have several names, where links are on the way.
func missingDirMode(names ...string) fs.FileMode {
	if slices.Contains(names, "/var/lib/bootstrap") {
		return privateDir
	}
	return 0o755
}

const (
	privateDir = 0o700
	missingDir = "a missing directory" // the Origin of those that nobody named
)

func (p *Plan) add(s Step, made map[string]manifest.Kind) {
	if s.Action == Make {
		made[s.Actual] = s.Kind
	}
	p.step[s.Path] = len(p.Steps)
	p.Steps = append(p.Steps, s)
}

// decide compares an entry with what is at its place.
func (p *Plan) decide(e manifest.Entry, actual string, look bool) (Step, error) {
	step := Step{Entry: e, Actual: actual, Action: Make}
	if !look {
		return step, nil
	}
	info, err := p.fsys.Lstat(fsName(actual))
	if errors.Is(err, fs.ErrNotExist) {
		return step, nil
	}
	if err != nil {
		return step, fmt.Errorf("%s: %w", e.Path, err)
	}
	if !sameKind(e.Kind, info.Mode()) {
		return step, fmt.Errorf("%s: there is a %s already, not a %s", e.Path, filemode.Kind(info.Mode()), e.Kind)
	}
	st := statOf(info)
	sameAttr := info.Mode()&filemode.Permissions == e.Mode&filemode.Permissions && st.UID == e.UID && st.GID == e.GID
	switch e.Kind {
	case manifest.File:
		same, err := p.sameContent(e, actual, info.Size())
		switch {
		case err != nil:
			return step, fmt.Errorf("%s: %w", e.Path, err)
		case same && sameAttr:
			step.Action = Keep
		case same:
			step.Action = Attr
		case p.opts.Overwrite:
			step.Action = Replace
		default:
			return step, &ExistsError{Path: e.Path}
		}
	case manifest.Symlink:
		target, err := p.fsys.ReadLink(fsName(actual))
		if err != nil {
			return step, fmt.Errorf("%s: %w", e.Path, err)
		}
		if target != e.Target {
			return step, fmt.Errorf("%s: there is a symbolic link to %q already, not to %q", e.Path, target, e.Target)
		}
		step.Action = Keep
		step.UID, step.GID = st.UID, st.GID // nobody asks a link for its owner
	case manifest.Directory:
		switch {
		case sameAttr:
			step.Action = Keep
		case e.KeepAttr:
			step.Action = Keep
			step.unlike = fmt.Sprintf("%s has mode %04o and owner %d:%d, not %04o and 0:0", e.Path, st.Mode&0o7777, st.UID, st.GID, filemode.ToUnix(e.Mode))
			step.Mode, step.UID, step.GID = info.Mode()&filemode.Permissions, st.UID, st.GID
		case p.opts.Overwrite:
			step.Action = Attr
		default:
			return step, fmt.Errorf("%s: the directory is there with mode %04o and owner %d:%d, not %04o and %d:%d: %w",
				e.Path, st.Mode&0o7777, st.UID, st.GID, filemode.ToUnix(e.Mode), e.UID, e.GID, fs.ErrExist)
		}
	}
	return step, nil
}

// ExistsError says that a file is there with other content and may not be replaced.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + ": a file with other content is there already" }
func (e *ExistsError) Unwrap() error { return fs.ErrExist }

func sameKind(k manifest.Kind, m fs.FileMode) bool {
	switch k {
	case manifest.File:
		return m.IsRegular()
	case manifest.Directory:
		return m.IsDir()
	case manifest.Symlink:
		return m&fs.ModeSymlink != 0
	}
	return false
}

// sameContent streams both contents, whatever their size.
func (p *Plan) sameContent(e manifest.Entry, actual string, size int64) (bool, error) {
	if size != e.Content.Size() {
		return false, nil
	}
	f, err := p.fsys.Open(fsName(actual))
	if err != nil {
		return false, err
	}
	defer f.Close()
	want := io.NewSectionReader(e.Content, 0, size)
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for left := size; left > 0; {
		n := min(left, int64(len(a)))
		if _, err := io.ReadFull(f, a[:n]); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(want, b[:n]); err != nil {
			return false, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return false, nil
		}
		left -= n
	}
	return true, nil
}

// checkSpace counts what the steps need at the least, so that a full file system is named with both numbers; what comes on top
// (a directory that grows, a fragmented file's extent blocks) the transaction finds before it writes.
func (p *Plan) checkSpace() error {
	info := p.fsys.Info()
	for i, s := range p.Steps {
		if s.Action == Keep || s.Action == Attr {
			continue
		}
		if s.Link != "" {
			continue
		}
		if s.Action == Make {
			p.Need.Inodes++
		}
		switch s.Kind {
		case manifest.File:
			n, err := ext4.DataBlocks(s.Content, info.BlockSize)
			if err != nil {
				return err
			}
			p.Need.Blocks += n
			p.Steps[i].sparse = n < (uint64(s.Content.Size())+uint64(info.BlockSize)-1)/uint64(info.BlockSize)
		case manifest.Directory:
			p.Need.Blocks++
		case manifest.Symlink:
			if len(s.Target) > maxFastSymlink {
				p.Need.Blocks++
			}
		}
	}
	p.Free = Space{Blocks: info.FreeBlocks, Inodes: uint64(info.FreeInodes)}
	if p.Need.Inodes > p.Free.Inodes {
		return &ext4.NoSpaceError{Resource: "inodes", Needed: p.Need.Inodes, Free: p.Free.Inodes}
	}
	if p.Need.Blocks > p.Free.Blocks {
		return &ext4.NoSpaceError{Resource: "blocks", Needed: p.Need.Blocks, Free: p.Free.Blocks}
	}
	return nil
}

// maxFastSymlink is how many bytes of a target fit into the inode itself: i_block's 60 less a final zero
// (Documentation/filesystems/ext4/ifork.rst).
const maxFastSymlink = 59

// Changes reports whether applying the plan would write anything: what it does itself, or what was recovered when the file system was
// opened.
func (p *Plan) Changes() bool {
	return p.fsys.Recovery() != nil || slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Action != Keep })
}

// Sparse reports whether a file that the plan writes has holes.
func (p *Plan) Sparse() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.sparse })
}

// Unlike returns the directories of trees that are in the file system with another mode or owner than the tree's, and keep it: a sentence each.
func (p *Plan) Unlike() []string {
	var list []string
	for _, s := range p.Steps {
		if s.unlike != "" {
			list = append(list, s.unlike)
		}
	}
	return list
}

// Entries returns what must be in the file system once the plan is applied: what the verifier is to find.
func (p *Plan) Entries() []manifest.Entry {
	var es []manifest.Entry
	named := map[string]bool{}
	for _, s := range p.Steps {
		named[s.Path] = true
		es = append(es, s.Entry)
	}
	for _, d := range slices.Sorted(maps.Keys(p.accepted)) {
		if named[d] {
			continue
		}
		es = append(es, manifest.Entry{Path: d, Kind: manifest.Directory, KeepAttr: true, Origin: "a directory above, accepted as it is"})
	}
	return es
}
