package server

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

// signing is how to sign a request: the same rules as the handler's, from AWS's guide "Create a
// signed AWS API request", written as plainly as they go.
type signing struct {
	key, secret, token            string
	date, region, service         string
	algorithm, day, term, headers string // what a proper client would not choose; empty: what it would
	query                         bool
}

// text is the canonical request and the string to sign.
func (s signing) text(r *http.Request, body []byte) (canonical, toSign string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, naivePath(r), s.naiveQuery(r.URL.RawQuery))
	for _, name := range strings.Split(s.headers, ";") {
		fmt.Fprintf(&b, "%s:%s\n", name, naiveHeader(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%x", s.headers, sha256.Sum256(body))
	canonical = b.String()
	return canonical, fmt.Sprintf("%s\n%s\n%s\n%x", s.algorithm, s.date, s.scope(), sha256.Sum256([]byte(canonical)))
}

// scope is what stands behind the access key in a credential.
func (s signing) scope() string { return s.day + "/" + s.region + "/" + s.service + "/" + s.term }

// signature signs a string.
func (s signing) signature(toSign string) string {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{s.day, s.region, s.service, s.term, toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// complete fills in what is not said.
func (s signing) complete() signing {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&s.date, "20261122T120000Z")
	fill(&s.region, "us-east-1")
	fill(&s.service, "dynamodb")
	fill(&s.algorithm, "AWS4-HMAC-SHA256")
	fill(&s.day, s.date[:min(8, len(s.date))])
	fill(&s.term, "aws4_request")
	fill(&s.headers, "host;x-amz-date;x-amz-target")
	return s
}

// sign signs a request, and sets the headers or parameters that say so.
func (s signing) sign(r *http.Request, body []byte) {
	s = s.complete()
	if s.query {
		v := [][2]string{{"X-Amz-Algorithm", s.algorithm}, {"X-Amz-Credential", s.key + "/" + s.scope()}, {"X-Amz-Date", s.date},
			{"X-Amz-SignedHeaders", s.headers}, {"X-Amz-Security-Token", s.token}}
		for _, p := range v {
			if p[1] != "" {
				r.URL.RawQuery += "&" + p[0] + "=" + url.QueryEscape(p[1])
			}
		}
		r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery, "&")
		_, toSign := s.text(r, body)
		r.URL.RawQuery += "&X-Amz-Signature=" + s.signature(toSign)
		return
	}
	r.Header.Set("X-Amz-Date", s.date)
	if s.token != "" {
		r.Header.Set("X-Amz-Security-Token", s.token)
	}
	_, toSign := s.text(r, body)
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.algorithm, s.key, s.scope(), s.headers, s.signature(toSign)))
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
func (s signing) naiveQuery(raw string) string {
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

// setBody gives a request a body.
func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
