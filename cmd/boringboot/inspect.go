package main

// This file is the command inspect.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"boringboot/ext4"
	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
	"boringboot/internal/options"
	"boringboot/internal/show"
	"boringboot/partition"
)

type inspect struct {
	image, path string
	content     bool
	root        options.Root
	out         options.Output
}

func newInspect() *cobra.Command {
	var i inspect
	cmd := &cobra.Command{
		Use:   "inspect IMAGE [PATH]",
		Short: "Show an image's partitions, file system and free space, or a directory or a file of it",
		Long: `inspect shows IMAGE's partition table and what each ext4 file system has left. With PATH it shows that directory or file of the root;
with --content, the file's bytes. IMAGE may be compressed.`,
		Example: `  boringboot inspect nixos-sd-image.img.zst
  boringboot inspect ready.img /var/lib/bootstrap`,
		Args: cli.ArgsRange(1, "IMAGE", "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i.image = args[0]
			if len(args) > 1 {
				i.path = args[1]
			}
			return i.run(cmd, newConsole(i.out))
		},
	}
	cmd.Flags().BoolVar(&i.content, "content", false, "write the bytes of the file PATH to standard output")
	i.root.Register(cmd)
	i.out.Register(cmd, "say more")
	return cmd
}

func (i *inspect) run(cmd *cobra.Command, c *console) error {
	if i.content && (i.path == "" || i.out.JSON) {
		return cli.Usage(cmd, "--content needs a PATH, and does not go with --json")
	}
	if err := i.root.Check(cmd); err != nil {
		return err
	}
	if i.path != "" && i.path != "/" {
		if err := manifest.CheckPath(strings.TrimSuffix(i.path, "/")); err != nil {
			return err
		}
	}
	img, err := diskimage.Open(cmd.Context(), i.image, c.progress)
	if err != nil {
		return err
	}
	defer img.Close()
	table, err := partition.Read(img, img.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", i.image, err)
	}
	if i.path == "" {
		return i.overview(cmd.Context(), c, img, table)
	}
	root, err := table.Find(partition.Selector(i.root))
	if err != nil {
		return fmt.Errorf("%s: %w", i.image, err)
	}
	fsys, err := ext4.Open(img.Section(root.Start, root.Size))
	if err != nil {
		return hintExt4(fmt.Errorf("%s: root file system%s: %w", i.image, ofPartition(root), err))
	}
	return i.show(c, fsys)
}

