package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readyFile is a file that exists while requests are served, with the URL to connect to in its one
// line. Without a name there is none.
type readyFile struct {
	name    string
	written string // its contents until it is removed; empty: it was not written
}

// UnmarshalText takes the name.
func (f *readyFile) UnmarshalText(text []byte) error {
	f.name = string(text)
	return nil
}

// maxReadyFile is more than the length of any URL that write writes.
const maxReadyFile = 1024

// begin removes the file of an earlier run, and checks that one can be written, so that a mistake
// in the name is reported before the database is opened.
func (f *readyFile) begin() error {
	if f.name == "" {
		return nil
	}
	err := f.clear()
	if err == nil {
		var probe string
		if probe, err = f.temporary(""); err == nil {
			err = os.Remove(probe)
		}
	}
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}

// clear removes the file if a server has written it, or if it is empty. Any other is an error: the
// name may be a mistake.
func (f *readyFile) clear() error {
	info, err := os.Lstat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s already exists, and is not a file", f.name)
	}
	foreign := info.Size() > maxReadyFile
	if !foreign && info.Size() > 0 {
		text, err := os.ReadFile(f.name)
		if err != nil {
			return err
		}
		url, ended := strings.CutSuffix(string(text), "\n")
		foreign = !ended || strings.ContainsAny(url, " \n") ||
			!strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://")
	}
	if foreign {
		return fmt.Errorf("%s already exists, and no server has written it; remove it, or choose another name", f.name)
	}
	return os.Remove(f.name)
}

// temporary writes the text to a temporary file in the same directory.
func (f *readyFile) temporary(text string) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(f.name), filepath.Base(f.name)+".*.tmp")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(file.Name())
	}
	return file.Name(), err
}

// write writes the file atomically: who waits for it never reads half of a URL.
func (f *readyFile) write(url string) error {
	if f.name == "" {
		return nil
	}
	text := url + "\n"
	name, err := f.temporary(text)
	if err == nil {
		if err = os.Rename(name, f.name); err != nil {
			os.Remove(name)
		}
	}
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	f.written = text
	return nil
}

// remove removes the file, unless another server has replaced it. A second call does nothing.
func (f *readyFile) remove() {
	if f.written == "" {
		return
	}
	if text, err := os.ReadFile(f.name); err == nil && string(text) == f.written {
		os.Remove(f.name)
	}
	f.written = ""
}
