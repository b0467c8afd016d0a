package listen

import (
	"container/list"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How long a connection may stay in one state.
const (
	// newTime is from accepting to the end of the first request's header.
	newTime = time.Minute
	// idleTime is from an answer to the end of the next request's header. It is longer than the
	// SDKs keep an unused connection, so that the client closes it and not the server: a request
	// that is sent while the server closes fails, and the client cannot know whether it was
	// executed.
	idleTime = 5 * time.Minute
	// activeTime is for reading the body, the operation, and sending the answer: enough for the
	// largest body and answer, 16 MiB each, at 1.1 Mbit/s.
	activeTime = 4 * time.Minute
	// roundTime is the time between two rounds, so a timeout can be late by as much.
	roundTime = 5 * time.Second
)

// connections are all connections of a server. It closes those that stay in one state for too long:
// unused, or with a client that has stopped sending or reading. It replaces net/http's timeouts,
// which set deadlines several times in each request and cost a tenth of all its work, by a round
// over all connections every few seconds.
//
// A connection of HTTP/2 is active as long as any stream is open on it, so there the time of each
// stream is limited instead.
//
// mu is held only to read and change the lists. Closing, resetting and waiting happen after it is
// released, as they can take long and some of them come back to take it (Conn.cut).
type connections struct {
	now     atomic.Int64 // time.Duration since the start, as of the last round; no clock is read per request
	mu      sync.Mutex
	conns   map[*Conn]struct{}
	streams map[*stream]struct{}
	// unauthenticated and unauthenticatedStreams are those of conns and streams that are not
	// authenticated, the oldest first (unauthenticated.go).
	unauthenticated, unauthenticatedStreams list.List
	// limit is how many connections, and how many streams, there may be; 0: any number.
	limit         int
	full          time.Duration // guarded by mu: now when makeRoom last found no connection to close
	plain         bool          // no TLS, so reject can answer
	busyAnswer    []byte        // what it answers then
	authenticates bool          // new connections are unauthenticated
	// interval is the time between two rounds: roundTime, or unauthenticatedRoundTime if there can
	// be unauthenticated connections. Tests call round themselves.
	interval time.Duration
	sinceAll time.Duration // since the last round over all connections
	// bodyGrace is the constant of that name, except in tests.
	bodyGrace time.Duration
}

// forget unregisters a connection.
func (cs *connections) forget(c *Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.remove(c)
}

// remove is forget for a caller that holds mu.
func (cs *connections) remove(c *Conn) {
	delete(cs.conns, c)
	cs.removeUnauthenticated(c)
}

// overstays tells whether the connection has been in its state for too long.
func (c *Conn) overstays(now time.Duration) bool {
	s := c.state.Load()
	if http.ConnState(s&3) == http.StateActive && c.http2.Load() {
		return false
	}
	limit := [...]time.Duration{
		http.StateNew: newTime, http.StateActive: activeTime, http.StateIdle: idleTime, stateRetired: 0,
	}[s&3]
	return now-time.Duration(s>>2) > limit
}

// round advances now and closes connections and streams that have exceeded their time. Most rounds
// only look at unauthenticated ones, whose limits are shorter; each roundTime one looks at all.
func (cs *connections) round(passed time.Duration) {
	now := time.Duration(cs.now.Add(int64(passed)))
	if cs.authenticates {
		cs.closeOverdue(now)
		cs.resetOverdue(now)
		if cs.sinceAll += passed; cs.sinceAll < roundTime {
			return
		}
		cs.sinceAll = 0
	}
	cs.closeIf(func(c *Conn) bool { return c.overstays(now) })
	cs.resetStreams(now)
}

// closeUnused closes the connections that have not sent a request yet, for which
// http.Server.Shutdown would wait five seconds.
func (cs *connections) closeUnused() {
	cs.closeIf(func(c *Conn) bool { return c.currentState() == http.StateNew })
}

// closeIf closes the connections of which close holds.
func (cs *connections) closeIf(close func(*Conn) bool) {
	cs.mu.Lock()
	var found []*Conn
	for c := range cs.conns {
		if close(c) {
			found = append(found, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range found {
		_ = c.cut()
	}
}

// run makes a round each interval until done is closed.
func (cs *connections) run(done <-chan struct{}) {
	tick := time.NewTicker(cs.interval)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			cs.round(now.Sub(last))
			last = now
		}
	}
}
