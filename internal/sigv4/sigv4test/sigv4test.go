// Package sigv4test signs requests for tests: by the rules of AWS's guide "Create a signed AWS API
// request", written as plainly as they go, and with nothing of the code that is tested.
package sigv4test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Signing is how to sign a request.
type Signing struct {
	Key, Secret, Token            string
	Date, Region, Service         string
	Algorithm, Day, Term, Headers string // what a proper client would not choose; empty: what it would
	Query                         bool
}

// Text is the canonical request and the string to sign.
func (s Signing) Text(r *http.Request, body []byte) (canonical, toSign string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, naivePath(r), s.naiveQuery(r.URL.RawQuery))
	for _, name := range strings.Split(s.Headers, ";") {
		fmt.Fprintf(&b, "%s:%s\n", name, naiveHeader(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%x", s.Headers, sha256.Sum256(body))
	canonical = b.String()
	return canonical, fmt.Sprintf("%s\n%s\n%s\n%x", s.Algorithm, s.Date, s.Scope(), sha256.Sum256([]byte(canonical)))
}

// Scope is what stands behind the access key in a credential.
func (s Signing) Scope() string { return s.Day + "/" + s.Region + "/" + s.Service + "/" + s.Term }

// Signature signs a string.
func (s Signing) Signature(toSign string) string {
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{s.Day, s.Region, s.Service, s.Term, toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// Complete fills in what is not said.
func (s Signing) Complete() Signing {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&s.Date, "20261122T120000Z")
	fill(&s.Region, "us-east-1")
	fill(&s.Service, "dynamodb")
	fill(&s.Algorithm, "AWS4-HMAC-SHA256")
	fill(&s.Day, s.Date[:min(8, len(s.Date))])
	fill(&s.Term, "aws4_request")
	fill(&s.Headers, "host;x-amz-date;x-amz-target")
	return s
}

// Sign signs a request, and sets the headers or parameters that say so.
func (s Signing) Sign(r *http.Request, body []byte) {
	s = s.Complete()
	if s.Query {
		v := [][2]string{{"X-Amz-Algorithm", s.Algorithm}, {"X-Amz-Credential", s.Key + "/" + s.Scope()},
			{"X-Amz-Date", s.Date}, {"X-Amz-SignedHeaders", s.Headers}, {"X-Amz-Security-Token", s.Token}}
		for _, p := range v {
			if p[1] != "" {
				r.URL.RawQuery += "&" + p[0] + "=" + url.QueryEscape(p[1])
			}
		}
		r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery, "&")
		_, toSign := s.Text(r, body)
		r.URL.RawQuery += "&X-Amz-Signature=" + s.Signature(toSign)
		return
	}
	r.Header.Set("X-Amz-Date", s.Date)
	if s.Token != "" {
		r.Header.Set("X-Amz-Security-Token", s.Token)
	}
	_, toSign := s.Text(r, body)
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.Algorithm, s.Key, s.Scope(), s.Headers, s.Signature(toSign)))
}

// naivePath is the path without dots and double slashes, every segment encoded once more.
func naivePath(r *http.Request) string {
	wire := r.URL.RawPath
	if wire == "" {
		wire = r.URL.EscapedPath()
	}
	var kept []string
	segments := strings.Split(wire, "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "." || s == "":
		case s == "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, naiveEscape(s))
			continue
		}
		if last && len(kept) > 0 {
			kept = append(kept, "") // a slash at the end
		}
	}
	return "/" + strings.Join(kept, "/")
}

// naiveQuery is the query sorted and encoded.
func (s Signing) naiveQuery(raw string) string {
	values, _ := url.ParseQuery(raw)
	var pairs [][2]string
	for name, all := range values {
		for _, v := range all {
			pairs = append(pairs, [2]string{naiveEscape(name), naiveEscape(v)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var out []string
	for _, p := range pairs {
		out = append(out, p[0]+"="+p[1])
	}
	return strings.Join(out, "&")
}

// naiveEscape encodes all but the unreserved characters.
func naiveEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// naiveHeader is a header's values as they are signed.
func naiveHeader(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		v = strings.Trim(v, " ")
		for strings.Contains(v, "  ") {
			v = strings.ReplaceAll(v, "  ", " ")
		}
		values = append(values, v)
	}
	return strings.Join(values, ",")
}

// SetBody gives a request a body.
func SetBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
