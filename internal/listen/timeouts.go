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
	// newTime is for the first request's header.
	newTime = time.Minute
	// idleTime is for the next request's header. It is longer than the SDKs keep an unused
	// connection, so that it is the client who lets go of it and no request is sent into a
	// connection that is being closed.
	idleTime = 5 * time.Minute
	// activeTime is for a body to come, the operation, and the answer to go: 16 MiB each way at 1.1
	// Mbit/s.
	activeTime = 4 * time.Minute
	// roundTime is the time between two rounds.
	roundTime = 5 * time.Second
)

// connections closes the connections that stay in one state for too long: unused, or with a client
// that has stopped sending or reading. It stands in for net/http's timeouts, which set deadlines
// several times a request and so cost it a tenth of all its work; a glance every few seconds does
// as well.
//
// A connection of HTTP/2 stays active while requests come and go on it, each in a stream of its
// own, so there it is the streams that are looked at.
type connections struct {
	now     atomic.Int64 // time.Duration since the beginning, as of the last round
	mu      sync.Mutex
	conns   map[*Conn]struct{}
	streams map[*stream]struct{}
	// unauthenticated and unauthenticatedStreams are those of conns and streams that are nobody's
	// yet, the oldest first (unauthenticated.go).
	unauthenticated, unauthenticatedStreams list.List
	// limit is how many connections, and how many streams, there may be; 0: any number.
	limit         int
	full          time.Duration // under mu: the round in which no connection was found that could go; see makeRoom
	plain         bool          // clients can be told in plain text that there is no room
	busyAnswer    []byte        // what they are told then
	authenticates bool          // there are credentials: new connections are unauthenticated
	// interval is the time between two rounds: roundTime, or unauthenticatedRoundTime where there
	// are unauthenticated connections; tests make the rounds by hand.
	interval time.Duration
	sinceAll time.Duration // the time since all connections were looked at
	// bodyGrace is the constant of that name, but for tests.
	bodyGrace time.Duration
}

// forget ends the watch of a connection.
func (cs *connections) forget(c *Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.remove(c)
}

// remove is forget for whoever holds mu.
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

// round lets time pass and closes those that overstay. Only unauthenticated connections are looked
// at in all rounds, where there are some.
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

// closeUnused closes the connections that have not sent a request yet. Shutdown would wait five
// seconds for it.
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
		_ = c.cut() // whoever it was is gone
	}
}

// run makes its rounds until done is closed.
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
