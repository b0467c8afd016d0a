package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// backup has a running server write a copy of all its data.
type backup struct {
	Dest           string `arg:"" help:"The directory to write, on the server's machine. It must not exist, or be empty; its parent must exist."`
	Data           string `placeholder:"DIR" help:"The data directory of the server, where its admin address and token are found. Default: ./partita-data."`
	AdminAddr      string `placeholder:"HOST:PORT" help:"The server's admin address, instead of --data."`
	AdminTokenFile string `placeholder:"FILE" help:"A file that holds the admin token."`
	Offline        bool   `help:"Copy the data directory of a server that is stopped."`
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

// reach is where an admin address is, and what opens it.
type reach struct{ Address, Token string }

// reach finds out where to ask.
func (c *backup) reach() (to reach, err error) {
	b, err := os.ReadFile(filepath.Join(c.Data, adminFile))
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &to); err != nil {
			return to, fmt.Errorf("reading %s: %w", filepath.Join(c.Data, adminFile), err)
		}
	case c.AdminAddr == "" && errors.Is(err, fs.ErrNotExist):
		return to, fmt.Errorf("there is no %s in %s: no server with an admin address is running there (--offline copies what a stopped server has left)", adminFile, c.Data)
	case c.AdminAddr == "":
		return to, err
	}
	if c.AdminAddr != "" && c.AdminAddr != to.Address {
		to = reach{Address: c.AdminAddr}
	}
	if c.AdminTokenFile != "" {
		b, err := os.ReadFile(c.AdminTokenFile)
		if err != nil {
			return to, fmt.Errorf("reading the admin token: %w", err)
		}
		to.Token = strings.TrimSpace(string(b))
	}
	return to, nil
}

// url is the address as a URL.
func (r reach) url() string {
	if strings.Contains(r.Address, "://") {
		return strings.TrimSuffix(r.Address, "/")
	}
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		return "http://" + r.Address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
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
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url()+"/backup", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+to.Token)
	client := &http.Client{Transport: &http.Transport{}} // no proxy: the address is the server's own
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asking the server for a backup: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return 0, fmt.Errorf("the server at %s wants another admin token (--admin-token-file)", to.Address)
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
