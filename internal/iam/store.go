package iam

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Store is the credentials that a server accepts, fixed or following a file. It is safe for
// concurrent use.
type Store struct {
	credentials atomic.Pointer[map[string]*Credential] // by access key id; the map does not change

	// Of a store that follows a file.
	path string
	log  *slog.Logger
	bad  atomic.Bool // the newest contents of the file could not be used
	seen fs.FileInfo // of the file when it was last read, successfully or not; nil: it could not be opened
	told string      // the last error that was logged
	stop func()
	done sync.WaitGroup
}

const (
	// pollInterval is how often the file is looked at.
	pollInterval = time.Second
	// maxDocumentBytes limits the memory that reading takes, far above the size of a real document.
	maxDocumentBytes = 16 << 20
)

// Parse returns a store of the credentials in a document, which never change.
func Parse(document []byte) (*Store, error) {
	credentials, err := parse(document)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	s := &Store{stop: func() {}}
	s.credentials.Store(&credentials)
	return s, nil
}

// OpenFile returns a store of the credentials in a file, which only its owner may be able to read.
// Until Close the store follows the file: a second after a change the new credentials are in force.
// A changed file that has an error, or that other users can read, is logged and leaves the
// credentials unchanged, so that a mistake in it does not lock all clients out. logger nil:
// slog.Default.
func OpenFile(path string, logger *slog.Logger) (*Store, error) {
	if logger == nil {
		logger = slog.Default()
	}
	document, info, err := read(path)
	if err != nil {
		return nil, err
	}
	credentials, err := parse(document)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials in %s: %w", path, err)
	}
	s := &Store{path: path, log: logger, seen: info}
	s.credentials.Store(&credentials)
	s.follow()
	return s, nil
}

// Lookup returns the credential of an access key id, if there is one.
func (s *Store) Lookup(accessKeyID string) (*Credential, bool) {
	c, ok := (*s.credentials.Load())[accessKeyID]
	return c, ok
}

// List returns all credentials, in the order of their access key ids.
func (s *Store) List() []*Credential {
	all := *s.credentials.Load()
	list := make([]*Credential, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[id])
	}
	return list
}

// Count tells how many access keys there are, and of how many users.
func (s *Store) Count() (credentials, users int) { return count(*s.credentials.Load()) }

// State is the state of a Store, for monitoring.
type State struct {
	Readable   bool      // the newest contents of the file are in force
	Keys       int       // including the expired ones
	Expired    int       // of them
	NextExpiry time.Time // when the next key expires; zero: none does
}

// State returns the state at now.
func (s *Store) State(now time.Time) State {
	all := *s.credentials.Load()
	state := State{Readable: !s.bad.Load(), Keys: len(all)}
	for _, c := range all {
		switch {
		case c.Expired(now):
			state.Expired++
		case !c.Expires.IsZero() && (state.NextExpiry.IsZero() || c.Expires.Before(state.NextExpiry)):
			state.NextExpiry = c.Expires
		}
	}
	return state
}

// Close stops following the file. The credentials remain as they are.
func (s *Store) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// count is Count of a map.
func count(credentials map[string]*Credential) (n, users int) {
	names := map[string]bool{}
	for _, c := range credentials {
		names[c.Principal.User] = true
	}
	return len(credentials), len(names)
}

// follow calls look each pollInterval until Close. Polling works on every file system, and also
// when the file is a link whose target is replaced.
func (s *Store) follow() {
	stopped := make(chan struct{})
	s.stop = sync.OnceFunc(func() { close(stopped) })
	s.done.Go(func() {
		tick := time.NewTicker(pollInterval)
		defer tick.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-tick.C:
				s.look()
			}
		}
	})
}

// look reads the file if its FileInfo has changed.
func (s *Store) look() {
	info, err := os.Stat(s.path)
	if err == nil && s.seen != nil && unchanged(s.seen, info) {
		return
	}
	document, info, err := read(s.path)
	s.seen = info
	var credentials map[string]*Credential
	if err == nil {
		if credentials, err = parse(document); err != nil {
			err = fmt.Errorf("reading the credentials in %s: %w", s.path, err)
		}
	}
	if err != nil {
		s.tell(err)
		return
	}
	s.told = ""
	s.credentials.Store(&credentials)
	s.bad.Store(false)
	n, users := count(credentials)
	s.log.Info("the credentials were read again", "file", s.path, "credentials", n, "users", users)
}

// tell logs an error once, however often it occurs in a row.
func (s *Store) tell(err error) {
	s.bad.Store(true)
	if s.told != err.Error() {
		s.told = err.Error()
		s.log.Error("the credentials stay as they were", "error", err)
	}
}

// unchanged tells whether a file is the same, as far as can be known without reading it.
func unchanged(old, new fs.FileInfo) bool {
	return os.SameFile(old, new) && old.Size() == new.Size() && old.Mode() == new.Mode() &&
		old.ModTime().Equal(new.ModTime())
}

// read reads a file of credentials. info is from before the reading, so that a change during it is
// found by the next look, and from the open file, so that it is about the one that was read even if
// it is replaced meanwhile.
func read(path string) (document []byte, info fs.FileInfo, err error) {
	f, err := open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the credentials: %w", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, fmt.Errorf("looking at the credentials: %w", err)
	}
	if err := private(path, info); err != nil {
		return nil, info, err
	}
	document, err = io.ReadAll(io.LimitReader(f, maxDocumentBytes+1))
	switch {
	case err != nil:
		return nil, info, fmt.Errorf("reading the credentials in %s: %w", path, err)
	case len(document) > maxDocumentBytes:
		return nil, info, fmt.Errorf("the credentials in %s are larger than 16 MiB", path)
	}
	return document, info, nil
}

// open opens a regular file. Any other is an error: opening a pipe would wait for a writer.
func open(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New(path + " is not a regular file")
	}
	return os.Open(path)
}

// private is an error for a file that users other than its owner may read or write. On Windows the
// mode does not tell, and it is always nil.
func private(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("the credentials in %s can be read or changed by others (mode %04o): chmod 600 %s", path, mode, path)
	}
	return nil
}
