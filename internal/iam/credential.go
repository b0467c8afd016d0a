package iam

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"github.com/partita-db/partita/internal/sigv4"
)

// Credential is an access key with its secret and its principal. The secrets never leave this
// package, and no way of printing it shows them. It is immutable and safe for concurrent use.
type Credential struct {
	Principal *Principal
	Expires   time.Time // from when on the key is rejected; zero: never

	secret secret
	token  secret // empty: the key has no session token

	keys sigv4.Keys // derived from secret
}

// service is the name that signatures for both of DynamoDB's APIs are made for.
const service = "dynamodb"

// Verify tells whether signature, in hexadecimal, is the credential's of a string to sign, on a day
// (YYYYMMDD) and for a region. It takes constant time.
func (c *Credential) Verify(day, region string, stringToSign []byte, signature string) bool {
	scope := sigv4.Scope{Day: day, Region: region, Service: service}
	return c.keys.Verify(c.secret.reveal(), scope, stringToSign, signature)
}

// HasToken tells whether requests must contain a session token, as for temporary keys.
func (c *Credential) HasToken() bool { return c.token.reveal() != "" }

// TokenIs tells whether token is the key's session token; for a key that has none it must be empty.
// It takes constant time.
func (c *Credential) TokenIs(token string) bool {
	return subtle.ConstantTimeCompare([]byte(c.token.reveal()), []byte(token)) == 1
}

// Expired tells whether the key has expired at now.
func (c *Credential) Expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// String returns the access key's id and its user.
func (c *Credential) String() string {
	return fmt.Sprintf("access key %s of %s", c.Principal.AccessKeyID, c.Principal.User)
}

// Format implements fmt.Formatter: it prints String for every verb, as %#v would print the fields.
func (c *Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue implements slog.LogValuer, by String.
func (c *Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements encoding.TextMarshaler, by String.
func (c *Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// secret is a text that must not be printed. It is behind a pointer because package fmt does not
// call the methods of values in unexported fields: it would print a string, but prints the pointer
// as an address.
type secret struct{ text *string }

// hidden is what is printed for a secret.
const hidden = "(hidden)"

// newSecret returns the secret of a text.
func newSecret(text string) secret { return secret{&text} }

// reveal returns the text; that of the zero secret is empty.
func (s secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (secret) String() string               { return hidden }
func (secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, hidden) }
func (secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
