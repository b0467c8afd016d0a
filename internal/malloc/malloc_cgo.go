//go:build cgo && linux

package malloc

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void keep_little(void) {
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 2);
}
#else
static void keep_little(void) {}
#endif
*/
import "C"

// KeepLittle makes the C library return blocks from 256 KiB on when they are freed, and limits it
// to two arenas. It must be called before anything large is allocated, and does nothing without
// glibc.
func KeepLittle() { C.keep_little() }
