package inspect

import (
	"iter"
	"time"

	"github.com/partita-db/partita/internal/schema"
)

// Token is a token of a transaction that was done. One that is under way has no row: the token is
// stored in the same batch as the items.
type Token struct {
	Key, Value []byte
	Token      *schema.Token // nil if it cannot be read; Fingerprint is filled in
	// Expires is when the token is forgotten. It is Over when that has come: a transaction with the
	// token would be done anew.
	Expires time.Time
	Over    bool
	// Images are the sizes, of each action, of the larger of the item before and after it.
	Images []int
	Damage string // why it cannot be read
}

// Tokens are the tokens of transactions, by operation and hash.
func (v *View) Tokens() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) { walk(v, schema.TokenRange(), v.readToken, yield) }
}

// readToken reads a row of a token; shown is false for the rows that say when tokens are forgotten.
func (v *View) readToken(key, value []byte) (t Token, shown bool) {
	t = Token{Key: key, Value: value}
	if !schema.IsTokenKey(key) {
		of, expiry, ok := schema.SplitTokenExpiryKey(key)
		if ok && string(schema.AppendTokenExpiryKey(nil, of, expiry)) == string(key) {
			return t, false
		}
		t.Damage = "its key is no token's"
		return t, true
	}
	_, err := schema.VerifyToken(key, value)
	token, ok := schema.ReadTokenKey(key)
	switch {
	case err != nil:
		t.Damage = err.Error()
		return t, true
	case !ok:
		t.Damage = "its key is damaged"
		return t, true
	}
	row, _ := schema.ParseTokenRow(key, value) // which VerifyToken has read
	token.Fingerprint = row.Fingerprint
	t.Token, t.Expires = token, time.UnixMilli(int64(row.Expiry)).UTC()
	t.Over = !v.now.Before(t.Expires)
	for {
		size, more, err := row.NextImage()
		if !more || err != nil {
			return t, true
		}
		t.Images = append(t.Images, size)
	}
}
