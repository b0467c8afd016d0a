package listen

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// http1Head is the head of one request.
type http1Head struct {
	header http.Header // without Host, as in net/http
	host   string
	length int64
	values [maxHTTP1Lines]string // backs the slices in header, so that they are not allocated
}

const (
	// requestLine begins every request that is served here.
	requestLine = "POST / HTTP/1.1\r\n"
	// maxHTTP1Lines is how many headers such a request may have.
	maxHTTP1Lines = 64
	// maxNameBytes is how long the name of one may be.
	maxNameBytes = 64
)

// parse parses the head of a request at the beginning of in, of which the first scanned bytes are
// known not to contain its end. size is its length including the empty line; 0: it is incomplete.
//
// errHandOver says that the request does not have the form that is served here: request line as
// above, lines that end with CRLF, at most maxHTTP1Lines of them; names of letters, digits, "-" and
// "_", directly followed by a colon; values of printable ASCII and tabs; exactly one Host, of an
// ordinary form; at most one Content-Length, of digits; none of the headers that change what
// follows on the connection (see take). This is a subset of RFC 9112 on whose meaning all parsers
// agree, with or without a proxy in front.
func (h *http1Head) parse(in []byte, scanned int) (size int, err error) {
	n := min(len(in), len(requestLine))
	if string(in[:n]) != requestLine[:n] {
		return 0, errHandOver
	}
	at := max(0, min(scanned, len(in))-3) // the end may have begun in what was scanned
	end := bytes.Index(in[at:], endOfHead)
	if end < 0 {
		return 0, nil
	}
	size = at + end + len(endOfHead)
	if size > maxHeaderBytes {
		return 0, errHandOver
	}
	// One copy for all values: a handler may keep them, while the buffer is reused.
	return size, h.parseLines(string(in[len(requestLine) : size-len("\r\n")]))
}

// endOfHead is the end of the last line, and the empty one.
var endOfHead = []byte("\r\n\r\n")

// parseLines parses the lines behind the request line, each with its end.
func (h *http1Head) parseLines(lines string) error {
	clear(h.header)
	h.host, h.length = "", -1
	for n := 0; lines != ""; n++ {
		if n == maxHTTP1Lines {
			return errHandOver
		}
		end := strings.IndexByte(lines, '\r')
		if end < 0 || end+1 == len(lines) || lines[end+1] != '\n' {
			return errHandOver
		}
		name, value, ok := splitLine(lines[:end])
		if !ok || !h.take(n, name, value) {
			return errHandOver
		}
		lines = lines[end+2:]
	}
	if h.host == "" {
		return errHandOver
	}
	h.length = max(0, h.length)
	return nil
}

// take notes the header of the n-th line. It is false for one that needs net/http.
func (h *http1Head) take(n int, name, value string) bool {
	switch name {
	case "Host":
		if h.host != "" || !plainHost(value) {
			return false
		}
		h.host = value
		return true
	case "Content-Length":
		length, ok := plainLength(value)
		if !ok || h.length >= 0 {
			return false
		}
		h.length = length
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Expect", "Transfer-Encoding", "Trailer", "Upgrade", "Te", "Pragma", "Http2-Settings",
		"Proxy-Connection":
		return false // they concern the connection, or net/http treats them in a special way
	}
	if old, again := h.header[name]; again {
		h.header[name] = append(old, value)
		return true
	}
	h.values[n] = value
	h.header[name] = h.values[n : n+1 : n+1]
	return true
}

