package ext4

// This file has the kinds of error. Each error names the block, group or inode it means.

import (
	"errors"
	"fmt"
)

// Kinds, to be tested with errors.Is. What is none of them and none of io/fs's is an error of the device.
var (
	// ErrCorrupt: the image contradicts itself or the format.
	ErrCorrupt = errors.New("corrupt ext4")
	// ErrUnsupported: the image is right as far as can be told, and has something this package does not do.
	ErrUnsupported = errors.New("unsupported ext4")
	// ErrNeedsRecovery: the file system was not cleanly unmounted, and it has no journal that says what is to be done: e2fsck has
	// to look at it first.
	ErrNeedsRecovery = errors.New("ext4 needs recovery")
	// ErrInUse: somebody has the file system mounted, checks it or writes to it, as its multiple mount protection says; or has
	// changed it since it was opened.
	ErrInUse = errors.New("ext4 in use")
	// ErrHasErrors: the file system is marked as having errors; e2fsck has to look at it first. It is ErrCorrupt, too.
	ErrHasErrors error = hasErrors{}
	// ErrNoJournal: a change in place could not be made safe against a cut, as there is no journal.
	ErrNoJournal = errors.New("no journal")
	// ErrNoSpace: no free blocks or inodes, or a directory's index is full. The error is a *NoSpaceError.
	ErrNoSpace = errors.New("no space left in the file system")

	ErrNotDir       = errors.New("not a directory")
	ErrIsDir        = errors.New("is a directory")
	ErrNotEmpty     = errors.New("directory not empty")
	ErrLoop         = errors.New("too many levels of symbolic links")
	ErrNameTooLong  = errors.New("name too long")
	ErrTooManyLinks = errors.New("too many links")
	ErrTooLarge     = errors.New("file too large")
	ErrTxDone       = errors.New("transaction is over")
)

type hasErrors struct{}

func (hasErrors) Error() string        { return "ext4 has errors" }
func (hasErrors) Is(target error) bool { return target == ErrCorrupt }

// NoSpaceError says what ran out. It is ErrNoSpace to errors.Is.
type NoSpaceError struct {
	Resource     string // "blocks", "inodes", "directory index entries", "directory blocks", "journal blocks"
	Needed, Free uint64 // in units of Resource
}

const journalBlocks = "journal blocks"

func (e *NoSpaceError) Error() string {
	if e.Resource == journalBlocks {
		return fmt.Sprintf("the journal is too small for all this at once: %d blocks needed, there are %d", e.Needed, e.Free)
	}
	return fmt.Sprintf("%v: %d %s needed, %d free", ErrNoSpace, e.Needed, e.Resource, e.Free)
}

func (e *NoSpaceError) Is(target error) bool { return target == ErrNoSpace }

// kindError is a message of one of the kinds; the kind opens the text.
type kindError struct {
	kind  error
	text  string
	cause error
}

func (e *kindError) Error() string        { return e.kind.Error() + ": " + e.text }
func (e *kindError) Is(target error) bool { return errors.Is(e.kind, target) }
func (e *kindError) Unwrap() error        { return e.cause }

func kindf(kind error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &kindError{kind: kind, text: err.Error(), cause: errors.Unwrap(err)}
}

func corruptf(format string, args ...any) error     { return kindf(ErrCorrupt, format, args...) }
func unsupportedf(format string, args ...any) error { return kindf(ErrUnsupported, format, args...) }
