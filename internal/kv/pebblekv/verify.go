package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// VerifyFiles implements kv.Verifier: it reads every block of every table and compares its
// checksum, and, where those are right, looks whether the levels of the store agree. The log was
// read, and its checksums compared, when the engine was opened.
func (e *Engine) VerifyFiles(ctx context.Context, progress func(done, total int64)) (damage []string, err error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.exit()
	defer e.engineCall(&err)
	tables, total, err := e.tables()
	if err != nil {
		return nil, err
	}
	options, done := e.pebbleOptions(Options{}), int64(0)
	options.EnsureDefaults()
	for _, t := range tables {
		if err := ctx.Err(); err != nil {
			return damage, err
		}
		err := e.verifyTable(t.name, options.MakeReaderOptions())
		switch {
		case errors.Is(err, fs.ErrNotExist) && !e.readOnly: // compacted away meanwhile
		case err != nil:
			damage = append(damage, fmt.Sprintf("%s: %s; %s", t.name, withoutNumber(err), remedy))
		}
		if done += t.size; progress != nil {
			progress(done, total)
		}
	}
	if len(damage) == 0 {
		if err := e.db.CheckLevels(&pebble.CheckLevelsStats{}); err != nil {
			damage = append(damage, fmt.Sprintf("the levels of the store disagree: %v", err))
		}
	}
	return damage, ctx.Err()
}

// withoutNumber is an error's text without the number of a file that Pebble says it is about: a
// table that is read by itself is always 0.
func withoutNumber(err error) string {
	return strings.ReplaceAll(err.Error(), "pebble: file 000000: ", "")
}

// tableFile is a file that holds rows.
type tableFile struct {
	name string
	size int64
}

// tables are the files that the store holds rows in. Several tables can be parts of one file.
func (e *Engine) tables() (files []tableFile, total int64, err error) {
	levels, err := e.db.SSTables()
	seen := map[string]bool{}
	for _, level := range levels {
		for _, t := range level {
			name := fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum))
			if seen[name] {
				continue
			}
			seen[name] = true
			info, err := e.fs.Stat(e.fs.PathJoin(e.dir, name))
			if err != nil {
				files = append(files, tableFile{name, 0}) // opening it will tell
				continue
			}
			files = append(files, tableFile{name, info.Size()})
			total += info.Size()
		}
	}
	return files, total, err
}

func (e *Engine) verifyTable(name string, o sstable.ReaderOptions) error {
	f, err := e.fs.Open(e.fs.PathJoin(e.dir, name))
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(context.Background(), readable, o)
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}
