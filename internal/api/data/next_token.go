package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/item"
)

// The NextToken of ExecuteStatement, in URL-safe base64 without padding:
//
//	version(1)  fingerprint(16)  value(uvarint)  after  checksum(8)
//
// fingerprint is of the statement and its parameters. value and after are the position: the number
// of the hash key's value, and the key of the last row read, as a stored item, nothing if the next
// page begins with the first row of that value. The checksum, of everything before it, finds tokens
// that were cut or changed by mistake. It is no signature: a client that makes a token can only ask
// for what it could ask for with a statement, and the policy is asked for each page.
const (
	tokenVersion        = 1
	tokenFingerprintLen = 16
	tokenChecksumLen    = 8
)

// position is where a page of a SELECT begins.
type position struct {
	value int       // of the hash key's values; 0 for a Scan
	after item.Item // the page begins after the row with this key; missing: at the value's beginning
}

// tokenEncoding is strict, so that no two texts are one token.
var tokenEncoding = base64.RawURLEncoding.Strict()

// The errors of tokens.
var (
	errNextToken      = wire.Validation("Invalid NextToken")
	errOtherNextToken = wire.Validation("NextToken does not match request")
)

// nextToken returns the token for a position.
func nextToken(fingerprint [tokenFingerprintLen]byte, p position) string {
	b := append([]byte{tokenVersion}, fingerprint[:]...)
	b = binary.AppendUvarint(b, uint64(p.value))
	if p.after.Exists() {
		b = p.after.AppendStored(b, 0)
	}
	return tokenEncoding.EncodeToString(append(b, tokenChecksum(b)...))
}

// tokenChecksum is the checksum of the bytes before it.
func tokenChecksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:tokenChecksumLen]
}

// parseNextToken returns the position in a token. Its key is canonical, but not checked against any
// schema yet (selection.begin does that).
func parseNextToken(token string, fingerprint [tokenFingerprintLen]byte) (position, error) {
	b, err := tokenEncoding.DecodeString(token)
	if err != nil || len(b) < 1+tokenFingerprintLen+tokenChecksumLen || b[0] != tokenVersion {
		return position{}, errNextToken
	}
	b, sum := b[:len(b)-tokenChecksumLen], b[len(b)-tokenChecksumLen:]
	if !bytes.Equal(tokenChecksum(b), sum) {
		return position{}, errNextToken
	}
	of, rest := b[1:1+tokenFingerprintLen], b[1+tokenFingerprintLen:]
	if !bytes.Equal(of, fingerprint[:]) {
		return position{}, errOtherNextToken
	}
	value, n := binary.Uvarint(rest)
	if n <= 0 || value >= maxInValues {
		return position{}, errNextToken
	}
	p := position{value: int(value)}
	if rest = rest[n:]; len(rest) > 0 {
		if p.after, err = item.Parse(rest); err != nil || p.after.Verify() != nil {
			return position{}, errNextToken
		}
	}
	return p, nil
}
