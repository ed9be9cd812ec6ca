#!/bin/sh
# Makes a small disk image that is laid out as NixOS' SD images for the Raspberry Pi are: an MBR, a gap of 8 MiB, a FAT partition
# FIRMWARE of 30 MiB, an ext4 root NIXOS_SD with some 16 MiB free, compressed with zstd. See README.md beside it.
#
# usage: make.sh OUT.img.zst
#
# The same programs give the same bytes: times, UUIDs and the order of every operation are fixed.
set -eu
[ $# -eq 1 ] || { echo "usage: make.sh OUT.img.zst" >&2; exit 2; }
out=$1
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

PATH=$PATH:/usr/sbin:/sbin
export PATH TZ=UTC LC_ALL=C
export SOURCE_DATE_EPOCH=1 E2FSPROGS_FAKE_TIME=1 E2FSPROGS_LIBMAGIC_SUPPRESS=1 EXT2FS_NO_MTAB_OK=yes MKE2FS_CONFIG="$here/mke2fs.conf"
umask 022

# The tree that becomes the root: below /nix/store what a small system has, by the names and kinds of its files, not by their content.

tree=$work/tree
mkdir -p "$tree/nix/store" "$tree/boot/extlinux" "$tree/boot/nixos"

store_path() { # NAME: the store path of that name, with a hash that only depends on it
	printf '/nix/store/%s-%s' "$(printf %s "$1" | sha256sum | cut -c1-32 | tr 'abcdef' 'abcdfg')" "$1"
}

text() { # BYTES LINE: the line as often as it fits
	yes "$2" | head -c "$1"
}

registration=$tree/nix-path-registration
: > "$registration"
register() { # PATH: as nix-store --load-db reads it; there are no references between these
	hash=$(printf %s "$1" | sha256sum | cut -c1-64)
	printf '%s\nsha256:%s\n%s\n\n0\n' "$1" "$hash" 4096 >> "$registration"
}

glibc=$(store_path glibc-2.40-66)

package() { # NAME: a program with its library, manual page and links
	path=$(store_path "$1")
	mkdir -p "$tree$path/bin" "$tree$path/lib" "$tree$path/share/man/man1"
	text 9000 "$1: this stands for a program" > "$tree$path/bin/${1%%-[0-9]*}"
	text 20000 "$1: this stands for a library" > "$tree$path/lib/lib${1%%-[0-9]*}.so.1.2.3"
	ln -s "lib${1%%-[0-9]*}.so.1.2.3" "$tree$path/lib/lib${1%%-[0-9]*}.so.1"
	ln -s "$glibc/lib/ld-linux-aarch64.so.1" "$tree$path/lib/ld.so" # over 59 bytes: a symlink with a block of its own
	text 700 ".TH $1 1" > "$tree$path/share/man/man1/${1%%-[0-9]*}.1"
	chmod 555 "$tree$path/bin/"*
	chmod 444 "$tree$path/lib/"*.so.1.2.3 "$tree$path/share/man/man1/"*
	register "$path"
}

unit() { # NAME: a store path that is one file
	path=$(store_path "unit-$1.service")
	printf '[Unit]\nDescription=%s\n\n[Service]\nExecStart=%s/bin/%s\n' "$1" "$glibc" "$1" > "$tree$path"
	chmod 444 "$tree$path"
	register "$path"
}

for name in glibc-2.40-66 systemd-257.6 linux-6.12.34 bash-5.2p37 coreutils-9.7 openssh-10.0p2 networkmanager-1.52.0 openssl-3.4.1 \
	zlib-1.3.1 xz-5.8.1 zstd-1.5.7 dbus-1.14.10 util-linux-2.41 e2fsprogs-1.47.2 kmod-31 kbd-2.7.1 iproute2-6.14.0 iptables-1.8.11 \
	nftables-1.1.3 sudo-1.9.16p2 shadow-4.17.4 polkit-126 curl-8.13.0 libxml2-2.13.8 nix-2.28.4 perl-5.40.0 gawk-5.3.2 gnused-4.9 \
	gnugrep-3.11 findutils-4.10.0 less-668 nano-8.4 wireless-regdb-2024.10 wpa_supplicant-2.11 dhcpcd-10.1.0 ncurses-6.5 readline-8.2p13; do
	package "$name"
done
n=0
while [ $n -lt 150 ]; do
	unit "demo-$n"
	n=$((n + 1))
done

kernel=$(store_path linux-6.12.34)
text 6000000 "this stands for a kernel" > "$tree$kernel/Image"
text 3000000 "this stands for a module archive" > "$tree$kernel/initrd"
chmod 444 "$tree$kernel/Image" "$tree$kernel/initrd"

system=$(store_path nixos-system-demo-26.05)
mkdir -p "$tree$system/etc/ssh" "$tree$system/sw"
ln -s "$kernel/Image" "$tree$system/kernel"
ln -s "$kernel/initrd" "$tree$system/initrd"
ln -s "$(store_path systemd-257.6)" "$tree$system/systemd"
printf '26.05' > "$tree$system/nixos-version"
printf 'HostKey /var/lib/bootstrap/ssh_host_ed25519_key\n' > "$tree$system/etc/ssh/sshd_config"
text 2000 'echo "this stands for the activation script"' > "$tree$system/activate"
: > "$tree$system/sw/nix-support"
chmod 444 "$tree$system/nixos-version" "$tree$system/etc/ssh/sshd_config" "$tree$system/sw/nix-support"
chmod 555 "$tree$system/activate"
register "$system"

text 6000000 "this stands for a kernel" > "$tree/boot/nixos/demo-Image"
text 3000000 "this stands for a module archive" > "$tree/boot/nixos/demo-initrd"
printf 'DEFAULT nixos-default\nTIMEOUT 50\n\nLABEL nixos-default\n  LINUX ../nixos/demo-Image\n  INITRD ../nixos/demo-initrd\n  APPEND init=%s/init\n' \
	"$system" > "$tree/boot/extlinux/extlinux.conf"

# Store paths are read-only and everything in the store dates from the first second of 1970. The script below writes the tree
# into the image in one order, whatever order this machine's file system lists it in.

(cd "$tree" && find . -mindepth 1 -print) | sort > "$work/names"
field() { printf 'sif "%s" %s %s\n' "$1" "$2" "$3"; }
while IFS= read -r name; do
	name=${name#.}
	source=$tree$name
	if [ -L "$source" ]; then
		printf 'symlink "%s" "%s"\n' "$name" "$(readlink "$source")"
		mode=0120777
	elif [ -d "$source" ]; then
		printf 'mkdir "%s"\n' "$name"
		case $name in
		/nix/store/*) mode=0040555 ;;
		*) mode=0040755 ;;
		esac
	else
		printf 'write "%s" "%s"\n' "$source" "$name"
		mode=0100$(stat -c %a "$source")
	fi
	field "$name" mode $mode
	for time in atime ctime mtime crtime; do field "$name" $time @1; done
done < "$work/names" > "$work/script"

# The ext4 root: made with room to spare, shrunk to its content, grown by 16 MiB, as nixpkgs' make-ext4-fs.nix does.

root=$work/root.img
inodes=$(wc -l < "$work/names")
# Bytes of files and links, and a block for each directory: what a directory takes itself is this machine's file system's affair.
blocks=$({ find "$tree" ! -type d -exec stat -c %s {} +; find "$tree" -type d -exec printf '4096\n' \; ; } | awk '{ n += $1 } END { print int(int((n + 4095) / 4096) * 1.2) }')
truncate -s $((2 * 4096 * inodes + 4096 * blocks + 4096 * 2048)) "$root"
mke2fs -q -t ext4 -T default -L NIXOS_SD -U 44444444-4444-4444-8888-888888888888 -E hash_seed=44444444-4444-4444-8888-888888888889,lazy_itable_init=1,root_owner=0:0 "$root"
debugfs -w -f "$work/script" "$root" > "$work/said" 2>&1
if grep -v -e '^debugfs [0-9]' -e '^debugfs: [a-z]* "' -e '^Allocated inode:' "$work/said" >&2; then # its exit code is 0 whatever happens
	echo "make.sh: debugfs could not write the tree" >&2
	exit 1
fi
e2fsck -fn "$root" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
resize2fs -M "$root" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
size=$(dumpe2fs -h "$root" 2> /dev/null | awk -F: '/^Block count/ { n = $2 } /^Block size/ { b = $2 } END { print int(n + 16 * 1024 * 1024 / b) }')
resize2fs "$root" "$size" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
e2fsck -fn "$root" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }

# The firmware partition.

firmware=$work/firmware.img
mkdir "$work/firmware"
printf '[all]\narm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n' > "$work/firmware/config.txt"
text 500000 "this stands for a boot loader" > "$work/firmware/u-boot.bin"
touch -d @315532800 "$work/firmware/"* # FAT begins in 1980
truncate -s 30M "$firmware"
mkfs.vfat --invariant -i 2178694e -n FIRMWARE "$firmware" > /dev/null
for file in "$work/firmware/"*; do
	mcopy -mi "$firmware" "$file" ::
done
fsck.vfat -n "$firmware" > "$work/said" || { cat "$work/said" >&2; exit 1; }

# The disk.

disk=$work/disk.img
mib=1048576
rootsize=$(stat -c %s "$root")
truncate -s $((38 * mib + rootsize)) "$disk"
sfdisk --quiet --no-reread --no-tell-kernel "$disk" <<-END
	label: dos
	label-id: 0x2178694e
	start=8M, size=30M, type=b
	start=38M, type=83, bootable
END
dd if="$firmware" of="$disk" bs=1M seek=8 conv=notrunc,sparse status=none
dd if="$root" of="$disk" bs=1M seek=38 conv=notrunc,sparse status=none
zstd -q -19 --no-progress -f "$disk" -o "$out"
