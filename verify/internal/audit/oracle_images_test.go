package audit_test

// This file makes the images that are damaged: small ones, of every feature that ext4 has, with a little of everything in them.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"boringboot/internal/testimage"
)

// recipe says how an image is made.
type recipe struct {
	name      string
	features  string // the whole set, as mke2fs -O takes it
	blockSize int
	inodeSize int
	kib       int // size; 0: 8 MiB
	inodes    int // 0: as many as the tree needs, and some
	perGroup  int // blocks; 0: as many as a bitmap block has bits
	extended  string
	args      []string
	env       []string
	stale     bool // garbage where nothing was written
	content   content
	debugfs   []string   // commands for when the tree is in
	then      [][]string // tools; "@" is the image
	kernel    func(dir string) error
	dirty     bool // e2fsck has something to say of it from the beginning
}

// content is what a tree has besides the usual.
type content uint

const (
	longNames  content = 1 << iota // a hash tree of two levels, with blocks of 1 KiB
	attributes                     // extended attributes
	values                         // attributes in inodes of their own
	owners                         // many
	projects
	farAway     // a block that only a triple indirect block reaches
	linear      // directories of several blocks without an index
	folded      // a directory that ignores case
	bare        // nothing but some files
	unencrypted = 0
)

// rich is what fits everywhere.
const rich = attributes | linear

const (
	common   = "has_journal,ext_attr,filetype,extent,flex_bg,sparse_super,large_file,dir_nlink,extra_isize,dir_index,huge_file"
	modern   = common + ",resize_inode,64bit,metadata_csum,metadata_csum_seed,orphan_file"
	debian   = common + ",resize_inode,64bit,metadata_csum"
	gdtCsum  = common + ",resize_inode,uninit_bg"
	unsummed = common + ",resize_inode"
	ext3     = "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"
	ext2     = "ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"
	oldest   = "sparse_super"
)

// with changes a feature set: names are added or, behind a "^", taken away.
func with(set string, changes ...string) string {
	list := strings.Split(set, ",")
	for _, change := range changes {
		name, remove := strings.CutPrefix(change, "^")
		var rest []string
		for _, f := range list {
			if f != name {
				rest = append(rest, f)
			}
		}
		if list = rest; !remove {
			list = append(list, name)
		}
	}
	return strings.Join(list, ",")
}

var (
	imagesMu sync.Mutex
	images   = map[string]*madeImage{}
)

// madeImage is a file without a name: the system takes it back when the run ends, however it ends.
type madeImage struct {
	once sync.Once
	file *os.File
	size int
	err  error
}

func (m *madeImage) keep(data []byte, err error) {
	if m.err = err; err != nil {
		return
	}
	if m.file, m.err = os.CreateTemp(fastDir(), "audit-image-"); m.err != nil {
		return
	}
	m.size = len(data)
	_, err = m.file.Write(data)
	m.err = errors.Join(err, os.Remove(m.file.Name()))
}

// image makes the image of a recipe, or a copy of what was made before.
func (r recipe) image(tb testing.TB) []byte {
	tb.Helper()
	testimage.Require(tb, "mke2fs", "e2fsck", "debugfs", "tune2fs", "resize2fs")
	imagesMu.Lock()
	m := images[r.name]
	if m == nil {
		m = &madeImage{}
		images[r.name] = m
	}
	imagesMu.Unlock()
	m.once.Do(func() { m.keep(r.make(tb)) })
	if m.err != nil {
		tb.Fatalf("%s: %v", r.name, m.err)
	}
	data := make([]byte, m.size)
	if _, err := m.file.ReadAt(data, 0); err != nil {
		tb.Fatal(err)
	}
	return data
}

