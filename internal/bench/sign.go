package bench

import (
	"time"

	"github.com/partita-db/partita/internal/sigv4"
)

// Credentials sign requests.
type Credentials struct {
	AccessKey, SecretKey string
	SessionToken         string // empty: there is none
}

// signer signs the requests of one connection.
type signer struct {
	sigv4.Signer
	headers [3]sigv4.Header
}

// newSigner returns a signer of requests to a host.
func newSigner(c *Credentials, region, host string) *signer {
	return &signer{
		Signer: sigv4.Signer{
			AccessKey: c.AccessKey, SecretKey: c.SecretKey, SessionToken: c.SessionToken,
			Region: region, Service: "dynamodb",
		},
		headers: [3]sigv4.Header{
			{Name: "content-type", Value: contentType}, {Name: "host", Value: host}, {Name: "x-amz-target"},
		},
	}
}

// appendHeaders appends the headers that sign a request which is made now.
func (s *signer) appendHeaders(out []byte, now time.Time, target string, body []byte) []byte {
	s.headers[2].Value = targetPrefix + target
	return s.AppendHeaders(out, now, s.headers[:], body)
}

// unsigned replaces the signature for servers that do not verify it: it has the form that servers
// without credentials look at.
const unsigned = "X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 " +
	"Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/dynamodb/aws4_request, " +
	"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
	"Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