// plainLength is the value of a Content-Length of one to ten digits.
func plainLength(value string) (n int64, ok bool) {
	if value == "" || len(value) > 10 {
		return 0, false
	}
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// plainHost tells whether a Host has only the characters of ordinary names and addresses.
func plainHost(value string) bool {
	for _, c := range []byte(value) {
		if kinds[c]&(inName|inHost) == 0 {
			return false
		}
	}
	return value != ""
}

// Where a byte may stand.
const (
	inName  = 1 << iota // a header's name
	inValue             // a header's value
	inHost              // a Host, beside those of names
)

// kinds tells of each byte where it may stand, as a set of bits.
var kinds = func() (kinds [256]byte) {
	for c := byte(' '); c < 0x7F; c++ {
		kinds[c] = inValue
	}
	kinds['\t'] = inValue
	for _, from := range []byte("aA") {
		for c := from; c < from+26; c++ {
			kinds[c] |= inName
		}
	}
	for _, c := range []byte("0123456789-_") {
		kinds[c] |= inName
	}
	for _, c := range []byte(".:[]") {
		kinds[c] |= inHost
	}
	return kinds
}()

// splitLine splits a line into the header's name, in canonical form, and its value, trimmed. ok is
// false for a line that needs net/http.
func splitLine(line string) (name, value string, ok bool) {
	var lower [maxNameBytes]byte
	colon := 0
	for ; colon < len(line) && kinds[line[colon]]&inName != 0; colon++ {
		if colon == len(lower) {
			return "", "", false
		}
		lower[colon] = line[colon]
		if c := line[colon]; 'A' <= c && c <= 'Z' {
			lower[colon] = c | 0x20
		}
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return "", "", false
	}
	for _, c := range []byte(line[colon+1:]) {
		if kinds[c]&inValue == 0 {
			return "", "", false
		}
	}
	name, known := names[string(lower[:colon])]
	if !known {
		name = http.CanonicalHeaderKey(line[:colon])
	}
	return name, strings.Trim(line[colon+1:], " \t"), true
}

// names are the canonical forms of the headers that SDKs send, by their lower case: with these
// http.CanonicalHeaderKey, which allocates, is not called.
var names = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request",
		"Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Md5",
		"Content-Type", "Date", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Origin", "Pragma",
		"Proxy-Connection", "Referer", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
		"X-Amz-Api-Version", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Target",
		"X-Amz-User-Agent", "X-Amzn-Trace-Id",
	} {
		m[strings.ToLower(name)] = name
	}
	return m
}()

// headOrder are the headers that nearly every answer has, in the order in which they are sent.
// Others follow, in no order.
var headOrder = [...]string{"Server", "Content-Type", "Content-Length", "Connection", "X-Amzn-Requestid", "X-Amz-Crc32"}

// appendHead appends the head of an answer.
func appendHead(dst []byte, status int, header http.Header, now time.Time) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(append(dst, "\r\nDate: "...), date(now)...)
	dst = append(dst, "\r\n"...)
	written := 0
	for _, name := range headOrder {
		if values, there := header[name]; there {
			dst = appendLines(dst, name, values)
			written++
		}
	}
	if written == len(header) {
		return append(dst, "\r\n"...)
	}
	for name, values := range header {
		if !ordered(name) {
			dst = appendLines(dst, name, values)
		}
	}
	return append(dst, "\r\n"...)
}

// ordered tells whether the header is one of headOrder.
func ordered(name string) bool {
	for _, n := range headOrder {
		if n == name {
			return true
		}
	}
	return false
}

// appendLines appends a line for each value of a header. CR and LF in a value are sent as spaces:
// otherwise a client that controls part of a value could add headers, or a second answer.
func appendLines(dst []byte, name string, values []string) []byte {
	for _, v := range values {
		dst = append(append(dst, name...), ": "...)
		at := len(dst)
		dst = append(dst, v...)
		for i, c := range dst[at:] {
			if c == '\r' || c == '\n' {
				dst[at+i] = ' '
			}
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// written is a time, in seconds, and its text in a Date header.
type written struct {
	second int64
	text   string
}

// lastDate is the newest Date: all answers within a second share its text.
var lastDate atomic.Pointer[written]

// date is the text of a Date header.
func date(now time.Time) string {
	second := now.Unix()
	if w := lastDate.Load(); w != nil && w.second == second {
		return w.text
	}
	w := &written{second, now.UTC().Format(http.TimeFormat)}
	lastDate.Store(w)
	return w.text
}
