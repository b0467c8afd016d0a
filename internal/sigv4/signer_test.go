package sigv4

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/sigv4/sigv4test"
)

// TestSigner signs requests of two days, with and without a session token. The signatures are those
// of the plain rules, and are verified, but for another scope, body or secret.
func TestSigner(t *testing.T) {
	for _, token := range []string{"", "to+ken/="} {
		s := Signer{AccessKey: "AKIDALICE", SecretKey: "alices", SessionToken: token, Region: "eu-west-1", Service: "dynamodb"}
		var keys Keys
		for i, body := range []string{"{}", "{ }", strings.Repeat("x", 10_000)} {
			now := time.Date(2026, 11, 22, 18*i, 0, 0, 0, time.UTC) // two days
			r := sent(t, &s, now, body)
			plain := sigv4test.Signing{Key: s.AccessKey, Secret: s.SecretKey, Token: token, Date: now.Format(DateFormat),
				Region: s.Region, Service: s.Service, Headers: "content-type;host;x-amz-date"}
			if token != "" {
				plain.Headers += ";x-amz-security-token"
			}
			want := r.Clone(t.Context())
			plain.Sign(want, []byte(body))
			if got, want := r.Header.Get("Authorization"), want.Header.Get("Authorization"); got != want {
				t.Errorf("the signature is\n%s\nwant\n%s", got, want)
			}
			sig, err := Read(r)
			if err != nil {
				t.Fatal(err)
			}
			who, err := sig.Check(now, "dynamodb")
			if err != nil || who != (Claim{"AKIDALICE", "eu-west-1"}) || sig.Token != token {
				t.Fatalf("%v claims to be %v: %v", sig, who, err)
			}
			scope := Scope{sig.Day(), who.Region, "dynamodb"}
			verify := func(secret string, scope Scope, body string) bool {
				var c Canonical
				text, ok := c.StringToSign(r, &sig, sha256.Sum256([]byte(body)))
				return ok && keys.Verify(secret, scope, text, sig.Signature)
			}
			other := scope
			other.Service = "dax"
			for range 2 { // with a key that is derived, and one that is kept
				if !verify("alices", scope, body) {
					t.Errorf("%v is not verified", sig)
				}
				if verify("bobs", other, body) || verify("alices", other, body) || verify("alices", scope, body+" ") {
					t.Errorf("%v is verified for what it does not sign", sig)
				}
			}
		}
		if kept := keys.keys.Load(); len(*kept) != 2 {
			t.Errorf("%d keys are kept, want 2", len(*kept))
		}
	}
}

// sent is a request as a server gets it that s has signed.
func sent(t *testing.T, s *Signer, now time.Time, body string) *http.Request {
	t.Helper()
	headers := []Header{{"host", "localhost:8000"}, {"content-type", "application/x-amz-json-1.0"}}
	lines := s.AppendHeaders(nil, now, headers, []byte(body))
	raw := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost:8000\r\nContent-Type: application/x-amz-json-1.0\r\n%s\r\n", lines)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
