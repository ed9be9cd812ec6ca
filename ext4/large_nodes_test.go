package ext4

// This file has large updates where free space is in pieces, so that the map of the journal has nodes.

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// fragmented is scattered, and of what is free k pieces are one block, or one cluster, each.
func fragmented(t *testing.T, o testimage.Options, n, k int) string {
	t.Helper()
	return inPieces(t, o, n, k, 1)
}

// inPieces is fragmented in pieces of so many clusters.
func inPieces(t *testing.T, o testimage.Options, n, k int, clusters int64) string {
	t.Helper()
	o.Inodes = n + n/4 + 2*k + 300
	path := scattered(t, o, n)
	fsys := openImage(t, path)
	piece := clusters * int64(fsys.view.blockSize) * int64(fsys.view.clusterBlocks)
	mustUpdate(t, fsys, func(tx *Tx) error {
		err := tx.Mkdir("pieces", Attr{Mode: 0o755})
		for i := range 2 * k {
			err = errors.Join(err, tx.WriteFile(fmt.Sprint("pieces/", i), zeros(piece), Attr{Mode: 0o644}))
		}
		return err
	}, WithoutJournal())
	onlyFree(t, path, 40*uint64(fsys.view.clusterBlocks))
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		var err error
		for i := range k {
			err = errors.Join(err, tx.Remove(fmt.Sprint("pieces/", 2*i)))
		}
		return err
	}, WithoutJournal())
	testimage.Fsck(t, path, 0)
	return path
}

// fewChanges is mostly modes: a change that needs little space but in the log.
func fewChanges(n int) func(tx *Tx) error {
	return func(tx *Tx) error {
		return errors.Join(onlyModes(n-30, 0o600)(tx), removed(n-30, n)(tx), tx.WriteFile("a new one", bytes.NewReader(pattern(5000, 9)), Attr{Mode: 0o600}))
	}
}

// largeNodes are file systems in which the journal's map gets so many nodes at least.
var largeNodes = []struct {
	name        string
	o           testimage.Options
	n, k, nodes int
}{
	{"as mke2fs makes them", testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 12 << 20}, 1150, 260, 2},
	{"no checksums, as many as there can be", testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), Size: 12 << 20}, 1300, 350, 4},
	{"clusters of 8 blocks", testimage.Options{Profile: changed("nixos-1k", "bigalloc", "-C", "8192"), Size: 32 << 20}, 1500, 120, 1},
}

// journalNodes are the nodes of the journal's map, as whoever mounts a device finds it before the log is replayed.
func journalNodes(t *testing.T, image []byte) []FSBlock {
	t.Helper()
	dev := &recorder{now: image, failAt: -1}
	sb := must(readSuperblock(dev, dev.Size()))
	geo := must(newGeometry(sb, dev.Size()))
	v := &view{geometry: geo, sb: sb, src: blocks.NewCache(dev, geo.blockSize, geo.blocks)}
	n, err := v.inode(format.JournalIno)
	mustDo(t, err)
	var list []FSBlock
	mustDo(t, v.walkMap(n, func(format.Extent) error { return nil }, func(b FSBlock) error {
		list = append(list, b)
		return nil
	}))
	return list
}

