package audit_test

// This file does damage to the file system's own files, each by hand, and has e2fsck judge it, too.

import (
	"slices"
	"testing"

	"boringboot/verify/internal/audit"
)

// systemCase is one damage.
type systemCase struct {
	name   string
	damage func(c *canvas)
	code   audit.Code // a finding there has to be; "": none
	sev    audit.Severity
}

const (
	warns = audit.Warning
	fails = audit.Error
)

// recipeNamed returns a recipe of the oracle.
func recipeNamed(t *testing.T, name string) recipe {
	t.Helper()
	i := slices.IndexFunc(recipes, func(r recipe) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("no image is called %q", name)
	}
	return recipes[i]
}

// runSystemCases does the damages to copies of an image, one at a time. Verdicts have to agree with e2fsck's; a case that is no
// error has no error of another kind either.
func runSystemCases(t *testing.T, r recipe, cases []systemCase) {
	t.Helper()
	s := newSubject(t, r).toFile(t)
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			x.damage(&s.canvas)
			if _, err := s.show(); err != nil {
				t.Fatal(err)
			}
			v := judge(t, s.path, s.data, audit.Options{})
			if err := s.heal(); err != nil {
				t.Fatal(err)
			}
			if !v.agree() || v.err != nil {
				t.Errorf("verdicts differ:\n%s", v.said())
			}
			found := slices.ContainsFunc(v.findings, func(f audit.Finding) bool { return f.Code == x.code && f.Severity == x.sev })
			switch {
			case x.code == "" && len(v.findings) > 0:
				t.Errorf("want no finding:\n%s", v.said())
			case x.code != "" && !found:
				t.Errorf("want a finding %s of severity %d:\n%s", x.code, x.sev, v.said())
			case v.oursClean() != (x.code == "" || x.sev == warns):
				t.Errorf("clean: %v:\n%s", v.oursClean(), v.said())
			}
		})
	}
}

// setSuper changes fields of the superblock: offsets and what is written there, 32 bits each.
func setSuper(fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) {
		for off, v := range fields {
			c.write32(superAt+off, v)
		}
		sealSuper(superAt)(c)
	}
}

// changeSuper puts bits into fields of the superblock, and takes others away.
func changeSuper(off int, set, clear uint32) func(c *canvas) {
	return func(c *canvas) {
		c.write32(superAt+off, le.Uint32(c.data[superAt+off:])&^clear|set)
		sealSuper(superAt)(c)
	}
}

// Offsets in the superblock.
const (
	compatAt      = 0x5C
	incompatAt    = 0x60
	roCompatAt    = 0x64
	reservedAt    = 0xCC // s_reserved_gdt_blocks are the upper 16 bits
	journalInumAt = 0xE0
	journalUUIDAt = 0xD0
	lastOrphanAt  = 0xE8
	jnlBackupAt   = 0xFC // s_jnl_backup_type is the second byte
	jnlBlocksAt   = 0x10C
	mmpBlockAt    = 0x168
	userQuotaAt   = 0x240
	orphanInumAt  = 0x280
)

// setInode changes fields of an inode, 32 bits each.
func setInode(ino int, fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) {
		at := c.inodeAt(ino)
		for off, v := range fields {
			c.write32(at+off, v)
		}
		sealInode(ino)(c)
	}
}

// setLinks changes i_links_count.
func setLinks(ino int, n uint16) func(c *canvas) {
	return func(c *canvas) {
		c.write16(c.inodeAt(ino)+0x1A, n)
		sealInode(ino)(c)
	}
}

// all does one damage after the other.
func all(damages ...func(c *canvas)) func(c *canvas) {
	return func(c *canvas) {
		for _, d := range damages {
			d(c)
		}
	}
}

func nothing(*canvas) {}
