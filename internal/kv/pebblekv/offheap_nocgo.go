//go:build !cgo

package pebblekv

// OffHeap is how many bytes of a memory limit an engine takes that Go's collector does not see:
// none without cgo.
func OffHeap(int64) int64 { return 0 }
