package testimage

// A profile is a way in which ext4 file systems are made in the world. Each
// names its whole feature set, so that the host's mke2fs.conf has no say.

import "strconv"

// Profile is a set of mke2fs arguments with a name.
type Profile struct {
	Name      string
	Features  string   // the whole set, as mke2fs -O takes it
	BlockSize int      // bytes: 1024, 2048 or 4096
	InodeSize int      // bytes; 0 means 256
	Args      []string // further mke2fs arguments
}

const (
	common = "has_journal,ext_attr,resize_inode,filetype,extent,flex_bg,sparse_super,large_file,dir_nlink,extra_isize"

	// upstream is what mke2fs 1.47 of e2fsprogs makes by its own mke2fs.conf,
	// which is what nixpkgs ships.
	upstream = common + ",dir_index,64bit,huge_file,metadata_csum,metadata_csum_seed,orphan_file"
)

var families = []struct{ name, features string }{
	{"nixos", upstream},
	// pi-gen disables 64bit and huge_file for its boot loader's sake; Debian 12's
	// mke2fs has neither metadata_csum_seed nor orphan_file among its defaults.
	{"pi-gen", common + ",dir_index,metadata_csum"},
	// e2fsprogs before 1.43: checksums on group descriptors only.
	{"gdt-checksums", common + ",dir_index,huge_file,uninit_bg"},
	{"debian", common + ",dir_index,64bit,huge_file,metadata_csum"},
	{"no-checksums", common + ",dir_index,huge_file"},
	{"linear", common + ",64bit,huge_file,metadata_csum,metadata_csum_seed,orphan_file"},
}

// Profiles are all families with blocks of 4, 2 and 1 KiB, NixOS' own first.
var Profiles = func() []Profile {
	var all []Profile
	for _, size := range []int{4096, 2048, 1024} {
		for _, f := range families {
			all = append(all, Profile{
				Name:      f.name + "-" + strconv.Itoa(size/1024) + "k",
				Features:  f.features,
				BlockSize: size,
			})
		}
	}
	return all
}()

// NixOS is the profile of the images that nixpkgs makes today.
func NixOS() Profile { return Profiles[0] }

// ProfileNamed returns the profile of that name ("pi-gen-1k"). A name that does
// not exist is a mistake in the test and panics.
func ProfileNamed(name string) Profile {
	for _, p := range Profiles {
		if p.Name == name {
			return p
		}
	}
	panic("testimage: no profile " + name)
}

func (p Profile) isZero() bool { return p.Features == "" }

func (p Profile) mke2fsArgs() []string {
	inodeSize := p.InodeSize
	if inodeSize == 0 {
		inodeSize = 256
	}
	args := []string{"-O", "none," + p.Features, "-b", strconv.Itoa(p.BlockSize), "-I", strconv.Itoa(inodeSize)}
	return append(args, p.Args...)
}
