// Package malloc makes the C library give memory back, in programs that are built with cgo: Pebble
// then keeps its blocks and memtables in memory from C.
//
// glibc has an arena for each thread or so, and learns from large blocks that were freed to keep
// such blocks, up to 32 MiB of each arena. A server with a few large memtables so comes to twice of
// what it uses. It is a setting of the process, so that a program makes it and no library.
package malloc
