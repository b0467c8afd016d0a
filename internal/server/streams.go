package server

import (
	"net/http"
	"sync"
	"time"
)

// stream is a request of HTTP/2 under watch. It has activeTime, as a request of HTTP/1.1 has.
type stream struct {
	began time.Duration // the patrol's now
	mu    sync.Mutex
	w     *http.ResponseController // nil when the request is over: it must not be touched any more
}

// watch returns the handler with the requests of HTTP/2 under watch.
func (p *patrol) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		s, ok := p.beginStream(w)
		if !ok {
			w.Header()["Retry-After"] = retrySeconds
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer p.endStream(s)
		h.ServeHTTP(w, r)
		// Or net/http would write the rest when nobody watches any more. An error is the client's: it has gone away.
		_ = s.w.Flush()
	})
}

// beginStream begins the watch of a request, unless there are as many already as there may be connections: each has a header
// and a body to come, as a connection has.
func (p *patrol) beginStream(w http.ResponseWriter) (s *stream, ok bool) {
	s = &stream{began: time.Duration(p.now.Load()), w: http.NewResponseController(w)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most > 0 && len(p.streams) >= p.most {
		return nil, false
	}
	p.streams[s] = struct{}{}
	return s, true
}

// endStream ends it.
func (p *patrol) endStream(s *stream) {
	p.mu.Lock()
	delete(p.streams, s)
	p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = nil
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

// reset ends the request: whoever reads its body or writes its answer gets an error, and the client a RST_STREAM.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	past := time.Unix(1, 0)
	_ = s.w.SetReadDeadline(past) // HTTP/2 has deadlines
	_ = s.w.SetWriteDeadline(past)
}