func (r recipe) make(tb testing.TB) ([]byte, error) {
	dir, err := os.MkdirTemp(fastDir(), "audit-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tree, path := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return nil, err
	}
	if err := r.fill(tree); err != nil {
		return nil, err
	}
	if err := r.blank(path); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "mke2fs.conf")
	if err := os.WriteFile(conf, []byte("[defaults]\n\tenable_periodic_fsck = 0\n[fs_types]\n\text4 = {\n\t}\n"), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-F", "-q", "-t", "ext4", "-O", "none," + r.features, "-b", strconv.Itoa(r.blockSize), "-I", strconv.Itoa(r.inodeSize),
		"-U", testimage.UUID, "-L", "audit", "-E", "nodiscard,lazy_itable_init=1,root_owner=0:0,hash_seed=b0f1b0f1-0000-4000-8000-000000000001" + comma(r.extended)}
	if r.inodes != 0 {
		args = append(args, "-N", strconv.Itoa(r.inodes))
	}
	if r.perGroup != 0 {
		args = append(args, "-g", strconv.Itoa(r.perGroup))
	}
	if strings.Contains(r.features, "has_journal") {
		args = append(args, "-J", "size="+strconv.Itoa(max(1, r.blockSize/1024)))
	}
	args = append(append(args, r.args...), "-d", tree, path)
	mke2fs := testimage.Command(tb, "mke2fs", args...)
	mke2fs.Env = append(append(mke2fs.Env, "MKE2FS_CONFIG="+conf), r.env...)
	if err := told(mke2fs); err != nil {
		return nil, err
	}
	if err := debugfs(tb, path, append(r.commands(dir), r.debugfs...)); err != nil {
		return nil, err
	}
	if err := told(testimage.Command(tb, "e2fsck", r.fsckOptions(), path), 1); err != nil {
		return nil, err
	}
	if r.content&linear != 0 {
		if err := debugfs(tb, path, linearCommands(r.blockSize)); err != nil {
			return nil, err
		}
		if err := told(testimage.Command(tb, "e2fsck", "-fy", path), 1); err != nil {
			return nil, err
		}
	}
	if r.kernel != nil {
		mounted := testimage.MountRW(tb, path, 0)
		err := r.kernel(mounted)
		testimage.Unmount(tb, mounted)
		if err != nil {
			return nil, err
		}
	}
	for _, tool := range r.then {
		var args []string
		for _, arg := range tool[1:] {
			args = append(args, strings.ReplaceAll(arg, "@", path))
		}
		if err := told(testimage.Command(tb, tool[0], args...), 1); err != nil {
			return nil, err
		}
	}
	if !r.dirty {
		if err := testimage.FsckErr(path, 0, testimage.KernelLeaves...); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(path)
}

func (r recipe) fsckOptions() string {
	if strings.Contains(r.features, "dir_index") {
		return "-fyD"
	}
	return "-fy"
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return "," + s
}

// told runs a tool; its error has what the tool said. The exit codes of fine are no failure.
func told(cmd *exec.Cmd, fine ...int) error {
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState != nil {
		for _, code := range fine {
			if cmd.ProcessState.ExitCode() == code {
				return nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// debugfs runs commands from a script. Whatever happens its exit code is 0; what it complains of goes to standard error, which
// nothing else does but its version.
func debugfs(tb testing.TB, path string, commands []string) error {
	cmd := testimage.Command(tb, "debugfs", "-w", "-f", "-", path)
	var complaints strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(strings.Join(commands, "\n")+"\n"), &complaints
	_, err := cmd.Output()
	_, complaint, _ := strings.Cut(complaints.String(), "\n")
	if err != nil || complaint != "" {
		return fmt.Errorf("debugfs: %v\n%s", err, complaint)
	}
	return nil
}

// fastDir is a directory in memory where there is one: e2fsck reads every image thousands of times.
func fastDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (r recipe) blank(path string) error {
	kib := r.kib
	if kib == 0 {
		kib = 8 << 10
	}
	if !r.stale {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, int64(kib)<<10)
	}
	garbage := make([]byte, kib<<10)
	x := uint32(1)
	for i := range garbage {
		x = x*1664525 + 1013904223
		garbage[i] = byte(1 + x>>24%255)
	}
	return os.WriteFile(path, garbage, 0o600)
}
