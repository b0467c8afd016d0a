package db

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/kv"
)

// The row of a token, at the key that keys.go draws:
//
//	format(1)  fingerprint(32)  expiry(8)  image(uvarint)*
//
// expiry is when the token is forgotten, milliseconds since 1970, which is also part of the key of its expiry row. There is an
// image for each action: the size of the larger of the item before and after it.
const (
	tokenFormat = 1
	tokenHead   = 1 + 32 + 8

	// tokenLife is how long a token is remembered after its transaction.
	tokenLife = 10 * time.Minute
	// tokenSlack is how far the clock may be set back and the tokens of before count still.
	tokenSlack = time.Minute
	// tokenChunk is how many tokens are forgotten at once.
	tokenChunk = 64
)

// Token is what makes a transaction happen once however often it is sent.
type Token struct {
	Namespace Namespace
	Operation TokenOperation // operations have tokens of their own
	Value     string         // the ClientRequestToken, 1 to 36 characters
	// Fingerprint tells requests apart that have the same token. It is over what a request means, not how it is written.
	Fingerprint [32]byte
}

// TokenOperation is an operation whose requests may have tokens. Its value is part of stored keys.
type TokenOperation byte

// The operations with tokens.
const (
	TokenTransactWriteItems TokenOperation = 'w'
	TokenExecuteTransaction TokenOperation = 'x'
)

// appendKey appends the key of the token's row.
func (t *Token) appendKey(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, spaceTokens, tokenRow, byte(t.Operation), 0, 0, 0, 0, 0, 0, 0, 0)
	dst = appendGroups(dst, []byte(t.Namespace.Account))
	dst = appendGroups(dst, []byte(t.Namespace.Region))
	dst = append(dst, t.Value...)
	binary.BigEndian.PutUint64(dst[n+3:], xxhash.Sum64(dst[n+tokenScope:]))
	return dst
}

// Where the scope begins in the key of a token's row, and in that of its expiry row.
const (
	tokenScope       = 3 + 8
	tokenExpiryScope = 2 + 8 + 1
)

// appendTokenExpiryKey appends the key of the expiry row that belongs to the row of a token.
func appendTokenExpiryKey(dst, tokenKey []byte, expiry uint64) []byte {
	dst = append(dst, spaceTokens, tokenExpiry)
	dst = binary.BigEndian.AppendUint64(dst, expiry)
	dst = append(dst, tokenKey[2])
	return append(dst, tokenKey[tokenScope:]...)
}

// splitTokenExpiryKey is the reverse of appendTokenExpiryKey.
func splitTokenExpiryKey(key []byte) (tokenKey []byte, expiry uint64) {
	scope := key[tokenExpiryScope:]
	tokenKey = []byte{spaceTokens, tokenRow, key[tokenExpiryScope-1]}
	tokenKey = binary.BigEndian.AppendUint64(tokenKey, xxhash.Sum64(scope))
	return append(tokenKey, scope...), binary.BigEndian.Uint64(key[2:])
}

// tokenExpiryOf is the expiry in the row of a token.
func tokenExpiryOf(row []byte) uint64 { return binary.BigEndian.Uint64(row[tokenHead-8:]) }

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

// checkTokenRow refuses a row that is damaged or of a newer format.
func checkTokenRow(key, row []byte) error {
	if len(row) < tokenHead || row[0] != tokenFormat {
		return fmt.Errorf("token row %x is damaged or was written by a newer version", key)
	}
	return nil
}

// readToken looks at the row of the token. It fills in x.out if that makes the transaction a replay, and returns
// ErrTokenMismatch if it was another request's. used is the expiry of a row whose time is over, 0 if there is none.
func (x *transactor) readToken(tx kv.Txn) (used uint64, err error) {
	if x.token == nil {
		return 0, nil
	}
	row, err := tx.Get(x.token)
	if err != nil || row == nil {
		return 0, err
	}
	if err := checkTokenRow(x.token, row); err != nil {
		return 0, err
	}
	switch expiry := tokenExpiryOf(row); {
	case tokenOver(expiry, x.d.now()):
		return expiry, nil
	case !bytes.Equal(row[1:tokenHead-8], x.t.Token.Fingerprint[:]):
		return 0, ErrTokenMismatch
	}
	x.out.Replayed = true
	for rest := row[tokenHead:]; len(rest) > 0; {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			return 0, checkTokenRow(x.token, nil)
		}
		x.out.Images, rest = append(x.out.Images, int(n)), rest[size:]
	}
	return 0, nil
}

// writeToken remembers the token with the transaction's batch, in place of what used, if not 0, is the expiry of.
func (x *transactor) writeToken(tx kv.Txn, used uint64) {
	if x.token == nil {
		return
	}
	if used != 0 {
		tx.Delete(appendTokenExpiryKey(nil, x.token, used))
	}
	expiry := uint64(x.d.now().Add(tokenLife).UnixMilli())
	row := append(make([]byte, 0, tokenHead+3*len(x.images)), tokenFormat)
	row = append(row, x.t.Token.Fingerprint[:]...)
	row = binary.BigEndian.AppendUint64(row, expiry)
	for _, n := range x.images {
		row = binary.AppendUvarint(row, uint64(n))
	}
	tx.Set(x.token, row)
	tx.Set(appendTokenExpiryKey(nil, x.token, expiry), nil)
}

// forgetTokens removes the tokens of transactions whose ten minutes are over, or would be later
// than those of one that is made now.
func (d *DB) forgetTokens(ctx context.Context) error {
	from, to := tokensLive(d.now())
	prefix := []byte{spaceTokens, tokenExpiry}
	past := kv.Range{Start: prefix, End: binary.BigEndian.AppendUint64(prefix[:2:2], from)}
	ahead := kv.Range{Start: binary.BigEndian.AppendUint64(prefix[:2:2], to+1), End: prefixEnd(prefix)}
	return errors.Join(d.forgetTokensIn(ctx, past), d.forgetTokensIn(ctx, ahead))
}

// forgetTokensIn removes the tokens of a range of expiry rows.
func (d *DB) forgetTokensIn(ctx context.Context, rows kv.Range) error {
	for {
		var due [][]byte
		err := d.kv.View(ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
			due = nil
			return r.Scan(rows, false, func(key, _ []byte) (bool, error) {
				if len(key) < tokenExpiryScope {
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
// has been used again meanwhile, or the clock was set and it counts again.
func (d *DB) forgetDue(ctx context.Context, due [][]byte) error {
	tokens, expiries := make([][]byte, len(due)), make([]uint64, len(due))
	for i := range due {
		tokens[i], expiries[i] = splitTokenExpiryKey(due[i])
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
			if row != nil && checkTokenRow(token, row) == nil && tokenExpiryOf(row) == expiries[i] {
				tx.Delete(token)
			}
			tx.Delete(due[i])
		}
		return nil
	})
}
