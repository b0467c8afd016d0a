package partitatest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// transport is an http.RoundTripper that calls the handler in the goroutine that makes the request.
// The handler gets the request as it would from a network, and the caller the answer as from a
// server.
//
// It is not for any handler: it relies on the database's writing whole answers with their length.
type transport struct {
	handler http.Handler
	// failed, if not nil, is called with each answer that is an error, before it is returned. body
	// is the request's, if it was not longer than maxRequest. It must not use this transport: its
	// request would wait for close, and close for this one.
	failed func(r *http.Request, body []byte, w *answer)
	mu     sync.RWMutex // held for reading while a request is in progress
	closed bool
}

// closedError is the error of requests after the database is closed. It counts as cancelled, as the
// SDK would otherwise retry it like a refused connection.
type closedError struct{}

func (closedError) Error() string       { return "partitatest: the database is closed" }
func (closedError) CanceledError() bool { return true }

// close waits for the requests in progress, and makes later ones fail.
func (t *transport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// RoundTrip implements http.RoundTripper. A request whose context ends meanwhile returns its cause,
// though what it asked for may have been done.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := received(r)
	defer in.Body.Close()
	t.mu.RLock()
	defer t.mu.RUnlock()
	ctx := r.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if t.closed {
		return nil, closedError{}
	}
	w := &answer{header: http.Header{}}
	err := t.serve(w, in)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	body := in.Body.(*sentBody)
	if err := body.end(); err != nil {
		return nil, err
	}
	if t.failed != nil && w.status >= http.StatusBadRequest {
		t.failed(in, body.seen, w)
	}
	return w.response(r), nil
}

// serve calls the handler. A panic becomes the error of the request, as a server closes the
// connection then.
func (t *transport) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // that is its purpose
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("%w: the handler panicked: %v\n%s", io.ErrUnexpectedEOF, p, debug.Stack())
		}
	}()
	t.handler.ServeHTTP(w, r)
	return nil
}

// received returns a request as it arrives at a server. The one given is not changed.
func received(r *http.Request) *http.Request {
	in := (&http.Request{
		Method: r.Method, URL: &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(r.Header)+2), Host: r.Host,
		RequestURI: r.URL.RequestURI(), RemoteAddr: "partitatest",
	}).WithContext(r.Context())
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	setBody(in, r)
	setHeader(in, r)
	return in
}

// setBody gives in the body of r, and its length: what is not known to be empty, and has no length,
// comes in chunks.
func setBody(in, r *http.Request) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		in.Body = &sentBody{ReadCloser: http.NoBody}
		return
	case r.ContentLength > 0:
		in.ContentLength = r.ContentLength
	default:
		in.ContentLength, in.TransferEncoding = -1, []string{"chunked"}
	}
	in.Body = &sentBody{ReadCloser: r.Body, length: in.ContentLength}
}

// setHeader gives in the header of r as package net/http writes and reads it: what the request says
// by other means goes by those.
func setHeader(in, r *http.Request) {
	for name, values := range r.Header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		for _, v := range values {
			in.Header[name] = append(in.Header[name], textproto.TrimString(v))
		}
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer"} {
		delete(in.Header, name)
	}
	if in.ContentLength > 0 || in.ContentLength == 0 && slices.Contains([]string{"POST", "PUT", "PATCH"}, in.Method) {
		in.Header["Content-Length"] = []string{strconv.FormatInt(in.ContentLength, 10)}
	}
	if _, given := r.Header["User-Agent"]; !given {
		in.Header["User-Agent"] = []string{"Go-http-client/1.1"}
	} else if in.Header.Get("User-Agent") == "" {
		delete(in.Header, "User-Agent")
	}
	if r.Close {
		in.Header["Connection"], in.Close = []string{"close"}, true
	}
}

// sentBody is a request's body on its way. It ends after length bytes, or if that is -1 where it
// ends.
type sentBody struct {
	io.ReadCloser
	length int64
	read   int64
	err    error  // what reading it met, other than its end
	seen   []byte // the beginning of what was read
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (n int, err error) {
	if b.length >= 0 {
		p = p[:min(int64(len(p)), b.length-b.read)]
	}
	if b.read == b.length {
		return 0, io.EOF
	}
	n, err = b.ReadCloser.Read(p)
	b.read += int64(n)
	b.seen = append(b.seen, p[:min(n, maxRequest-len(b.seen))]...)
	switch {
	case err == io.EOF && b.read < b.length:
		b.err = fmt.Errorf("http: ContentLength=%d with Body length %d", b.length, b.read) // as net/http has it
		err = io.ErrUnexpectedEOF
	case err != io.EOF:
		b.err = err
	}
	return n, err
}

// end returns why the body was not sent as announced. Of more than was announced it is enough to
// see that there is some.
func (b *sentBody) end() error {
	if b.err == nil && b.length > 0 && b.read == b.length {
		if n, _ := io.ReadFull(b.ReadCloser, make([]byte, 1)); n > 0 {
			return fmt.Errorf("http: ContentLength=%d with a longer Body", b.length)
		}
	}
	return b.err
}

// answer is an http.ResponseWriter that keeps what is written.
type answer struct {
	header http.Header // the handler's, whose values may be shared
	sent   http.Header // a copy from the time of WriteHeader; nil before
	status int
	body   []byte
}

// Header implements http.ResponseWriter.
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *answer) WriteHeader(status int) {
	if w.sent != nil {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	maps.DeleteFunc(w.sent, func(_ string, values []string) bool { return len(values) == 0 })
	if _, given := w.sent["Date"]; !given {
		w.sent["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	}
}

// Write implements http.ResponseWriter.
func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// response returns the answer to r.
func (w *answer) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	if _, given := w.sent["Content-Length"]; !given {
		w.sent["Content-Length"] = []string{strconv.Itoa(len(w.body))}
	}
	length, err := strconv.ParseInt(w.sent["Content-Length"][0], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("partitatest: the handler sent Content-Length %q", w.sent["Content-Length"]))
	}
	body := w.body
	if r.Method == http.MethodHead {
		body = nil
	}
	closing := strings.EqualFold(w.sent.Get("Connection"), "close")
	if closing {
		delete(w.sent, "Connection") // as net/http, which has Response.Close for it
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: length, Request: r,
		Close: closing || r.Close,
	}
}
