//go:build !cgo || !linux

package malloc

// KeepLittle does nothing: there is no glibc.
func KeepLittle() {}
