package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// backupRequest is the body of POST /backup.
type backupRequest struct {
	// Directory is where to write the copy: an absolute path on the server's machine.
	Directory string `json:"directory"`
}

// backupAnswer is a line of the answer to POST /backup. While the copy is being written there is a
// line each second, and the last line has Done or Error. An error before the first line has an
// error status.
type backupAnswer struct {
	Directory string  `json:"directory"`
	Bytes     int64   `json:"bytes"` // written so far, including files that are links to the server's
	Seconds   float64 `json:"seconds"`
	Done      bool    `json:"done,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// backupPatience is how long the first line is delayed: until then an error can have a status.
const backupPatience = time.Second

// backup writes a copy of all data into a directory, one at a time. When the client closes the
// connection the copy is stopped and removed.
func (h *Handler) backup(w http.ResponseWriter, r *http.Request) {
	dir, err := readBackupRequest(r)
	if err != nil {
		answerBackup(w, http.StatusBadRequest, backupAnswer{Error: err.Error()})
		return
	}
	s := h.source.Load()
	if s == nil {
		answerBackup(w, http.StatusServiceUnavailable, backupAnswer{Directory: dir, Error: errStarting.Error()})
		return
	}
	copier, ok := s.Engine.(kv.Checkpointer)
	if !ok {
		answerBackup(w, http.StatusNotImplemented, backupAnswer{
			Directory: dir, Error: "the engine of this server cannot copy itself",
		})
		return
	}
	if !h.backingUp.TryLock() {
		answerBackup(w, http.StatusConflict, backupAnswer{Directory: dir, Error: "another backup is being written"})
		return
	}
	h.runBackup(w, r, copier, dir)
}

// readBackupRequest returns the directory that the request names.
func readBackupRequest(r *http.Request) (string, error) {
	var in backupRequest
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return "", fmt.Errorf("the request is no backup's: %w", err)
	}
	if !filepath.IsAbs(in.Directory) {
		return "", fmt.Errorf("the directory %q is not an absolute path", in.Directory)
	}
	return filepath.Clean(in.Directory), nil
}

// runBackup writes the copy and the answer. It owns h.backingUp, which it unlocks.
func (h *Handler) runBackup(w http.ResponseWriter, r *http.Request, copier kv.Checkpointer, dir string) {
	control := http.NewResponseController(w) // the server's timeouts are for shorter answers
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	began, done := time.Now(), make(chan error, 1)
	go func() {
		err := copier.Checkpoint(r.Context(), dir)
		h.backingUp.Unlock() // before the client learns of the end and may start the next backup
		done <- err
	}()
	ticker := time.NewTicker(backupPatience)
	defer ticker.Stop()
	status := 0
	for {
		select {
		case err := <-done:
			answer := backupAnswer{Directory: dir, Seconds: time.Since(began).Seconds(), Done: err == nil}
			if err != nil { // the directory may then not be ours, and large: it is not measured
				answer.Error = backupError(err)
				h.log.Warn("a backup failed", "directory", dir, "error", err)
			} else {
				answer.Bytes = size(dir)
				h.log.Info("a backup was written", "directory", dir, "bytes", answer.Bytes, "seconds", answer.Seconds)
			}
			if status == 0 {
				status = backupStatus(err)
				answerBackup(w, status, answer)
				return
			}
			writeLine(w, answer)
			return
		case <-ticker.C:
			if status == 0 {
				status = http.StatusOK
				w.Header().Set("Content-Type", "application/x-ndjson")
				w.WriteHeader(status)
			}
			writeLine(w, backupAnswer{Directory: dir, Bytes: size(dir), Seconds: time.Since(began).Seconds()})
		}
	}
}

// backupStatus is the status for the outcome of a backup.
func backupStatus(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, kv.ErrFailed), errors.Is(err, kv.ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// backupError words an error for the client, who may be another user than the server's.
func backupError(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("the server, which runs as user id %d, may not do that: %v", os.Getuid(), err)
	}
	if errors.Is(err, context.Canceled) {
		return "the backup was cancelled, and nothing is left of it"
	}
	return err.Error()
}

// answerBackup answers with a status.
func answerBackup(w http.ResponseWriter, status int, a backupAnswer) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(status)
	writeLine(w, a)
}

// writeLine writes a line of an answer at once.
func writeLine(w http.ResponseWriter, a backupAnswer) {
	_ = json.NewEncoder(w).Encode(a) // if the client is gone the request's context ends the backup
	_ = http.NewResponseController(w).Flush()
}

// size is how many bytes the files in a directory have. It ignores files that vanish meanwhile.
func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
