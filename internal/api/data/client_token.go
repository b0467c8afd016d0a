package data

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// token is the Token of a request with a checked ClientRequestToken, nil for one without. feed adds
// everything that the request means to a fingerprint, except ReturnConsumedCapacity, which changes
// nothing but the answer.
func token(operation schema.TokenOperation, o wire.OptString, feed func(*fingerprint)) *schema.Token {
	if !o.Set {
		return nil
	}
	f := newFingerprint()
	feed(f)
	return &schema.Token{Namespace: schema.DefaultNamespace, Operation: operation, Value: o.V, Fingerprint: f.sum()}
}

// clientToken checks a ClientRequestToken, which may be absent.
func (v *violations) clientToken(o wire.OptString) {
	if o.Set {
		v.Length(utf8.RuneCountInString(o.V), o.V, "clientRequestToken", 1, 36)
	}
}

// fingerprint is a hash of what a request means. The decoded members are added to it in the order
// of the service model, so that neither the order in which they were sent nor the spelling of the
// JSON counts. Each part is preceded by its length or number, so that parts cannot be moved into
// each other. Fingerprints are stored with tokens: what is added, and how, must not change between
// versions.
type fingerprint struct {
	hash hash.Hash
	rest []byte // added, but not hashed yet
}

func (f *fingerprint) sum() (sum [32]byte) {
	f.feed(0)
	f.hash.Sum(sum[:0])
	return sum
}

// feed hashes what was added, if that is more than the given number of bytes.
func (f *fingerprint) feed(more int) {
	if len(f.rest) > more {
		f.hash.Write(f.rest)
		f.rest = f.rest[:0]
	}
}

// count adds a number, such as that of the elements that follow.
func (f *fingerprint) count(n int) {
	f.rest = binary.BigEndian.AppendUint64(f.rest, uint64(n))
}

func (f *fingerprint) bytes(b []byte) {
	f.count(len(b))
	f.rest = append(f.rest, b...)
	f.feed(fingerprintBytes)
}

func (f *fingerprint) text(s string) {
	f.count(len(s))
	f.rest = append(f.rest, s...)
	f.feed(fingerprintBytes)
}

func (f *fingerprint) option(o wire.OptString) {
	if !o.Set {
		f.count(0)
		return
	}
	f.count(1)
	f.text(o.V)
}

func (f *fingerprint) item(it item.Item) {
	if !it.Exists() {
		f.count(0)
		return
	}
	at := len(f.rest)
	f.count(0) // overwritten when the length is known
	f.rest = it.AppendStored(f.rest, 0)
	binary.BigEndian.PutUint64(f.rest[at:], uint64(len(f.rest)-at-8))
	f.feed(fingerprintBytes)
}

// params adds ExpressionAttributeNames and ExpressionAttributeValues, in the order of their keys.
// Of entries with the same key the last counts. It works on copies, since p is used after it.
func (f *fingerprint) params(p *expr.Params) {
	names := wire.LastOfEach(slices.Clone(p.Names), func(n *expr.Name) string { return n.Key })
	slices.SortFunc(names, func(a, b expr.Name) int { return strings.Compare(a.Key, b.Key) })
	f.count(len(names))
	for _, n := range names {
		f.text(n.Key)
		f.text(n.Name)
	}
	values := wire.LastOfEach(slices.Clone(p.Values), func(v *expr.Value) string { return v.Key })
	slices.SortFunc(values, func(a, b expr.Value) int { return strings.Compare(a.Key, b.Key) })
	f.count(len(values))
	for _, v := range values {
		f.text(v.Key)
		f.bytes(v.Value.Raw())
	}
}

func newFingerprint() *fingerprint { return &fingerprint{hash: sha256.New()} }

// fingerprintBytes is how much a fingerprint collects before it hashes.
const fingerprintBytes = 4 << 10
