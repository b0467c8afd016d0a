package pebblekv

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv/pebblekv/manifest"
)

// ErrDamaged says that the directory's files are damaged in a way that would lose data if they were
// opened, or that a file is missing or cannot be read. The text names the file and says what to do.
var ErrDamaged = errors.New("the data directory is damaged")

// remedy is what to do about a file that is gone or damaged.
const remedy = "put the file back as it was, or restore a backup"

// damaged is ErrDamaged, with what is wrong with which file, and what to do.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w; %s", ErrDamaged, fmt.Errorf(format, args...), remedy)
}

// damagedFile is an error of Pebble's over a file that is gone or damaged, with the name of the
// file and what to do about it. Other errors stay as they are.
func damagedFile(err error) error {
	if err == nil || errors.Is(err, ErrDamaged) || !pebble.IsCorruptionError(err) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name := "a file"
	var file *fs.PathError
	switch info := pebble.ExtractDataCorruptionInfo(err); {
	case info != nil:
		name = filepath.Base(info.Path)
	case errors.As(err, &file):
		name = filepath.Base(file.Path)
	default:
		if number := tableInText.FindStringSubmatch(err.Error()); number != nil {
			name = number[1] + ".sst"
		}
	}
	return &damagedError{fmt.Sprintf("%v: %s: %s; %s", ErrDamaged, name, oneLine(err), remedy), err}
}

// damagedError is ErrDamaged, with the cause in one line.
type damagedError struct {
	text  string
	cause error
}

// Error implements error.
func (e *damagedError) Error() string { return e.text }

// Unwrap makes it ErrDamaged, and its cause.
func (e *damagedError) Unwrap() []error { return []error{ErrDamaged, e.cause} }

// oneLine is the first line of an error's text. Those of Pebble's can have more, which say nothing
// new.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// fatalCause is the error that Pebble gives as the reason to end the process. With a file that is
// missing comes where that was found.
func fatalCause(format string, args []any) error {
	if len(args) == 1 {
		if err, ok := args[0].(error); ok && errors.Is(err, fs.ErrNotExist) {
			return damagedFile(err)
		}
	}
	return fmt.Errorf(format, args...)
}

// tableInText finds the number of a table in what Pebble says of it.
var tableInText = regexp.MustCompile(`\b(?:file|table|L[0-6]:) ([0-9]{6,})\b`)

// explain says of an error with which Pebble did not open which file is gone or damaged.
func explain(fsys vfs.FS, dir string, p *pebble.Options, err error) error {
	names, listErr := fsys.List(dir)
	if listErr != nil {
		return err
	}
	if name := newestOptions(names); name != "" {
		b, readErr := readAll(fsys, fsys.PathJoin(dir, name))
		if readErr == nil {
			readErr = p.CheckCompatibility(dir, string(b))
		}
		if readErr != nil {
			return fmt.Errorf("%w: %s: %s; it holds no rows: remove it, each start writes a new one",
				ErrDamaged, name, oneLine(readErr))
		}
	}
	if missing := missingTables(fsys, dir, names); len(missing) > 0 {
		return damaged("missing or cut short: %s", strings.Join(missing, ", "))
	}
	return damagedFile(err)
}

// newestOptions is the name of the OPTIONS that Pebble reads.
func newestOptions(names []string) (newest string) {
	highest := uint64(0)
	for _, name := range names {
		if n, ok := manifest.FileNumber(name, "OPTIONS-", ""); ok && n >= highest {
			newest, highest = name, n
		}
	}
	return newest
}

// missingTables are the names of the tables that the MANIFEST has, and that are not there with
// their size.
func missingTables(fsys vfs.FS, dir string, names []string) (missing []string) {
	m, err := currentManifest(fsys, dir, names)
	if err != nil || m == nil || m.Unrecognized {
		return nil
	}
	for number, size := range m.Files() {
		name := fmt.Sprintf("%06d.sst", number)
		info, err := fsys.Stat(fsys.PathJoin(dir, name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && uint64(info.Size()) != size {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}
