// The structure of the whole file system, as internal/audit finds it: on a par with e2fsck -fn.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// Structure is what an audit of a whole file system found. docs/verify-image.md describes its JSON form.
type Structure struct {
	Label         string     `json:"label,omitempty"`
	UUID          string     `json:"uuid"`
	State         string     `json:"state"` // clean, not clean, with errors
	Features      []string   `json:"features"`
	BlockSize     int        `json:"block_size"` // bytes
	Blocks        uint64     `json:"blocks"`
	FreeBlocks    uint64     `json:"free_blocks"`
	Inodes        uint32     `json:"inodes"`
	FreeInodes    uint64     `json:"free_inodes"`
	Directories   int        `json:"directories"`
	InodesInGroup uint32     `json:"inodes_per_group"`
	Groups        []GroupUse `json:"groups,omitempty"` // absent where the file system is too damaged to be counted
	Findings      []Finding  `json:"-"`
	owners        []audit.Owner
}

// GroupUse says what the blocks of a block group are used for; all but Blocks and FreeInodes add up to Blocks.
type GroupUse struct {
	Blocks      uint32 `json:"blocks"`
	Superblock  uint32 `json:"superblock"` // copies of it and of the descriptors, and what is kept for more of those
	Bitmaps     uint32 `json:"bitmaps"`
	InodeTables uint32 `json:"inode_tables"`
	Journal     uint32 `json:"journal"`
	Directories uint32 `json:"directories"`
	Files       uint32 `json:"files"`
	Free        uint32 `json:"free"`
	FreeInodes  uint32 `json:"free_inodes"`
}

// AuditStructure audits the file system that starts at offset 0 of root and is at most size bytes long, and writes nothing. What is wrong
// is in the findings; the error is for what could not be judged: it holds no such file system, or only a part of one, it could not be read, ctx
// was cancelled.
func AuditStructure(ctx context.Context, root io.ReaderAt, size int64) (s *Structure, err error) {
	defer wall("structure", &err)
	if _, err := ext4ro.ReadSuperblock(root, size); errors.Is(err, ext4ro.ErrTruncated) {
		return nil, fmt.Errorf("structure: %w", err)
	}
	got, err := audit.Run(ctx, root, size, audit.Options{Owners: true})
	switch {
	case errors.Is(err, audit.ErrNotExt):
		return nil, fmt.Errorf("structure: %w: %w", ext4ro.ErrNotExt, err)
	case err != nil:
		return nil, fmt.Errorf("structure: %w", err)
	}
	s = &Structure{
		Label: got.Label, UUID: got.UUID, State: got.State, Features: got.Features, BlockSize: got.BlockSize, Blocks: got.Blocks,
		FreeBlocks: got.FreeBlocks, Inodes: got.Inodes, FreeInodes: got.FreeInodes, Directories: got.Directories, InodesInGroup: got.InodesPerGroup,
		Findings: []Finding{}, owners: got.Owners,
	}
	for _, g := range got.Groups {
		s.Groups = append(s.Groups, GroupUse(g))
	}
	for _, f := range got.Findings {
		severity := Error
		if f.Severity == audit.Warning {
			severity = Warning
		}
		object := objectName(f.Object)
		s.Findings = append(s.Findings, Finding{Code: string(f.Code), Severity: severity, Object: object, Message: object + ": " + f.Message})
	}
	s.Findings = append(s.Findings, moreFindings(got.Dropped)...)
	return s, nil
}

// wall makes an error of a panic: a fault of ours that an image brings out is told, and is no verdict.
func wall(what string, err *error) {
	if p := recover(); p != nil {
		first, _, _ := strings.Cut(fmt.Sprint(p), "\n") // behind it there may be a stack
		*err = fmt.Errorf("%s: it panicked: %s", what, first)
	}
}

// moreFindings says how many are not listed. It is as bad as the worst of them.
func moreFindings(dropped [2]int) []Finding {
	n, worst := dropped[audit.Warning]+dropped[audit.Error], Warning
	if n == 0 {
		return nil
	}
	if dropped[audit.Error] > 0 {
		worst = Error
	}
	return []Finding{{Code: codeMore, Severity: worst, Message: fmt.Sprintf("%d more findings are not listed", n)}}
}

// LooksLikeExt says whether there is the magic number of a superblock where one is.
func LooksLikeExt(r io.ReaderAt, size int64) bool {
	_, err := ext4ro.ReadSuperblock(r, size)
	return !errors.Is(err, ext4ro.ErrNotExt)
}

// Clean says whether nothing is wrong but for warnings.
func (s *Structure) Clean() bool {
	for _, f := range s.Findings {
		if f.Severity != Warning {
			return false
		}
	}
	return true
}

// objectName is what a finding is about, as "inode 12".
func objectName(o audit.Object) string {
	number := strconv.FormatUint(o.Number, 10)
	switch o.Kind {
	case audit.Superblock:
		if o.Number == 0 {
			return "superblock"
		}
		return "superblock of group " + number
	case audit.Group:
		return "group " + number
	case audit.Inode:
		return "inode " + number
	case audit.Block:
		return "block " + number
	case audit.Journal:
		return "journal"
	case audit.OrphanFile:
		return "orphan file"
	case audit.MMP:
		return "multiple mount protection"
	case audit.Quota:
		return "quota of " + [...]string{"users", "groups", "projects"}[min(o.Number, 2)]
	}
	return "object " + number
}
