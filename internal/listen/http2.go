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

// What HTTP/2 adds. The timeouts are for its streams, and these watch the connection below them,
// which is in use as long as any stream is.
const (
	// maxStreams is how many requests of one connection are served at a time. Clients keep to it,
	// and open more connections.
	maxStreams = 100
	// pingTime is how long a connection may be silent until it is asked for a sign of life, and
	// pongTime how long that may take.
	pingTime = time.Minute
	pongTime = 15 * time.Second
	// maxFrameBytes is the least that HTTP/2 allows. A connection keeps a buffer for the largest
	// frame that came, of any type: with the megabyte that net/http allows, nine bytes from anybody
	// would cost one, for as long as the connection lasts.
	maxFrameBytes = 16 << 10
)

// stream is a request of HTTP/2 under watch. It has activeTime, as a request of HTTP/1.1 has, and
// on an unauthenticated connection as long as an unauthenticated connection has.
type stream struct {
	conn     *Conn
	began    time.Duration // as connections.now
	received atomic.Int64  // of an unauthenticated connection's body
	place    *list.Element // of connections.unauthenticatedStreams, under its mu; nil: it is none
	mu       sync.Mutex
	w        *http.ResponseController // nil when the request is over: it must not be touched any more
}

// countedBody is the body of an unauthenticated connection's stream.
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

// watchStreams returns the handler with the requests of HTTP/2 under watch.
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
		// Or net/http would write the rest when nobody watches any more. An error is the client's:
		// it has gone away.
		_ = s.w.Flush()
	})
}

// beginStream begins the watch of a request, unless there are as many already as there may be
// connections: each has a header and a body to come, as a connection has. Then the oldest of a
// unauthenticated connection makes room, if there is one.
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

// oldestStream is the oldest stream of an unauthenticated connection, nil if there is none. Those
// whose connection is known by now are none any more. The caller holds mu.
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

// drop forgets a stream. The caller holds mu.
func (cs *connections) drop(s *stream) {
	delete(cs.streams, s)
	if s.place != nil {
		cs.unauthenticatedStreams.Remove(s.place)
		s.place = nil
	}
}

// endStream ends the watch of a request. The time for the next one of its connection begins.
func (cs *connections) endStream(s *stream) {
	s.conn.awaitRequest()
	cs.mu.Lock()
	cs.drop(s)
	cs.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = nil
}

// resetOverdue resets the streams of unauthenticated connections that take too long.
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

// resetStreams resets the streams that take too long.
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

// reset ends the request: whoever reads its body or writes its answer gets an error, and the client
// a RST_STREAM. If that does not go, its connection ends.
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
