package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// restore makes a data directory of a backup.
type restore struct {
	Backup  string `arg:"" placeholder:"DIR" help:"Directory that \"partita backup\" has written."`
	Data    string `placeholder:"DIR" help:"Data directory to make. It must not exist, or be empty. Default: ./partita-data."`
	NoCheck bool   `help:"Verify only the format of the backup, and not everything in it."`
}

// Help adds to the command's help.
func (*restore) Help() string {
	return `Verifies the backup and makes a data directory of it. The backup is not changed and can be
restored again. On the volume of the backup the data directory shares those files with it that never change,
which takes little time and space. Run it as the user that the server runs as.

Example:

	partita restore /backups/monday --data new-data && partita serve --data new-data`
}

// Run implements the command.
func (c *restore) Run(s *streams) error {
	if c.Data == "" {
		c.Data = defaultData
	}
	from, fromErr := filepath.Abs(c.Backup)
	to, toErr := filepath.Abs(c.Data)
	if err := errors.Join(fromErr, toErr); err != nil {
		return err
	}
	p := newProgress(s.stderr)
	defer p.end()
	if err := errors.Join(pebblekv.CheckFormat(from), pebblekv.CheckVacant(to)); err != nil {
		return err
	}
	if !c.NoCheck {
		if err := c.check(s, from, p); err != nil {
			return err
		}
	}
	total, err := copyDir(s, from, to, p)
	if err != nil {
		return fmt.Errorf("restoring %s: %w", from, err)
	}
	fmt.Fprintf(s.stdout, "restored %s to %s: %s in %v; start it with: partita serve --data %s\n",
		from, to, byteCount(total), rounded(p.took()), to)
	return nil
}

// check verifies the backup. It prints the report only if there are problems.
func (c *restore) check(s *streams, dir string, p *progress) error {
	report, err := verifyDir(s.ctx, dir, fewProblems, p, s.stderr)
	if err != nil {
		return fmt.Errorf("checking the backup: %w", err)
	}
	if !report.Clean() {
		p.end()
		report.print(s.stdout, dir, p.took())
		return fmt.Errorf("there are problems in the backup %s, and nothing was restored (--no-check restores it as it is)", dir)
	}
	return nil
}

// copyDir copies a directory that no process has open, and returns its size in bytes.
func copyDir(s *streams, from, to string, p *progress) (total int64, err error) {
	err = pebblekv.CopyDir(s.ctx, from, to, func(done, all int64) {
		total = all
		p.tell("copying", done, all, byteCount)
	})
	p.end()
	return total, err
}
