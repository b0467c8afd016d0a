package sigv4

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Canonical writes the canonical form of requests, as Signature Version 4 defines it (AWS's guide
// "Create a signed AWS API request"), in memory that the next request reuses:
//
//	POST
//	/                                   the path, normalised, encoded once more than on the wire
//	a=1&b=2                             the query, encoded and in order, without X-Amz-Signature
//	host:localhost:8000                 each signed header, in the order of SignedHeaders
//	x-amz-date:20150830T123600Z
//
//	host;x-amz-date                     SignedHeaders
//	e3b0c44298fc1c149afbf4c8996fb924…   the SHA-256 of the body as it was sent
//
// The SHA-256 of that is the last line of the string to sign. The zero value is ready for use, by
// one goroutine at a time.
type Canonical struct {
	text   []byte
	query  []byte      // the query's parameters, encoded, in the order of the request
	params []parameter // where they are in query; these are sorted
	key    []byte      // scratch: a header's name in net/http's canonical form
}

// maxCanonicalBytes is far above the canonical form of any header that a server accepts. It is for
// requests that repeat a long header in SignedHeaders: 16 KiB of them could become tens of
// megabytes.
const maxCanonicalBytes = 1 << 20

// StringToSign returns the string to sign. ok is false if the canonical form would be too long.
// payload is the SHA-256 of the body as sent. The text is valid until the next call.
func (c *Canonical) StringToSign(r *http.Request, sig *Signature, payload [sha256.Size]byte) (text []byte, ok bool) {
	c.text = append(append(c.text[:0], r.Method...), '\n')
	c.text = append(appendPath(c.text, r), '\n')
	c.appendQuery(r.URL.RawQuery, sig.InQuery)
	c.text = append(c.text, '\n')
	for names := sig.SignedHeaders; names != ""; {
		var name string
		name, names, _ = strings.Cut(names, ";")
		c.appendHeader(r, name)
		if len(c.text) > maxCanonicalBytes {
			return nil, false
		}
	}
	_, scope, _ := strings.Cut(sig.Credential, "/")
	return c.finish(sig.SignedHeaders, sig.Date, scope, payload), true
}

// finish completes the canonical form in text, and replaces it by the string to sign.
func (c *Canonical) finish(signedHeaders, date, scope string, payload [sha256.Size]byte) []byte {
	c.text = append(append(append(c.text, '\n'), signedHeaders...), '\n')
	c.text = hex.AppendEncode(c.text, payload[:])
	sum := sha256.Sum256(c.text)
	c.text = append(c.text[:0], algorithm+"\n"...)
	c.text = append(append(c.text, date...), '\n')
	c.text = append(append(c.text, scope...), '\n')
	c.text = hex.AppendEncode(c.text, sum[:])
	return c.text
}

// Release drops the request, and buffers that have grown large.
func (c *Canonical) Release() {
	*c = Canonical{text: c.text[:0], query: c.query[:0], params: c.params[:0], key: c.key[:0]}
	if cap(c.text)+cap(c.query) > maxCanonicalBytes/8 {
		*c = Canonical{}
	}
}

// appendPath appends the path. What is encoded on the wire is encoded a second time, as AWS
// requires for all services but S3.
func appendPath(dst []byte, r *http.Request) []byte {
	p := r.URL.RawPath // set only where the encoding on the wire is not the usual one
	if p == "" {
		p = r.URL.EscapedPath()
	}
	if p == "/" || p == "" {
		return append(dst, '/')
	}
	clean := path.Clean("/" + p)
	if clean != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		clean += "/" // path.Clean removes it, AWS keeps it
	}
	for _, b := range []byte(clean) {
		if b == '/' {
			dst = append(dst, b)
		} else {
			dst = appendEscaped(dst, b)
		}
	}
	return dst
}

// parameter is where one of the query's is in Canonical.query: start, the "=" behind its name, end.
type parameter struct{ start, equals, end int }

