package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// backup has a running server write a copy of all its data.
type backup struct {
	Dest           string `arg:"" help:"The directory to write, on the server's machine. It must not exist, or be empty; its parent must exist."`
	Data           string `placeholder:"DIR" help:"The data directory of the server, where its admin address and token are found. Default: ./partita-data."`
	AdminAddr      string `placeholder:"HOST:PORT" help:"The server's admin address, instead of --data."`
	AdminTokenFile string `placeholder:"FILE" help:"A file that holds the admin token."`

	AdminToken adminToken `hidden:""`
	Offline    bool       `help:"Copy the data directory of a server that is stopped."`
}

// Help adds to the command's help.
func (*backup) Help() string {
	return "The server goes on meanwhile. The copy holds all that was answered before; on the volume of the data it shares the files " +
		"that never change, takes little time and space, and does not outlive the disk: keep copies elsewhere as well. " +
		"\"partita check --data DEST\" verifies it."
}

// Run implements the command.
func (c *backup) Run(s *streams) error {
	dest, err := filepath.Abs(c.Dest)
	if err != nil {
		return err
	}
	if c.Data == "" {
		c.Data = defaultData
	}
	p := newProgress(s.stderr)
	defer p.end()
	total := int64(0)
	switch {
	case c.Offline && c.AdminAddr != "":
		return errors.New("--offline copies a stopped server's directory, and --admin-addr is that of a running one; give one of them")
	case c.Offline:
		total, err = c.offline(s, dest, p)
	default:
		total, err = c.online(s.ctx, dest, p)
	}
	if err != nil {
		return err
	}
	p.end()
	fmt.Fprintf(s.stdout, "backup written to %s: %s in %v\n", dest, byteCount(total), rounded(p.took()))
	return nil
}

// rounded is a time for people.
func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// offline copies a directory that no server has open.
func (c *backup) offline(s *streams, dest string, p *progress) (int64, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return 0, err
	}
	total, err := copyDir(s, data, dest, p)
	if errors.Is(err, pebblekv.ErrLocked) {
		err = fmt.Errorf("%w (a server has it open: without --offline it writes the backup itself)", err)
	}
	return total, err
}

// adminFile is the file in a data directory that says where the admin address of its server is, and what the token.
const adminFile = "admin.json"

// reach finds out where to ask, and what opens it. The token in the data directory's file is for the address there only, and only
// while somebody has the directory open: a server that was killed leaves the file, a copy of the directory has it too, and anybody
// can have the port by now.
func (c *backup) reach() (adminAt, error) {
	there, err := findAdmin("", c.Data)
	if there.Token != "" && !isOpen(c.Data) {
		there.Token = ""
		if c.AdminAddr == "" {
			return there, fmt.Errorf("no server has %s open, and its %s is left from one that was killed, or copied "+
				"(--offline copies what a stopped server has left)", c.Data, adminFile)
		}
	}
	if _, statErr := os.Stat(filepath.Join(c.Data, adminFile)); c.AdminAddr == "" {
		if errors.Is(statErr, fs.ErrNotExist) {
			err = fmt.Errorf("there is no %s in %s: no server with an admin address is running there "+
				"(--offline copies what a stopped server has left)", adminFile, c.Data)
		}
		if err != nil {
			return there, err
		}
	}
	to, err := findAdmin(c.AdminAddr, c.Data)
	if to.Token = ""; to.Addr == there.Addr {
		to.Token = there.Token
	}
	given := adminFlags{AdminTokenFile: c.AdminTokenFile, AdminToken: c.AdminToken}
	token, tokenErr := given.token()
	if token != "" {
		to.Token = token
	}
	return to, errors.Join(err, tokenErr)
}

// isOpen tells whether a process has the data directory open.
func isOpen(dir string) bool {
	dir, err := filepath.Abs(dir)
	return err == nil && errors.Is(pebblekv.CheckFormat(dir), pebblekv.ErrLocked)
}

// backupLine is a line of the admin address's answer.
type backupLine struct {
	Bytes int64
	Done  bool
	Error string
}

// online asks the server, and returns the bytes of the copy.
func (c *backup) online(ctx context.Context, dest string, p *progress) (int64, error) {
	to, err := c.reach()
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]string{"directory": dest})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.Addr+"/backup", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if to.Token != "" {
		r.Header.Set("Authorization", "Bearer "+to.Token)
	}
	client := adminClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asking the server for a backup: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return 0, fmt.Errorf("the server at %s wants another admin token (--admin-token-file)", to.Addr)
	}
	return readBackup(resp, p)
}

// readBackup reads the answer up to its last line.
func readBackup(resp *http.Response, p *progress) (int64, error) {
	for d := json.NewDecoder(resp.Body); ; {
		var line backupLine
		switch err := d.Decode(&line); {
		case err != nil && resp.StatusCode != http.StatusOK:
			return 0, fmt.Errorf("the server answers %s: it has no such thing as a backup", cmp.Or(resp.Status, "nothing"))
		case err != nil:
			return 0, fmt.Errorf("the server broke off, and the backup is not complete: %w", err)
		case line.Error != "":
			return 0, fmt.Errorf("the server wrote no backup: %s", line.Error)
		case line.Done:
			return line.Bytes, nil
		}
		p.tell("writing", line.Bytes, 0, byteCount)
	}
}
