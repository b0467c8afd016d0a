// Package malloc makes the C library return freed memory to the system, in programs that are built
// with cgo: Pebble then has its blocks and memtables in C's memory.
//
// glibc has an arena for nearly every thread, and after large blocks have been freed it raises its
// threshold so that each arena keeps up to 32 MiB of them. A server with a few large memtables thus
// takes twice the memory that it uses. The setting is for the whole process, so the program makes
// it, and not the library.
package malloc
