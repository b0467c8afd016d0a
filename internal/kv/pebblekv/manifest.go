package pebblekv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// ErrDamaged says that the directory's files are damaged in a way that would lose data if they were opened.
var ErrDamaged = errors.New("the data directory is damaged")

// checkManifest refuses a directory that Pebble would open as an older state of itself. Pebble takes the first record of its MANIFEST
// that it cannot read for the end, as that is how a power cut leaves a record that was being written, and forgets all tables that later
// records tell of. But each record is synced before the next is written, so a good one behind a bad one says that a disk, or
// somebody, has damaged the file; and what was there when the directory was last closed is under a seal. (A bad last record of later
// cannot be told from a cut.)
func checkManifest(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	marker, name, err := atomicfs.LocateMarkerInListing(fs, dir, "manifest", names)
	if err != nil {
		return err
	}
	if err := marker.Close(); err != nil {
		return err
	}
	if name == "" {
		for _, n := range names {
			if isTable(n) { // Pebble would make a new store and remove them
				return fmt.Errorf("%w: it has tables such as %s, but nothing says which is its MANIFEST", ErrDamaged, n)
			}
		}
		return nil
	}
	b, err := readAll(fs, fs.PathJoin(dir, name))
	if err != nil {
		return fmt.Errorf("%w: reading %s: %w", ErrDamaged, name, err)
	}
	if sealed, size, sum := readSeal(fs, dir); sealed == name && (size > len(b) || sum != checksum(b[:size])) {
		return fmt.Errorf("%w: %s is not what it was when the directory was closed; restore a backup", ErrDamaged, name)
	}
	if end := readableRecords(b); end < len(b) && holdsRecord(b[end+1:]) {
		return fmt.Errorf("%w: %s cannot be read from byte %d on, and good records follow; restore a backup", ErrDamaged, name, end)
	}
	return nil
}

// sealFile is the name of a file with one line, which tells what the MANIFEST was when the directory was last closed:
//
//	MANIFEST-000001 1455 5d2f7a90 0b1c2d3e    the name, the size, the checksum, and the checksum of all before
//
// A MANIFEST only grows after that, or another takes its place, so a seal is never wrong, even if nobody renews it.
const sealFile = "SEAL"

// writeSeal seals the MANIFEST.
func writeSeal(fs vfs.FS, dir string) error {
	marker, name, err := atomicfs.LocateMarker(fs, dir, "manifest")
	if err != nil {
		return err
	}
	b, err := readAll(fs, fs.PathJoin(dir, name))
	if err := errors.Join(err, marker.Close()); err != nil {
		return err
	}
	text := fmt.Sprintf("%s %d %08x", name, len(b), checksum(b))
	return writeFile(fs, dir, sealFile, fmt.Sprintf("%s %08x\n", text, checksum([]byte(text))))
}

// readSeal returns what the seal says. One that is damaged itself says nothing.
func readSeal(fs vfs.FS, dir string) (name string, size int, sum uint32) {
	b, err := readAll(fs, fs.PathJoin(dir, sealFile))
	if err != nil {
		return "", 0, 0
	}
	var own uint32
	if _, err := fmt.Sscanf(string(b), "%s %d %x %x", &name, &size, &sum, &own); err != nil || size < 0 ||
		own != checksum(fmt.Appendf(nil, "%s %d %08x", name, size, sum)) {
		return "", 0, 0
	}
	return name, size, sum
}

// checksum is the checksum of seals, and, with another face, of the records of a MANIFEST.
func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readAll reads a file.
func readAll(fs vfs.FS, path string) (b []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// readableRecords is where the first record begins that cannot be read, or the end.
func readableRecords(b []byte) int {
	r, end := record.NewReader(strings.NewReader(string(b)), 0), 0
	for {
		one, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, one)
		}
		switch {
		case err == io.EOF:
			return len(b)
		case err != nil:
			return end
		}
		end = int(r.Offset())
	}
}

// A record of a MANIFEST is in chunks: a checksum of what follows the length, the length of the data, a type, the data. The
// first chunk of a record is of one of these types.
const (
	chunkHeader = 4 + 2 + 1
	chunkFull   = 1
	chunkFirst  = 2
)

// holdsRecord tells whether a record begins anywhere in b.
func holdsRecord(b []byte) bool {
	for ; len(b) > chunkHeader; b = b[1:] {
		n := chunkHeader + int(binary.LittleEndian.Uint16(b[4:]))
		if t := b[6]; t != chunkFull && t != chunkFirst || n == chunkHeader || n > len(b) {
			continue
		}
		sum := checksum(b[6:n])
		if (sum>>15 | sum<<17) == binary.LittleEndian.Uint32(b)-0xa282ead8 { // how Pebble, as LevelDB, writes a checksum
			return true
		}
	}
	return false
}
