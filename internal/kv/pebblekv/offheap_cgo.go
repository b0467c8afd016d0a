//go:build cgo

package pebblekv

// OffHeap is how many bytes of a memory limit an engine takes that Go's collector does not see: with
// cgo Pebble keeps its blocks and memtables in memory from C.
func OffHeap(memoryLimit int64) int64 { return Options{MemoryLimit: memoryLimit}.memory().blocks }
