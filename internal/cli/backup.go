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
	Dest           string `arg:"" placeholder:"DIR" help:"Directory to write, on the server's machine. It must not exist, or be empty; its parent must exist."`
	Data           string `placeholder:"DIR" help:"Data directory of the server, where its admin address and token are found. Default: ./partita-data, or /var/lib/partita/data or /var/lib/partita if only that exists."`
	AdminAddr      string `placeholder:"HOST:PORT" help:"Admin address of the server, instead of the one in the data directory."`
	AdminTokenFile string `placeholder:"FILE" help:"File with the admin token, for a server whose token is not in the data directory. $$PARTITA_ADMIN_TOKEN can hold the token itself instead."`

	AdminToken adminToken `hidden:""`
	Offline    bool       `help:"Copy the data directory of a stopped server."`

	data dataDir // what --data means
}

// Help adds to the command's help.
func (*backup) Help() string {
	return `Asks a running server to write a copy of all its data to a directory, while it serves requests.
The copy holds everything that was answered before. On the volume of the data it shares those files with the
server that never change, which takes little time and space, but does not survive the loss of the disk: keep
copies elsewhere, too.

Examples:

	partita backup /backups/monday
	partita backup /backups/monday --data /srv/partita
	partita check --data /backups/monday`
}

// Run implements the command.
func (c *backup) Run(s *streams) error {
	dest, err := filepath.Abs(c.Dest)
	if err != nil {
		return err
	}
	c.data = findData(c.Data, s.systemData)
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

// rounded is a duration as it is printed.
func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// offline copies a directory that no server has open.
func (c *backup) offline(s *streams, dest string, p *progress) (int64, error) {
	data, err := filepath.Abs(c.data.path)
	if err != nil {
		return 0, err
	}
	if dir, err := os.Open(data); err == nil {
		dir.Close()
	} else if errors.Is(err, fs.ErrPermission) {
		return 0, c.data.explain(err) // later errors can be about the destination
	}
	total, err := copyDir(s, data, dest, p)
	if errors.Is(err, pebblekv.ErrLocked) {
		err = fmt.Errorf("%w (a server has it open: without --offline it writes the backup itself)", err)
	}
	return total, err
}

// adminFile is the name of the file in a data directory with the admin address of its server and
// the token.
const adminFile = "admin.json"

// reach returns the admin address and the token. It uses the token in the data directory's file for
// the address there only, and only while some process has the directory open: a server that was
// killed leaves the file, a copy of the directory contains it, too, and any program may listen on
// that port by now. It would receive the token.
func (c *backup) reach() (adminAt, error) {
	there, err := findAdmin("", c.data.path)
	if there.Token != "" && !isOpen(c.data.path) {
		there.Token = ""
		if c.AdminAddr == "" {
			return there, fmt.Errorf("no server has %s open, and its %s is left from one that was killed, or copied "+
				"(--offline copies what a stopped server has left)", c.data.path, adminFile)
		}
	}
	if _, statErr := os.Stat(filepath.Join(c.data.path, adminFile)); c.AdminAddr == "" {
		if errors.Is(statErr, fs.ErrNotExist) {
			err = fmt.Errorf("there is no %s in %s: no server with an admin address is running there "+
				"(--offline copies what a stopped server has left)", adminFile, c.data.path)
		}
		if err != nil {
			return there, c.data.explain(err)
		}
	}
	to, err := findAdmin(c.AdminAddr, c.data.path)
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

// online has the server write the copy, and returns its size in bytes.
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
		return 0, fmt.Errorf("the server at %s requires another admin token (--admin-token-file)", to.Addr)
	}
	return readBackup(resp, p)
}

// readBackup reads the answer up to its last line.
func readBackup(resp *http.Response, p *progress) (int64, error) {
	for d := json.NewDecoder(resp.Body); ; {
		var line backupLine
		switch err := d.Decode(&line); {
		case err != nil && resp.StatusCode != http.StatusOK:
			return 0, fmt.Errorf("the server answers %s: it does not support backups", cmp.Or(resp.Status, "nothing"))
		case err != nil:
			return 0, fmt.Errorf("the server stopped responding, and the backup is not complete: %w", err)
		case line.Error != "":
			return 0, fmt.Errorf("the server wrote no backup: %s", line.Error)
		case line.Done:
			return line.Bytes, nil
		}
		p.tell("writing", line.Bytes, 0, byteCount)
	}
}
