package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/partita-db/partita/internal/kv"
)

// The row of a token, at the key that keys.go draws:
//
//	format(1)  fingerprint(32)  expiry(8)  image(uvarint)*
//
// expiry is when the token is forgotten, milliseconds since 1970, which is also part of the key of
// its expiry row. There is an image for each action: the size of the larger of the item before and
// after it.
const (
	tokenFormat = 1
	tokenHead   = 1 + 32 + 8
)

// Token is what makes a transaction happen once however often it is sent.
type Token struct {
	Namespace Namespace
	Operation TokenOperation // operations have tokens of their own
	Value     string         // the ClientRequestToken, 1 to 36 characters
	// Fingerprint tells requests apart that have the same token. It is over what a request means,
	// not how it is written.
	Fingerprint [32]byte
}

// TokenOperation is an operation whose requests may have tokens. Its value is part of stored keys.
type TokenOperation byte

// The operations with tokens.
const (
	TokenTransactWriteItems TokenOperation = 'w'
	TokenExecuteTransaction TokenOperation = 'x'
)

// AppendKey appends the key of the token's row.
func (t *Token) AppendKey(dst []byte) []byte {
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

// AppendTokenExpiryKey appends the key of the expiry row that belongs to the row of a token.
func AppendTokenExpiryKey(dst, tokenKey []byte, expiry uint64) []byte {
	dst = append(dst, spaceTokens, tokenExpiry)
	dst = binary.BigEndian.AppendUint64(dst, expiry)
	dst = append(dst, tokenKey[2])
	return append(dst, tokenKey[tokenScope:]...)
}

// SplitTokenExpiryKey is the reverse of AppendTokenExpiryKey; ok is false for a key that is too
// short.
func SplitTokenExpiryKey(key []byte) (tokenKey []byte, expiry uint64, ok bool) {
	if len(key) < tokenExpiryScope {
		return nil, 0, false
	}
	scope := key[tokenExpiryScope:]
	tokenKey = []byte{spaceTokens, tokenRow, key[tokenExpiryScope-1]}
	tokenKey = binary.BigEndian.AppendUint64(tokenKey, xxhash.Sum64(scope))
	return append(tokenKey, scope...), binary.BigEndian.Uint64(key[2:]), true
}

// TokenExpiriesOutside are the expiry rows of tokens before the time from, and behind the time to,
// both in milliseconds since 1970.
func TokenExpiriesOutside(from, to uint64) (past, ahead kv.Range) {
	all := prefixRange(spaceTokens, tokenExpiry)
	prefix := all.Start[:2:2]
	return kv.Range{Start: all.Start, End: binary.BigEndian.AppendUint64(prefix, from)},
		kv.Range{Start: binary.BigEndian.AppendUint64(prefix, to+1), End: all.End}
}

// IsTokenKey tells whether it is the key of a token's row, and not that of an expiry row.
func IsTokenKey(key []byte) bool {
	return len(key) > tokenScope && key[0] == spaceTokens && key[1] == tokenRow
}

// ReadTokenKey is the token in the key of a token's row, without its fingerprint; ok is false for a
// key that is damaged.
func ReadTokenKey(key []byte) (t *Token, ok bool) {
	if !IsTokenKey(key) {
		return nil, false
	}
	t = &Token{Operation: TokenOperation(key[2])}
	rest := key[tokenScope:]
	for _, of := range []*string{&t.Namespace.Account, &t.Namespace.Region} {
		text, n := readGroups(rest)
		if n < 0 {
			return nil, false
		}
		*of, rest = string(text), rest[n:]
	}
	t.Value = string(rest)
	return t, bytes.Equal(t.AppendKey(nil), key)
}

// TokenRow is what is stored of a token.
type TokenRow struct {
	Fingerprint [32]byte
	Expiry      uint64 // when it is forgotten, in milliseconds since 1970
	key, images []byte
}

// AppendRow appends the row of the token, with the images of its transaction's actions.
func (t *Token) AppendRow(dst []byte, expiry uint64, images []int) []byte {
	if dst == nil {
		dst = make([]byte, 0, tokenHead+3*len(images))
	}
	dst = append(append(dst, tokenFormat), t.Fingerprint[:]...)
	dst = binary.BigEndian.AppendUint64(dst, expiry)
	for _, n := range images {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// ParseTokenRow reads a row, but for its images. It refuses one that is damaged or of a newer
// format.
func ParseTokenRow(key, row []byte) (TokenRow, error) {
	if len(row) < tokenHead || row[0] != tokenFormat {
		return TokenRow{}, damagedToken(key)
	}
	r := TokenRow{key: key, images: row[tokenHead:], Expiry: binary.BigEndian.Uint64(row[tokenHead-8:])}
	copy(r.Fingerprint[:], row[1:])
	return r, nil
}

// damagedToken is the error of a row that cannot be read.
func damagedToken(key []byte) error {
	return fmt.Errorf("token row %x is damaged or was written by a newer version", key)
}

// NextImage takes the next image off the row: the size, of an action, of the larger of the item
// before and after it. more is false behind the last one.
func (r *TokenRow) NextImage() (size int, more bool, err error) {
	if len(r.images) == 0 {
		return 0, false, nil
	}
	n, length := binary.Uvarint(r.images)
	if length <= 0 {
		return 0, false, damagedToken(r.key)
	}
	r.images = r.images[length:]
	return int(n), true, nil
}

// VerifyToken reads the row of a token, and says what is wrong with it.
func VerifyToken(key, row []byte) (TokenRow, error) {
	r, err := ParseTokenRow(key, row)
	if err != nil {
		return r, err
	}
	if again, _, _ := SplitTokenExpiryKey(AppendTokenExpiryKey(nil, key, 0)); !bytes.Equal(again, key) {
		return r, fmt.Errorf("token row %x stands under another's hash", key)
	}
	for more := true; more; {
		if _, more, err = r.NextImage(); err != nil {
			return r, fmt.Errorf("token row %x: its images are damaged", key)
		}
	}
	return r, nil
}
