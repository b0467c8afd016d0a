package db

import (
	"context"
	"errors"

	"github.com/partita-db/partita/internal/kv"
)

// ErrNoBackup says that the engine cannot copy itself.
var ErrNoBackup = errors.New("db: the engine cannot write a copy of itself")

// Backup writes a consistent copy of everything into a directory, which must not exist or be empty,
// and whose parent must exist. It holds all that was acknowledged before. If it fails, or ctx ends,
// nothing is left of it.
func (d *DB) Backup(ctx context.Context, dir string) error {
	c, ok := d.kv.(kv.Checkpointer)
	if !ok {
		return ErrNoBackup
	}
	return c.Checkpoint(ctx, dir)
}
