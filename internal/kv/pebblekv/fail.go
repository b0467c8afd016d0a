package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/kv"
)

// fail stops the engine for good: every pending and later call answers with an error that is
// kv.ErrFailed, and nothing more reaches the disk. Only the first cause counts.
func (e *Engine) fail(cause error) {
	e.failOnce.Do(func() {
		opened := e.opened.Load()
		if e.failCause = cause; opened {
			e.failCause = fmt.Errorf("%w: %w", kv.ErrFailed, cause)
		}
		// Before discard: whoever sees a discarded write succeed looks at e.failed afterwards.
		close(e.failed)
		e.fs.discard()
		if !opened {
			return
		}
		e.log.Error("the storage engine has stopped itself", "error", cause)
		if e.onFailure != nil {
			go e.onFailure(cause) // Pebble may hold its locks here, and the callee may want to close us
		}
	})
}

// failure is the error of a stopped engine, and nil while it runs.
func (e *Engine) failure() error {
	select {
	case <-e.failed:
		return e.failCause
	default:
		return nil
	}
}

// engineCall is deferred around every call into Pebble that takes its locks: a panic inside leaves
// them in an unknown state, so it stops the engine. Reads of a view defer view.leave instead, which
// tells the caller's panics from Pebble's. Where a view is closed by a defer as well, engineCall is
// deferred after that, so that it runs first and the view leaves Pebble alone.
func (e *Engine) engineCall(err *error) {
	if r := recover(); r != nil {
		*err = e.failPanic(r)
	}
}

// failPanic stops the engine for a panic inside Pebble. Its locks may be held forever, so Close
// will not call it.
func (e *Engine) failPanic(r any) error {
	e.poisoned.Store(true)
	e.fail(fmt.Errorf("panic in the storage engine: %v\n%s", r, debug.Stack()))
	return e.failure()
}

// pebbleLogger passes Pebble's messages on.
type pebbleLogger struct{ e *Engine }

// LevelTrace is the level of Pebble's own lines. It is below debug, as they are so many that the
// lines about requests could not be found among them.
const LevelTrace = slog.LevelDebug - 4

// Infof logs, at LevelTrace, what Pebble finds at a start and each compaction.
func (l pebbleLogger) Infof(format string, args ...any) {
	if l.e.log.Enabled(context.Background(), LevelTrace) {
		l.e.log.Log(context.Background(), LevelTrace, fmt.Sprintf(format, args...), "component", "engine")
	}
}

// Errorf logs background work that failed and will be tried again.
func (l pebbleLogger) Errorf(format string, args ...any) {
	var about []any
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			about = append(about, pathAttr(err)...)
		}
	}
	l.e.background.warn(l.e.log, fmt.Sprintf(format, args...), about...)
}

// events has Pebble report what the person on call should know.
func (e *Engine) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: e.backgroundError,
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			e.log.Error("a data file is damaged", "path", i.Path, "error", i.Details, "remedy", remedy)
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			e.stalls.began.Store(int64(sinceStart()))
			e.log.Warn("writes are stalled", "reason", i.Reason)
		},
		WriteStallEnd: func() {
			e.stalls.end(processStart.Add(time.Duration(e.stalls.began.Swap(0))))
			e.log.Info("writes go on")
		},
	}
}

// backgroundError logs a failed flush or compaction. Pebble tries it again.
func (e *Engine) backgroundError(err error) {
	e.background.warn(e.log, "background work failed", append(pathAttr(err), "error", err.Error())...)
}

// pathAttr is the attribute of the log that says what file an error is about; none where the error
// does not say.
func pathAttr(err error) []any {
	if path := pathOf(err); path != "" {
		return []any{"path", path}
	}
	return nil
}

// pathOf is the file or directory that an error of background work is about, empty where it does
// not say.
func pathOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Old
	}
	if e := pebble.ExtractDataCorruptionInfo(err); e != nil {
		return e.Path
	}
	return ""
}

// limitedLog logs what may fail again and again: at most once a second, and then how often it was
// silent in between.
type limitedLog struct {
	mu     sync.Mutex
	next   time.Time
	silent int
}

func (r *limitedLog) warn(log *slog.Logger, text string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next) {
		r.silent++
		return
	}
	if r.silent > 0 {
		args = append(args, "not_logged", r.silent)
	}
	log.Warn(text, args...)
	r.next, r.silent = now.Add(time.Second), 0
}

// Fatalf is called where Pebble would end the process, after a MANIFEST that cannot be written for
// one. A library may not, so it stops the engine and returns: nothing that Pebble does after it
// reaches the disk.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.e.fail(fatalCause(format, args))
}
