package listen

import (
	"container/list"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of HTTP/2. The timeouts of timeouts.go apply to each stream; these apply to the
// connection, which counts as active as long as any stream is open.
const (
	// maxStreams is how many requests of one connection are served at a time. Clients are told, and
	// open more connections.
	maxStreams = 100
	// pingTime is how long a connection may be silent before it is sent a PING, and pongTime how
	// long the answer to that may take.
	pingTime = time.Minute
	pongTime = 15 * time.Second
	// maxFrameBytes is the least maximum that HTTP/2 allows (RFC 9113, section 4.2). A connection
	// keeps a buffer for the largest frame that was announced, of any type: with the megabyte that
	// net/http allows, the nine bytes of a frame's header would cost a megabyte for as long as the
	// connection lasts.
	maxFrameBytes = 16 << 10
)

// stream is a request of HTTP/2 in progress. Its time limit is activeTime, as for a request of
// HTTP/1.1, and on an unauthenticated connection that of unauthenticated.go.
type stream struct {
	conn     *Conn
	began    time.Duration // as connections.now
	received atomic.Int64  // bytes of the body, counted on unauthenticated connections only
	place    *list.Element // in connections.unauthenticatedStreams, guarded by its mu; nil: in no list
	// mu guards w. It is taken after connections.mu is released, since reset can wait for net/http.
	mu sync.Mutex
	w  *http.ResponseController // nil when the request is over: net/http reuses what is behind it
}

// countedBody counts what arrives of a body on an unauthenticated connection.
type countedBody struct {
	io.ReadCloser
	s *stream
}

// Read implements io.Reader.
func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.s.received.Add(int64(n))
	return n, err
}

// watchStreams wraps the handler: requests of HTTP/2 are registered as streams while it runs.
func (cs *connections) watchStreams(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		s := &stream{conn: ConnOf(r.Context()), w: http.NewResponseController(w)}
		if !cs.beginStream(s) {
			w.Header()["Retry-After"] = retryAfter
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer cs.endStream(s)
		if s.conn.Unauthenticated() {
			r.Body = countedBody{r.Body, s}
		}
		h.ServeHTTP(w, r)
		// The answer must be sent while the stream's time limit still applies; otherwise net/http
		// would write the rest after endStream, for as long as the client likes. An error means
		// that the client has closed the stream.
		_ = s.w.Flush()
	})
}

// beginStream registers a stream. There may be as many as connections, because a stream takes as
// much memory for its header and body as a connection does. At the limit, the oldest stream of an
// unauthenticated connection is reset in its place; if there is none it returns false.
func (cs *connections) beginStream(s *stream) bool {
	s.began = time.Duration(cs.now.Load())
	cs.mu.Lock()
	var old *stream
	if cs.limit > 0 && len(cs.streams) >= cs.limit {
		if old = cs.oldestStream(); old == nil {
			cs.mu.Unlock()
			return false
		}
		cs.drop(old)
	}
	cs.streams[s] = struct{}{}
	if s.conn.Unauthenticated() {
		s.place = cs.unauthenticatedStreams.PushBack(s)
	}
	cs.mu.Unlock()
	if old != nil {
		old.reset()
	}
	return true
}

// oldestStream returns the oldest stream of an unauthenticated connection, nil if there is none. It
// removes from the list those whose connection has been authenticated since. The caller holds mu.
func (cs *connections) oldestStream() *stream {
	for e := cs.unauthenticatedStreams.Front(); e != nil; e = cs.unauthenticatedStreams.Front() {
		s := e.Value.(*stream)
		if s.conn.Unauthenticated() {
			return s
		}
		cs.unauthenticatedStreams.Remove(e)
		s.place = nil
	}
	return nil
}

// drop unregisters a stream, if it is registered. The caller holds mu.
func (cs *connections) drop(s *stream) {
	delete(cs.streams, s)
	if s.place != nil {
		cs.unauthenticatedStreams.Remove(s.place)
		s.place = nil
	}
}

// endStream unregisters a stream whose handler has returned, and begins the connection's time for
// the next request. After it, reset does nothing.
func (cs *connections) endStream(s *stream) {
	s.conn.awaitRequest()
	cs.mu.Lock()
	cs.drop(s)
	cs.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = nil
}

// resetOverdue resets the streams of unauthenticated connections that have exceeded their time.
func (cs *connections) resetOverdue(now time.Duration) {
	cs.mu.Lock()
	var found []*stream
	for e := cs.unauthenticatedStreams.Front(); e != nil; e = e.Next() {
		s := e.Value.(*stream)
		if s.conn.Unauthenticated() && overdue(now, int64(s.began+unauthenticatedRoundTime), s.received.Load()) {
			found = append(found, s)
		}
	}
	cs.mu.Unlock()
	for _, s := range found {
		s.reset()
	}
}

// resetStreams resets the streams that have exceeded activeTime.
func (cs *connections) resetStreams(now time.Duration) {
	cs.mu.Lock()
	var found []*stream
	for s := range cs.streams {
		if now-s.began > activeTime {
			found = append(found, s)
		}
	}
	cs.mu.Unlock()
	for _, s := range found {
		s.reset()
	}
}

// reset ends the request by deadlines in the past: reading its body and writing its answer fail,
// and the client gets a RST_STREAM. If they cannot be set, it closes the connection.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	past := time.Unix(1, 0)
	if errors.Join(s.w.SetReadDeadline(past), s.w.SetWriteDeadline(past)) != nil {
		_ = s.conn.cut()
	}
}
