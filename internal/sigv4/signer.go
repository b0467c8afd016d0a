package sigv4

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Signer signs requests with one access key, in memory that the next request uses again. It is for
// one goroutine at a time.
type Signer struct {
	AccessKey, SecretKey string
	SessionToken         string // empty: there is none
	Region, Service      string

	key       *signingKey // of the day of the last request
	scope     string      // its scope
	canonical Canonical
	signed    []Header
	names     []byte
}

// Header is a header that is signed: its name in lower case, and its value.
type Header struct{ Name, Value string }

// AppendHeaders appends the lines X-Amz-Date, Authorization and X-Amz-Security-Token of a request
// that is made now: a POST of the path /, as all of AWS's JSON protocols have it, without a query.
// Signed are these headers, X-Amz-Date and X-Amz-Security-Token. They must have the Host.
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

// use derives the key of a day, unless it is there.
func (s *Signer) use(day string) {
	if s.key != nil && s.key.scope.Day == day {
		return
	}
	s.key = derive(s.SecretKey, Scope{day, s.Region, s.Service})
	s.scope = s.key.scope.String()
}