// appendQuery appends the query: each parameter decoded and encoded again, sorted.
func (c *Canonical) appendQuery(query string, presigned bool) {
	query = strings.TrimLeft(query, "&")
	c.query, c.params = c.query[:0], c.params[:0]
	for query != "" {
		var name, value string
		name, value, query = nextParameter(query)
		if presigned && unescape(name) == "X-Amz-Signature" {
			continue
		}
		p := parameter{start: len(c.query)}
		c.query = appendReescaped(c.query, name)
		p.equals = len(c.query)
		c.query = appendReescaped(append(c.query, '='), value)
		p.end = len(c.query)
		c.params = append(c.params, p)
	}
	if !slices.IsSortedFunc(c.params, c.compare) { // most are
		slices.SortFunc(c.params, c.compare)
	}
	for i, p := range c.params {
		if i > 0 {
			c.text = append(c.text, '&')
		}
		c.text = append(c.text, c.query[p.start:p.end]...)
	}
}

// compare orders parameters by name, and those of the same name by value.
func (c *Canonical) compare(a, b parameter) int {
	return cmp.Or(bytes.Compare(c.query[a.start:a.equals], c.query[b.start:b.equals]),
		bytes.Compare(c.query[a.equals:a.end], c.query[b.equals:b.end]))
}

// appendHeader appends the line of a header, name in lower case: its values, joined by commas.
func (c *Canonical) appendHeader(r *http.Request, name string) {
	c.key = c.key[:0]
	upper := true
	for _, b := range []byte(name) {
		c.text = append(c.text, lower(b))
		if b = lower(b); upper && 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		c.key = append(c.key, b)
		upper = b == '-'
	}
	c.text = append(c.text, ':')
	values, there := r.Header[string(c.key)]
	switch { // net/http removes some headers from the map
	case string(c.key) == "Host":
		c.text = appendFolded(c.text, r.Host)
	case there:
		for i, v := range values {
			if i > 0 {
				c.text = append(c.text, ',')
			}
			c.text = appendFolded(c.text, v)
		}
	case string(c.key) == "Content-Length" && r.ContentLength >= 0:
		c.text = strconv.AppendInt(c.text, r.ContentLength, 10)
	case string(c.key) == "Transfer-Encoding":
		c.text = append(c.text, strings.Join(r.TransferEncoding, ",")...)
	}
	c.text = append(c.text, '\n')
}

// appendFolded appends a header's value without spaces at its ends, and with one for each run of
// them inside.
func appendFolded(dst []byte, value string) []byte {
	value = strings.Trim(value, " ")
	if strings.IndexByte(value, ' ') < 0 || !strings.Contains(value, "  ") {
		return append(dst, value...)
	}
	for i := range len(value) {
		if value[i] != ' ' || value[i-1] != ' ' { // i-1 is never -1: the value is trimmed
			dst = append(dst, value[i])
		}
	}
	return dst
}

// lower returns an ASCII letter in lower case, and any other byte as it is.
func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// appendReescaped appends a part of a query string, decoded and encoded again as AWS does.
func appendReescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if unreserved(s[i]) { // the usual case
			dst = append(dst, s[i])
			i++
			continue
		}
		b, n := unescapeByte(s[i:])
		dst = appendEscaped(dst, b)
		i += n
	}
	return dst
}

// unescape decodes a part of a query string. A percent sign without two hexadecimal digits stands
// for itself.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var out []byte
	for i := 0; i < len(s); {
		b, n := unescapeByte(s[i:])
		out = append(out, b)
		i += n
	}
	return string(out)
}

// unescapeByte decodes the first byte of a non-empty encoded text. n is the length of its code.
func unescapeByte(s string) (b byte, n int) {
	switch {
	case s[0] == '+':
		return ' ', 1
	case s[0] == '%' && len(s) >= 3:
		var code [1]byte
		if _, err := hex.Decode(code[:], []byte(s[1:3])); err == nil {
			return code[0], 3
		}
	}
	return s[0], 1
}

// appendEscaped appends a byte in the encoding of signatures: all but letters, digits and -._~
// become %XX.
func appendEscaped(dst []byte, b byte) []byte {
	if unreserved(b) {
		return append(dst, b)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[b>>4], digits[b&15])
}

// unreserved tells whether a byte stands for itself: those that RFC 3986, section 2.3 names so.
func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '-' || b == '.' || b == '_' || b == '~'
}
