package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

const (
	// tokenLife is how long a token is remembered after its transaction.
	tokenLife = 10 * time.Minute
	// tokenSlack is how far the clock may be set back and the tokens of before count still.
	tokenSlack = time.Minute
	// tokenChunk is how many tokens are forgotten at once.
	tokenChunk = 64
)

// tokenOver tells whether a token with the expiry is forgotten: its time is over, or it would live
// longer than one that is made now, and so was made by a clock that was wrong. What is over lies
// outside live.
func tokenOver(expiry uint64, now time.Time) bool {
	from, to := tokensLive(now)
	return expiry < from || expiry > to
}

// tokensLive are the first and the last expiry of tokens that are not forgotten.
func tokensLive(now time.Time) (from, to uint64) {
	return uint64(max(0, now.UnixMilli()+1)), uint64(max(0, now.Add(tokenLife+tokenSlack).UnixMilli()))
}

// readToken looks at the row of the token. It fills in x.out if that makes the transaction a
// replay, and returns ErrTokenMismatch if it was another request's. used is the expiry of a row
// whose time is over, 0 if there is none.
func (x *transactor) readToken(tx kv.Txn) (used uint64, err error) {
	if x.token == nil {
		return 0, nil
	}
	row, err := tx.Get(x.token)
	if err != nil || row == nil {
		return 0, err
	}
	stored, err := schema.ParseTokenRow(x.token, row)
	switch {
	case err != nil:
		return 0, err
	case tokenOver(stored.Expiry, x.d.now()):
		return stored.Expiry, nil
	case stored.Fingerprint != x.t.Token.Fingerprint:
		return 0, ErrTokenMismatch
	}
	x.out.Replayed = true
	for {
		image, more, err := stored.NextImage()
		if err != nil || !more {
			return 0, err
		}
		x.out.Images = append(x.out.Images, image)
	}
}

// writeToken remembers the token with the transaction's batch, in place of what used, if not 0, is
// the expiry of.
func (x *transactor) writeToken(tx kv.Txn, used uint64) {
	if x.token == nil {
		return
	}
	if used != 0 {
		tx.Delete(schema.AppendTokenExpiryKey(nil, x.token, used))
	}
	expiry := uint64(x.d.now().Add(tokenLife).UnixMilli())
	tx.Set(x.token, x.t.Token.AppendRow(nil, expiry, x.images))
	tx.Set(schema.AppendTokenExpiryKey(nil, x.token, expiry), nil)
}

// forgetTokens removes the tokens of transactions whose ten minutes are over, or would be later
// than those of one that is made now.
func (d *DB) forgetTokens(ctx context.Context) error {
	from, to := tokensLive(d.now())
	past, ahead := schema.TokenExpiriesOutside(from, to)
	return errors.Join(d.forgetTokensIn(ctx, past), d.forgetTokensIn(ctx, ahead))
}

// forgetTokensIn removes the tokens of a range of expiry rows.
func (d *DB) forgetTokensIn(ctx context.Context, rows kv.Range) error {
	for {
		var due [][]byte
		err := d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
			due = nil
			return r.Scan(rows, kv.Forward, func(key, _ []byte) (bool, error) {
				if _, _, ok := schema.SplitTokenExpiryKey(key); !ok {
					return false, fmt.Errorf("expiry row %x of a token is damaged", key)
				}
				due = append(due, bytes.Clone(key))
				return len(due) < tokenChunk, nil
			})
		})
		if err != nil || len(due) == 0 {
			return err
		}
		if err := d.forgetDue(ctx, due); err != nil {
			return fmt.Errorf("forgetting tokens: %w", err)
		}
		rows.Start = append(due[len(due)-1], 0)
	}
}

// forgetDue removes the expiry rows with the keys due, and the rows of their tokens, unless a token
// has been used again meanwhile, or the clock was set and it counts again. NoSync: a removal that a
// power cut takes back is repeated by the next sweep, and until then tokenOver says the same.
func (d *DB) forgetDue(ctx context.Context, due [][]byte) error {
	tokens, expiries := make([][]byte, len(due)), make([]uint64, len(due))
	for i := range due {
		tokens[i], expiries[i], _ = schema.SplitTokenExpiryKey(due[i])
	}
	return d.kv.Update(ctx, kv.WriteOptions{Lock: tokens, NoSync: true, MakesRoom: true}, func(tx kv.Txn) error {
		now := d.now()
		for i, token := range tokens {
			if !tokenOver(expiries[i], now) {
				continue
			}
			row, err := tx.Get(token)
			if err != nil {
				return err
			}
			if row != nil {
				if stored, err := schema.ParseTokenRow(token, row); err == nil && stored.Expiry == expiries[i] {
					tx.Delete(token)
				}
			}
			tx.Delete(due[i])
		}
		return nil
	})
}
