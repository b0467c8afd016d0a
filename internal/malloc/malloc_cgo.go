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

// KeepLittle has blocks from 256 KiB on given back when they are freed, and allows two arenas. It
// is called before anything large is allocated, and does nothing without glibc.
func KeepLittle() { C.keep_little() }
