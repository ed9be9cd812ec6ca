package ext4

// This file is the arithmetic of clusters: with bigalloc a bit of a block bitmap stands for several blocks, and the free blocks of a
// group are counted in clusters. The superblock counts blocks in any case. Block numbers are always blocks.

import (
	"boringboot/ext4/internal/format"
)

// maxLogCluster is the largest s_log_cluster_size (EXT2_MAX_CLUSTER_LOG_SIZE - EXT2_MIN_CLUSTER_LOG_SIZE): 512 MiB.
const maxLogCluster = 19

// setClusters sets clusterBlocks.
func (g *geometry) setClusters(sb format.Superblock) error {
	log, logBlock := format.SLogClusterSize.Get(sb), format.SLogBlockSize.Get(sb)
	g.clusterBlocks = 1
	if !sb.HasROCompat(format.ROCompatBigalloc) {
		if log != logBlock {
			return corruptf("superblock: s_log_cluster_size %d without bigalloc", log)
		}
		return nil
	}
	if log < logBlock || log > maxLogCluster {
		return corruptf("superblock: s_log_cluster_size %d, s_log_block_size %d", log, logBlock)
	}
	if !sb.HasIncompat(format.IncompatExtents) {
		return corruptf("superblock: bigalloc without the extent feature")
	}
	g.clusterBlocks = 1 << (log - logBlock)
	if n := uint64(g.blocks); n%uint64(g.clusterBlocks) != 0 { // mke2fs rounds it down
		return unsupportedf("superblock: s_blocks_count %d is no multiple of a cluster's %d blocks", n, g.clusterBlocks)
	}
	return nil
}

func (g *geometry) clustersPerGroup() uint32 { return g.blocksPerGroup / g.clusterBlocks }

// groupClusters is the number of bits in use of a group's block bitmap.
func (g *geometry) groupClusters(group Group) uint32 { return g.groupBlocks(group) / g.clusterBlocks }

// clusterOf is a block's group and its cluster's number there. The block must be at least firstDataBlock.
func (g *geometry) clusterOf(b FSBlock) (Group, uint32) {
	group, index := g.groupOf(b)
	return group, index / g.clusterBlocks
}

// clusterStart is the first block of a group's cluster.
func (g *geometry) clusterStart(group Group, cluster uint32) FSBlock {
	return g.groupStart(group) + FSBlock(cluster)*FSBlock(g.clusterBlocks)
}

// clusterRange is the clusters of a group that n of its blocks from index first on lie in.
func (g *geometry) clusterRange(first, n uint32) (cluster, count uint32) {
	cluster = first / g.clusterBlocks
	return cluster, (first+n+g.clusterBlocks-1)/g.clusterBlocks - cluster
}

// roundedToClusters is n blocks, rounded up to whole clusters.
func (g *geometry) roundedToClusters(n uint64) uint64 {
	mask := uint64(g.clusterBlocks) - 1
	return (n + mask) &^ mask
}
