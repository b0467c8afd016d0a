//go:build cgo

package pebblekv

// OffHeap is how many bytes of a memory limit an engine takes that Go's collector does not see:
// with cgo Pebble keeps its blocks and memtables in memory from C, and so lies there what readers
// hold of blocks that the cache has let go.
func OffHeap(memoryLimit int64) int64 {
	return Options{MemoryLimit: memoryLimit}.memory().blocks + memoryLimit/16
}
