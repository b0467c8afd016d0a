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

// Scope is what a signing key is valid for. Day is YYYYMMDD, in UTC.
type Scope struct{ Day, Region, Service string }

// String returns the scope as it is in a credential, after the access key and a slash.
func (s Scope) String() string { return s.Day + "/" + s.Region + "/" + s.Service + "/" + terminator }

// Keys are the signing keys of one secret, derived once for each scope: deriving one takes four
// HMACs. The zero value has none. They are safe for concurrent use.
type Keys struct {
	keys atomic.Pointer[[]*signingKey] // the newest last; the slice is replaced, never changed
	mu   sync.Mutex                    // held to replace keys; reading takes no lock
}

// maxKeys is how many are kept: those of two days in four regions.
const maxKeys = 8

// signingKey is the key derived from a secret for one scope.
type signingKey struct {
	scope Scope
	macs  sync.Pool // of *mac
}

// mac is a reusable HMAC of a signing key, with room for its result. After the first use, Reset
// restores the states of SHA-256 after the two pads, which saves half of the work on a short
// message.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
	hex  [2 * sha256.Size]byte
}

// Verify tells whether signature, in lower-case hexadecimal, is that of the string to sign by the
// secret in the scope. Its duration does not depend on how much of the signature is right:
// otherwise a signature could be found byte by byte.
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

// sign signs a string. The signature is in the mac's hex; the caller returns the mac to macs when
// it has read that.
func (k *signingKey) sign(stringToSign []byte) *mac {
	m := k.macs.Get().(*mac)
	m.hash.Reset()
	m.hash.Write(stringToSign)
	hex.Encode(m.hex[:], m.hash.Sum(m.sum[:0]))
	return m
}

// same compares a signature, which has the right length, in constant time.
func same(want *[2 * sha256.Size]byte, signature string) bool {
	var got [2 * sha256.Size]byte
	copy(got[:], signature)
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// key returns the signing key of a scope, and whether it was kept. Otherwise it is derived.
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

// derive computes the signing key of a scope, as AWS's guide defines it.
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

// keep adds a key, in place of the oldest if there are maxKeys. Only keys that have verified a
// signature are kept, so that clients without the secret cannot displace those in use by requests
// for other scopes.
func (k *Keys) keep(key *signingKey) {
	s := &key.scope // its strings are parts of a request's header, which they would keep in memory
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