type imageView struct {
	Image      string          `json:"image"`
	Format     string          `json:"format"` // raw, zstd, xz, gzip, bzip2
	Size       int64           `json:"size"`   // bytes, of the raw image
	Table      string          `json:"table"`  // mbr, gpt, none
	DiskID     string          `json:"disk_id,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Partitions []partitionView `json:"partitions"`
}

type partitionView struct {
	Number     int       `json:"number"`
	Start      int64     `json:"start"` // bytes
	Size       int64     `json:"size"`  // bytes
	Type       string    `json:"type,omitempty"`
	Name       string    `json:"name,omitempty"`
	Bootable   bool      `json:"bootable,omitempty"`
	FileSystem string    `json:"file_system,omitempty"`
	Label      string    `json:"label,omitempty"`
	UUID       string    `json:"uuid,omitempty"`
	Ext4       *ext4View `json:"ext4,omitempty"`
	Problem    string    `json:"problem,omitempty"` // why the ext4 file system cannot be worked on
}

type ext4View struct {
	BlockSize  int      `json:"block_size"` // bytes
	Blocks     uint64   `json:"blocks"`
	FreeBlocks uint64   `json:"free_blocks"`
	Inodes     uint64   `json:"inodes"`
	FreeInodes uint64   `json:"free_inodes"`
	LastWrite  string   `json:"last_write"`
	Features   []string `json:"features"`
}

func (i *inspect) overview(ctx context.Context, c *console, img *diskimage.Image, table *partition.Table) error {
	v := imageView{Image: i.image, Format: string(img.Format()), Size: img.Size(), Table: string(table.Scheme), DiskID: table.DiskID,
		Warnings: table.Warnings, Partitions: []partitionView{}}
	for _, p := range table.Partitions {
		pv := partitionView{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.Type, Name: p.Name, Bootable: p.Bootable,
			FileSystem: p.FileSystem.Type, Label: p.FileSystem.Label, UUID: p.FileSystem.UUID}
		if strings.HasPrefix(p.FileSystem.Type, "ext") {
			fsys, err := ext4.Open(img.Section(p.Start, p.Size))
			if err != nil {
				pv.Problem = err.Error()
			} else {
				info := fsys.Info()
				pv.Ext4 = &ext4View{BlockSize: int(info.BlockSize), Blocks: info.Blocks, FreeBlocks: info.FreeBlocks,
					Inodes: uint64(info.Inodes), FreeInodes: uint64(info.FreeInodes),
					LastWrite: info.Written.UTC().Format(time.RFC3339), Features: info.Features}
			}
		}
		v.Partitions = append(v.Partitions, pv)
	}
	if i.out.JSON {
		return c.json(v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s image, %s, partition table: %s\n", show.Printable(i.image), v.Format, show.Size(v.Size), v.Table)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range v.Partitions {
		name := fmt.Sprintf("partition %d", p.Number)
		if v.Table == string(partition.None) {
			name = "whole image"
		}
		fmt.Fprintf(tw, "  %s\t%s\tat %s\ttype %s\t%s\t%s\n", name, show.Size(p.Size), show.Size(p.Start), cmp.Or(p.Type, "-"),
			cmp.Or(p.FileSystem, "unknown"), show.Printable(p.Label))
	}
	tw.Flush()
	for _, p := range v.Partitions {
		switch {
		case p.Ext4 != nil:
			e := p.Ext4
			fmt.Fprintf(&b, "ext4%s: %d of %d blocks of %d bytes free (%s), %d of %d inodes free, last written %s\n", ofPartition(partition.Partition{Number: p.Number}),
				e.FreeBlocks, e.Blocks, e.BlockSize, show.Size(int64(e.FreeBlocks)*int64(e.BlockSize)), e.FreeInodes, e.Inodes, e.LastWrite)
			if i.out.Verbose {
				fmt.Fprintf(&b, "  features: %s\n", strings.Join(e.Features, " "))
			}
		case p.Problem != "":
			fmt.Fprintf(&b, "ext4%s cannot be worked on: %s\n", ofPartition(partition.Partition{Number: p.Number}), p.Problem)
		}
	}
	for _, w := range v.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}

type fileView struct {
	Path    string     `json:"path"`
	Kind    string     `json:"kind"`
	Mode    string     `json:"mode"`
	UID     uint32     `json:"uid"`
	GID     uint32     `json:"gid"`
	Size    int64      `json:"size"` // bytes
	Links   uint32     `json:"links"`
	Inode   uint32     `json:"inode"`
	Mtime   string     `json:"mtime"`
	Target  string     `json:"target,omitempty"`
	Entries []fileView `json:"entries,omitempty"`
}

// show prints a directory or a file of the root.
func (i *inspect) show(c *console, fsys *ext4.FS) error {
	name := strings.Trim(i.path, "/")
	if name == "" {
		name = "."
	}
	// The last name of a path is followed only where a slash says so, as ls does.
	lookup := fsys.Lstat
	if strings.HasSuffix(i.path, "/") || i.content {
		lookup = fsys.Stat
	}
	info, err := lookup(name)
	if err != nil {
		return hintExt4(fmt.Errorf("%s: %s: %w", i.image, i.path, withoutPath(err)))
	}
	if i.content {
		return i.copyOut(c, fsys, name, info)
	}
	v, err := view(fsys, i.path, name, info)
	if err != nil {
		return hintExt4(err)
	}
	var damage error // in a directory that is listed as far as it can be
	if info.IsDir() {
		entries, err := fsys.ReadDir(name)
		if err != nil {
			damage = hintExt4(fmt.Errorf("%s: %s: %w", i.image, i.path, withoutPath(err)))
		}
		v.Entries = []fileView{}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				damage = errors.Join(damage, hintExt4(fmt.Errorf("%s: %s: %w", i.image, path.Join(i.path, e.Name()), withoutPath(err))))
				continue
			}
			ev, err := view(fsys, e.Name(), path.Join(name, e.Name()), info)
			if err != nil {
				return hintExt4(err)
			}
			v.Entries = append(v.Entries, ev)
		}
		slices.SortFunc(v.Entries, func(a, b fileView) int { return cmp.Compare(a.Path, b.Path) })
	}
	if i.out.JSON {
		return errors.Join(damage, c.json(v))
	}
	list := v.Entries
	if v.Kind != "directory" {
		list = []fileView{v}
	}
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, f := range list {
		shown := show.Printable(f.Path)
		if f.Target != "" {
			shown += " -> " + show.Printable(f.Target)
		}
		if f.Kind == "directory" {
			shown += "/"
		}
		fmt.Fprintf(tw, "%s\t%d:%d\t%d\t%s\t %s\n", f.Mode, f.UID, f.GID, f.Size, f.Mtime, shown)
	}
	tw.Flush()
	_, err = io.WriteString(c.out, b.String())
	return errors.Join(damage, err)
}

func view(fsys *ext4.FS, shown, name string, info fs.FileInfo) (fileView, error) {
	st, ok := info.Sys().(*ext4.Stat)
	if !ok {
		return fileView{}, fmt.Errorf("%s: no owner in what the file system says of it", shown)
	}
	v := fileView{Path: shown, Kind: filemode.Word(info.Mode()), Mode: fmt.Sprintf("%04o", st.Mode&0o7777), UID: st.UID, GID: st.GID,
		Size: info.Size(), Links: st.Links, Inode: st.Ino, Mtime: info.ModTime().UTC().Format(time.RFC3339)}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := fsys.ReadLink(name)
		if err != nil {
			return v, err
		}
		v.Target = target
	}
	return v, nil
}

// copyOut writes a file's bytes to standard output. What only its owner may read is a secret until shown otherwise, and secrets do
// not go to a terminal.
func (i *inspect) copyOut(c *console, fsys *ext4.FS, name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: a %s has no content to show", i.path, filemode.Kind(info.Mode()))
	}
	if f, ok := c.out.(interface{ Fd() uintptr }); ok && info.Mode()&0o004 == 0 && term.IsTerminal(int(f.Fd())) {
		return cli.WithHint(fmt.Errorf("%s: not world-readable, so it is not written to a terminal", i.path), "redirect standard output")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return hintExt4(err)
	}
	n, err := io.Copy(c.out, f)
	if err == nil && n != info.Size() {
		err = fmt.Errorf("%s: %d of %d bytes read", i.path, n, info.Size())
	}
	return errors.Join(err, f.Close())
}

// withoutPath takes the path out of a file system's error, where the user's own way of writing it is told already.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
