package iam

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
)

// service is the name that signatures for both of DynamoDB's APIs are made for.
const service = "dynamodb"

// maxKeys is how many signing keys a credential keeps: two days' in four regions.
const maxKeys = 8

// signingKey is a key as Signature Version 4 derives it from a secret for one day and one region.
type signingKey struct {
	date, region string
	macs         sync.Pool // of *mac
}

// mac is an HMAC of a signing key that is used again, and room for what it computes. After the first use it starts from the
// states of SHA-256 behind the two pads, which saves half of the work on a short message.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
	hex  [2 * sha256.Size]byte
}

// Verify tells whether signature, in hexadecimal, is the one that the credential makes of a string to sign, on a date
// (YYYYMMDD) and for a region. How long it takes does not depend on how much of the signature is right.
func (c *Credential) Verify(date, region string, stringToSign []byte, signature string) bool {
	key, kept := c.key(date, region)
	m := key.macs.Get().(*mac)
	m.hash.Reset()
	m.hash.Write(stringToSign)
	hex.Encode(m.hex[:], m.hash.Sum(m.sum[:0]))
	right := len(signature) == len(m.hex) && same(&m.hex, signature)
	key.macs.Put(m)
	if right && !kept {
		c.keep(key)
	}
	return right
}

// same compares a signature of the right length in constant time.
func same(want *[2 * sha256.Size]byte, signature string) bool {
	var got [2 * sha256.Size]byte
	copy(got[:], signature)
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// key returns the signing key of a date and a region, and whether it is a kept one.
func (c *Credential) key(date, region string) (k *signingKey, kept bool) {
	if keys := c.keys.Load(); keys != nil {
		for _, k := range *keys {
			if k.date == date && k.region == region {
				return k, true
			}
		}
	}
	return c.derive(date, region), false
}

// derive computes a signing key.
func (c *Credential) derive(date, region string) *signingKey {
	key := []byte("AWS4" + c.secret.reveal())
	for _, part := range [...]string{date, region, service, "aws4_request"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	k := &signingKey{date: date, region: region}
	k.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return k
}

// keep has a key used again, in place of the oldest where there are enough. Only keys that have verified a signature are
// kept: nobody without the secret can push out those in use.
func (c *Credential) keep(k *signingKey) {
	k.date, k.region = strings.Clone(k.date), strings.Clone(k.region) // or the whole header would be kept
	c.mu.Lock()
	defer c.mu.Unlock()
	var old []*signingKey
	if keys := c.keys.Load(); keys != nil {
		old = *keys
	}
	for _, other := range old {
		if other.date == k.date && other.region == k.region {
			return // another request was first
		}
	}
	keys := append(make([]*signingKey, 0, maxKeys+1), old...)
	keys = append(keys, k)
	if len(keys) > maxKeys {
		keys = keys[1:]
	}
	c.keys.Store(&keys)
}
