package iam

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"github.com/partita-db/partita/internal/sigv4"
)

// Credential is an access key: what a request must be signed with, and who it then comes from. Its
// secrets never leave this package, and it hides them however it is printed. It does not change,
// and is safe for concurrent use.
type Credential struct {
	Principal *Principal
	Expires   time.Time // when the key ends; zero: never

	secret secret
	token  secret // empty: the key goes without a session token

	keys sigv4.Keys // derived from secret
}

// service is the name that signatures for both of DynamoDB's APIs are made for.
const service = "dynamodb"

// Verify tells whether signature, in hexadecimal, is the one that the credential makes of a string
// to sign, on a day (YYYYMMDD) and for a region. How long it takes does not depend on how much of
// the signature is right.
func (c *Credential) Verify(day, region string, stringToSign []byte, signature string) bool {
	scope := sigv4.Scope{Day: day, Region: region, Service: service}
	return c.keys.Verify(c.secret.reveal(), scope, stringToSign, signature)
}

// HasToken tells whether the key goes with a session token, as temporary ones do.
func (c *Credential) HasToken() bool { return c.token.reveal() != "" }

// TokenIs tells whether a request brought the key's session token: the right one, or none where
// there is none to bring.
func (c *Credential) TokenIs(token string) bool {
	return subtle.ConstantTimeCompare([]byte(c.token.reveal()), []byte(token)) == 1
}

// Expired tells whether the key has ended.
func (c *Credential) Expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// String names the access key and its user, and nothing else.
func (c *Credential) String() string {
	return fmt.Sprintf("access key %s of %s", c.Principal.AccessKeyID, c.Principal.User)
}

// Format prints the same for every verb: %#v too would show what is inside.
func (c *Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue is what a log shows.
func (c *Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is what an encoder shows.
func (c *Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// secret is a text that is not to be seen. It stands behind a pointer: where it is a field that is
// not exported, package fmt passes over its methods and prints what it finds.
type secret struct{ text *string }

// hidden is what is seen of a secret.
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
