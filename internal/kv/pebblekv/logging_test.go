package pebblekv

import (
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestPebblesLines opens stores and has them flush: at debug level Pebble's own lines are not in
// the log, and below it they are.
func TestPebblesLines(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, LevelTrace} {
		log := new(testLog)
		o := smallOptions(vfs.NewMem(), log)
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
		e := mustOpen(t, o)
		fillRows(t, e, 0, 40)
		await(t, "a flush", func() bool { return e.db.Metrics().Flush.Count > 0 })
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		text := log.String()
		if its := strings.Contains(text, "component=engine") && strings.Contains(text,
			"WALs"); its != (level == LevelTrace) {
			t.Errorf("at level %v there are lines of Pebble: %v\n%s", level, its, text)
		}
	}
}

// TestBackgroundErrorNamesFile has the writing of table files fail as the operating system has it:
// the log says which file.
func TestBackgroundErrorNamesFile(t *testing.T) {
	log := new(testLog)
	b := &breaker{match: on(".sst", errorfs.OpFileWrite), with: func(op errorfs.Op) error {
		return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.EIO}
	}}
	e := mustOpen(t, smallOptions(errorfs.Wrap(vfs.NewMem(), b), log))
	b.armed.Store(true)
	fillRows(t, e, 0, 40)
	await(t, "a line", func() bool { return strings.Contains(log.String(), "background work failed") })
	b.armed.Store(false)
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "background work failed") && (!strings.Contains(line, "level=WARN") ||
			!strings.Contains(line, "path=data/") || !strings.Contains(line, ".sst")) {
			t.Errorf("the line does not name the file: %s", line)
		}
	}
	expectRows(t, e, 0, 40)
}