func TestALargeUpdateWhoseLogIsInManyPieces(t *testing.T) {
	for _, c := range largeNodes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := fragmented(t, c.o, c.n, c.k)
			r, outcomes := recordChange(t, path, fewChanges(c.n))

			// It leaves what a longer log would have left: nothing of the nodes, too.
			writeImage(t, path, r.old)
			mustUpdate(t, openImage(t, path), fewChanges(c.n), WithoutJournal())
			sameButTheLog(t, imageOf(t, path), bytes.Clone(r.now))

			// One that fails before its commit leaves what there was.
			failing := &recorder{old: r.old, now: bytes.Clone(r.old), failAt: r.syncs[6] - 1}
			if err := must(Open(failing)).Update(fewChanges(c.n)); !errors.Is(err, errCut) {
				t.Errorf("the last write before the commit fails: %v", err)
			}
			sameButTheLog(t, bytes.Clone(r.old), failing.now)

			// Whoever replays a transaction but the last finds the log through nodes that are still nobody else's.
			most := 0
			for i, at := range r.syncs {
				image := r.image(at, func(int) bool { return true })
				nodes := journalNodes(t, image)
				fsys, err := Open(&recorder{now: image, failAt: -1})
				mustDo(t, err)
				most = max(most, len(nodes))
				if len(nodes) == 0 || fsys.Recovery() == nil || i >= len(r.syncs)-5 {
					continue
				}
				tx := newTx(fsys.view, fsys.cache, writeTime)
				for _, b := range nodes {
					g, cluster := tx.clusterOf(b)
					if !must(tx.loadBlocks(g)).taken.get(cluster) {
						t.Errorf("cut after write %d of %v: block %d, a node of the journal's map, is free when the log has been replayed", at, r.syncs, b)
					}
				}
			}
			if most < c.nodes {
				t.Errorf("the journal's map has %d nodes at most, want %d", most, c.nodes)
			}
			cutAtSyncs(t, r, path, outcomes, 1, "kernel", "e2fsck -p", "we")
		})
	}
}

// In a map of two levels e2fsck would find damage when a cut leaves blocks behind the end of the journal's file.
func TestALargeUpdateWhoseLogIsInTooManyPiecesIsRefused(t *testing.T) {
	t.Parallel()
	const n = 1500
	path := fragmented(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), Size: 12 << 20}, n, 620)
	r := newRecorder(t, path)
	fsys := must(Open(r))
	for _, opts := range [][]UpdateOption{{Rehearse()}, nil} {
		var full *NoSpaceError
		if err := fsys.Update(onlyModes(n, 0o600), opts...); !errors.As(err, &full) || full.Resource != "journal blocks" || full.Free < 1023+200 || full.Free >= full.Needed {
			t.Errorf("%v, %+v", err, full)
		}
	}
	if len(r.log) != 0 {
		t.Errorf("%d writes", len(r.log))
	}
	mustUpdate(t, fsys, onlyModes(1300, 0o600)) // which takes fewer
	writeImage(t, path, r.now)
	testimage.Fsck(t, path, 0)
}

// Room for the zeros that clear what is freed is no reason to refuse an update that has its own: not even where there is room for the
// zeros, but not for the nodes that come with it.
func TestAnUpdateThatFitsIsNotRefusedWhereThereIsMoreSpace(t *testing.T) {
	t.Parallel()
	const n = 1300
	o := testimage.Options{Profile: changed("nixos-1k", "meta_bg ^resize_inode"), BlocksPerGroup: 256, Size: 24 << 20}
	path := inPieces(t, o, n, 230, 2)
	r := newRecorder(t, path)
	change := func(tx *Tx) error { return errors.Join(onlyModes(n-200, 0o600)(tx), removed(n-200, n)(tx)) }
	fits := 0
	for i, refused := 0, 0; refused < 15; i++ {
		fsys := must(Open(r))
		free := fsys.Info().FreeBlocks
		err := fsys.Update(change, Rehearse())
		switch full := (*NoSpaceError)(nil); {
		case err == nil && refused == 0:
			fits++
		case errors.As(err, &full):
			refused++
			if short := full.Needed - full.Free; short < 1 || short > uint64(refused) {
				t.Errorf("%d blocks are free, and %d more did: %v", free, refused, err)
			}
		default:
			t.Fatalf("%d blocks are free: %v, when more were it was refused", free, err)
		}
		mustUpdate(t, fsys, func(tx *Tx) error { return tx.WriteFile(fmt.Sprint("filling ", i), zeros(1000), Attr{Mode: 0o644}) }, WithoutJournal())
	}
	if fits < 130 {
		t.Errorf("it fitted %d times: there was never room for the zeros", fits)
	}
}
