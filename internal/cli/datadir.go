package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// systemData is where a server that the system's service manager runs has its data: in a directory
// data there, as the unit in packaging/ sets it, or in the directory itself.
const systemData = "/var/lib/partita"

// dataDir is the data directory of a server that a command is about.
type dataDir struct {
	path  string
	given bool   // by --data or its variable
	user  string // the user who can read it, in words
}

// findData returns the data directory that is given, by --data or its variable; else the default
// one if it exists; else the system's if it exists, or if this user may not see whether it does;
// else the default one.
func findData(given, system string) dataDir {
	d := dataDir{path: given, given: given != "", user: "the user that the server runs as"}
	if !d.given {
		d.path = defaultData
		if _, err := os.Stat(defaultData); err != nil && isThere(system) {
			d.path = system
			if below := filepath.Join(system, "data"); isThere(below) {
				d.path = below
			}
		}
	}
	if d.path == system || filepath.Dir(d.path) == system {
		d.user = "the user partita"
	}
	return d
}

// isThere tells whether there is a directory, as far as this user may know.
func isThere(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir() || errors.Is(err, fs.ErrPermission)
}

// explain adds, to an error because this user may not read the directory, which user may. It
// returns all other errors unchanged.
func (d dataDir) explain(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w (run it as root or as %s)", err, d.user)
}
