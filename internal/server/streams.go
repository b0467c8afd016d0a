package server

import (
	"container/list"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// stream is a request of HTTP/2 under watch. It has activeTime, as a request of HTTP/1.1 has, and
// on a stranger's connection as long as a stranger has.
type stream struct {
	conn     *conn
	began    time.Duration // the patrol's now
	received atomic.Int64  // of a stranger's body
	place    *list.Element // of the patrol's strangeStreams, under its mu; nil: it is none
	mu       sync.Mutex
	w        *http.ResponseController // nil when the request is over: it must not be touched any more
}

// strangeBody is the body of a stranger's stream.
type strangeBody struct {
	io.ReadCloser
	s *stream
}

// Read implements io.Reader.
func (b strangeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.s.received.Add(int64(n))
	return n, err
}

// watch returns the handler with the requests of HTTP/2 under watch.
func (p *patrol) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		s := &stream{conn: connOf(r.Context()), w: http.NewResponseController(w)}
		if !p.beginStream(s) {
			w.Header()["Retry-After"] = retrySeconds
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer p.endStream(s)
		if s.conn.stranger.Load() {
			r.Body = strangeBody{r.Body, s}
		}
		h.ServeHTTP(w, r)
		// Or net/http would write the rest when nobody watches any more. An error is the client's: it has gone away.
		_ = s.w.Flush()
	})
}

// beginStream begins the watch of a request, unless there are as many already as there may be
// connections: each has a header and a body to come, as a connection has. Then the oldest of a
// stranger makes room, if there is one.
func (p *patrol) beginStream(s *stream) bool {
	s.began = time.Duration(p.now.Load())
	p.mu.Lock()
	var old *stream
	if p.most > 0 && len(p.streams) >= p.most {
		if old = p.oldestStream(); old == nil {
			p.mu.Unlock()
			return false
		}
		p.drop(old)
	}
	p.streams[s] = struct{}{}
	if s.conn.stranger.Load() {
		s.place = p.strangeStreams.PushBack(s)
	}
	p.mu.Unlock()
	if old != nil {
		old.reset()
	}
	return true
}

// oldestStream is the oldest stream of a stranger, nil if there is none. Those whose connection is
// known by now are none any more. The caller holds mu.
func (p *patrol) oldestStream() *stream {
	for e := p.strangeStreams.Front(); e != nil; e = p.strangeStreams.Front() {
		s := e.Value.(*stream)
		if s.conn.stranger.Load() {
			return s
		}
		p.strangeStreams.Remove(e)
		s.place = nil
	}
	return nil
}

// drop forgets a stream. The caller holds mu.
func (p *patrol) drop(s *stream) {
	delete(p.streams, s)
	if s.place != nil {
		p.strangeStreams.Remove(s.place)
		s.place = nil
	}
}

// endStream ends it.
func (p *patrol) endStream(s *stream) {
	s.conn.await()
	p.mu.Lock()
	p.drop(s)
	p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = nil
}

// resetOverdue resets the streams of strangers that take too long.
func (p *patrol) resetOverdue(now time.Duration) {
	p.mu.Lock()
	var found []*stream
	for e := p.strangeStreams.Front(); e != nil; e = e.Next() {
		s := e.Value.(*stream)
		if s.conn.stranger.Load() && overdue(now, int64(s.began+strangerRound), s.received.Load()) {
			found = append(found, s)
		}
	}
	p.mu.Unlock()
	for _, s := range found {
		s.reset()
	}
}

// resetStreams resets the streams that take too long.
func (p *patrol) resetStreams(now time.Duration) {
	p.mu.Lock()
	var found []*stream
	for s := range p.streams {
		if now-s.began > activeTime {
			found = append(found, s)
		}
	}
	p.mu.Unlock()
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
