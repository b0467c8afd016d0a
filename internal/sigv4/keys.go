package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
)

// Scope is what a signing key is good for: a day, YYYYMMDD, in a region, for a service.
type Scope struct{ Day, Region, Service string }

// String returns the scope as it stands in a credential, behind the access key.
func (s Scope) String() string { return s.Day + "/" + s.Region + "/" + s.Service + "/" + terminator }

// Keys are the signing keys of one secret, which are kept once they have verified a signature. The
// zero value has none. They are safe for concurrent use.
type Keys struct {
	keys atomic.Pointer[[]*signingKey] // the newest last
	mu   sync.Mutex                    // held to replace keys
}

// maxKeys is how many are kept: two days' in four regions.
const maxKeys = 8

// signingKey is a key as it is derived from a secret for one scope.
type signingKey struct {
	scope Scope
	macs  sync.Pool // of *mac
}

// mac is an HMAC of a signing key that is used again, and room for what it computes. After the
// first use it starts from the states of SHA-256 behind the two pads, which saves half of the work
// on a short message.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
	hex  [2 * sha256.Size]byte
}

// Verify tells whether signature, in hexadecimal, is the one that the secret makes of a string to
// sign in a scope. How long it takes does not depend on how much of the signature is right.
func (k *Keys) Verify(secret string, scope Scope, stringToSign []byte, signature string) bool {
	key, kept := k.key(secret, scope)
	m := key.sign(stringToSign)
	right := len(signature) == len(m.hex) && same(&m.hex, signature)
	key.macs.Put(m)
	if right && !kept {
		k.keep(key)
	}
	return right
}

// sign signs a string. The signature is in hex of what it returns, which goes back to macs then.
func (k *signingKey) sign(stringToSign []byte) *mac {
	m := k.macs.Get().(*mac)
	m.hash.Reset()
	m.hash.Write(stringToSign)
	hex.Encode(m.hex[:], m.hash.Sum(m.sum[:0]))
	return m
}

// same compares a signature of the right length in constant time.
func same(want *[2 * sha256.Size]byte, signature string) bool {
	var got [2 * sha256.Size]byte
	copy(got[:], signature)
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// key returns the signing key of a scope, and whether it is a kept one.
func (k *Keys) key(secret string, scope Scope) (key *signingKey, kept bool) {
	if keys := k.keys.Load(); keys != nil {
		for _, key := range *keys {
			if key.scope == scope {
				return key, true
			}
		}
	}
	return derive(secret, scope), false
}

// derive computes a signing key.
func derive(secret string, scope Scope) *signingKey {
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{scope.Day, scope.Region, scope.Service, terminator} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	k := &signingKey{scope: scope}
	k.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return k
}

// keep has a key used again, in place of the oldest where there are enough. Only keys that have
// verified a signature are kept: nobody without the secret can push out those in use.
func (k *Keys) keep(key *signingKey) {
	s := &key.scope // whose texts are parts of a header, which is not to be kept
	s.Day, s.Region, s.Service = strings.Clone(s.Day), strings.Clone(s.Region), strings.Clone(s.Service)
	k.mu.Lock()
	defer k.mu.Unlock()
	var old []*signingKey
	if keys := k.keys.Load(); keys != nil {
		old = *keys
	}
	for _, other := range old {
		if other.scope == key.scope {
			return // another request was first
		}
	}
	keys := append(make([]*signingKey, 0, maxKeys+1), old...)
	keys = append(keys, key)
	if len(keys) > maxKeys {
		keys = keys[1:]
	}
	k.keys.Store(&keys)
}
