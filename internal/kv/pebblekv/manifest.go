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

	"github.com/partita-db/partita/internal/kv/pebblekv/manifest"
)

// checkFiles refuses a directory that Pebble would open as an older state of itself, or with rows
// missing, or make anew, and one that it would refuse without saying what to do. dropped says what
// is opened without.
func checkFiles(fs vfs.FS, dir string) (dropped string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return "", err
	}
	m, err := currentManifest(fs, dir, names)
	if err != nil || m == nil {
		return "", err
	}
	return checkLogs(fs, dir, names, m)
}

// currentManifest reads the MANIFEST of a directory with those names. A directory without any has
// none: nil.
func currentManifest(fs vfs.FS, dir string, names []string) (*manifest.Manifest, error) {
	marker, name, err := atomicfs.LocateMarkerInListing(fs, dir, "manifest", names)
	if err != nil {
		return nil, err
	}
	if err := marker.Close(); err != nil {
		return nil, err
	}
	if err := checkMarkers(names, name); err != nil || name == "" {
		return nil, err
	}
	return readManifest(fs, dir, name)
}

// checkMarkers refuses a directory that has lost one of the empty files whose names say which file
// is the MANIFEST, and what the format of Pebble's files is. The first is made before the first
// log, and the second before the first OPTIONS.
func checkMarkers(names []string, manifest string) error {
	version := false
	for _, n := range names {
		version = version || strings.HasPrefix(n, "marker.format-version.")
	}
	for _, n := range names {
		options := strings.HasPrefix(n, "OPTIONS-")
		switch {
		case manifest == "" && (isTable(n) || options || strings.HasSuffix(n, ".log")):
			// Pebble would make a new store and remove them.
			return damaged("it has files such as %s, but none of the name marker.manifest.*", n)
		case !version && options:
			return damaged("it has a file %s, but none of the name marker.format-version.*", n)
		}
	}
	return nil
}

// readManifest reads a MANIFEST, or refuses it. Pebble takes the first record of its MANIFEST that
// it cannot read for the end, as that is how a power cut leaves a record that was being written,
// and forgets all tables that later records tell of. But each record is synced before the next is
// written, so a good one behind a bad one says that a disk, or somebody, has damaged the file; the
// first is synced before anything refers to the file; and what was there when the directory was
// last closed is under a seal. (A bad last record of later cannot be told from a cut.)
func readManifest(fs vfs.FS, dir, name string) (*manifest.Manifest, error) {
	b, err := readAll(fs, fs.PathJoin(dir, name))
	if err != nil {
		return nil, damaged("reading %s: %w", name, err)
	}
	sealed, size, sum := readSeal(fs, dir)
	if sealed == name && (size > len(b) || sum != checksum(b[:size])) {
		return nil, damaged("%s is not what it was when the directory was closed", name)
	}
	m := manifest.New(name)
	m.Sealed = sealed == name && size == len(b)
	end := readableRecords(b, m.Add)
	if end == 0 || end < len(b) && holdsRecord(b[end+1:]) {
		return nil, damaged("%s cannot be read from byte %d on, and there was more", name, end)
	}
	return m, nil
}

// sealFile is the name of a file with one line, which tells what the MANIFEST was when the
// directory was last closed:
//
//	MANIFEST-000001 1455 5d2f7a90 0b1c2d3e
//
// These are its name, its size and its checksum, and the checksum of that text itself.
//
// A MANIFEST only grows after that, or another takes its place, so a seal is never wrong, even if
// nobody renews it.
const sealFile = "SEAL"

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

// checksum is the checksum of seals, and, masked (maskedSum), of the records of a MANIFEST.
func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func readAll(fs vfs.FS, path string) (b []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// readableRecords passes on all records up to the first that cannot be read, and returns where that
// begins, or the end.
func readableRecords(b []byte, take func(edit []byte)) int {
	r, end := record.NewReader(strings.NewReader(string(b)), 0), 0
	for {
		var edit []byte
		one, err := r.Next()
		if err == nil {
			edit, err = io.ReadAll(one)
		}
		switch {
		case err == io.EOF:
			return len(b)
		case err != nil:
			return end
		}
		take(edit)
		end = int(r.Offset())
	}
}

// A record of a MANIFEST is in chunks: a checksum of what follows the length, the length of the
// data, a type, the data. The first chunk of a record is of one of these types.
const (
	chunkHeader = 4 + 2 + 1
	chunkFull   = 1
	chunkFirst  = 2
)

// maskedSum is the checksum of a chunk as Pebble, as LevelDB, writes it.
func maskedSum(b []byte) uint32 {
	sum := checksum(b)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// holdsRecord tells whether a record begins anywhere in b.
func holdsRecord(b []byte) bool {
	for ; len(b) > chunkHeader; b = b[1:] {
		n := chunkHeader + int(binary.LittleEndian.Uint16(b[4:]))
		if t := b[6]; t != chunkFull && t != chunkFirst || n == chunkHeader || n > len(b) {
			continue
		}
		if maskedSum(b[6:n]) == binary.LittleEndian.Uint32(b) {
			return true
		}
	}
	return false
}
