package sigv4

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Signer signs requests with one access key, in memory that the next request reuses. It is for one
// goroutine at a time.
type Signer struct {
	AccessKey, SecretKey string
	SessionToken         string // empty: there is none
	Region, Service      string

	key       *signingKey // of the day of the last request; nil before the first
	scope     string      // of key
	canonical Canonical
	signed    []Header
	names     []byte
}

// Header is a header to sign. Its name is in lower case.
type Header struct{ Name, Value string }

// AppendHeaders appends the header lines X-Amz-Date, Authorization and, with a SessionToken,
// X-Amz-Security-Token of a request that is sent at now: a POST to the path / without a query, as
// in all of AWS's JSON protocols. It signs headers, which must include the host, and the date and
// token.
func (s *Signer) AppendHeaders(out []byte, now time.Time, headers []Header, body []byte) []byte {
	date := now.UTC().Format(DateFormat)
	s.use(date[:len("20060102")])
	s.signed = append(append(s.signed[:0], headers...), Header{"x-amz-date", date})
	if s.SessionToken != "" {
		s.signed = append(s.signed, Header{"x-amz-security-token", s.SessionToken})
	}
	slices.SortFunc(s.signed, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	text := append(s.canonical.text[:0], "POST\n/\n\n"...)
	s.names = s.names[:0]
	for i, h := range s.signed {
		text = append(append(text, h.Name...), ':')
		text = append(appendFolded(text, h.Value), '\n')
		if i > 0 {
			s.names = append(s.names, ';')
		}
		s.names = append(s.names, h.Name...)
	}
	s.canonical.text = text
	m := s.key.sign(s.canonical.finish(string(s.names), date, s.scope, sha256.Sum256(body)))
	defer s.key.macs.Put(m)
	out = append(append(out, "X-Amz-Date: "...), date...)
	out = append(append(out, "\r\nAuthorization: "+algorithm+" Credential="...), s.AccessKey...)
	out = append(append(append(out, '/'), s.scope...), ", SignedHeaders="...)
	out = append(append(out, s.names...), ", Signature="...)
	out = append(append(out, m.hex[:]...), "\r\n"...)
	if s.SessionToken != "" {
		out = append(append(append(out, "X-Amz-Security-Token: "...), s.SessionToken...), "\r\n"...)
	}
	return out
}

// use derives the key of a day, unless it is that of the last request.
func (s *Signer) use(day string) {
	if s.key != nil && s.key.scope.Day == day {
		return
	}
	s.key = derive(s.SecretKey, Scope{day, s.Region, s.Service})
	s.scope = s.key.scope.String()
}
