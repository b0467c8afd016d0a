package listen

import "time"

// On a server with authentication, a connection is unauthenticated until a signature has been
// verified on it. A request that merely names an access key does not change that, since the ids of
// keys are no secret. Unauthenticated connections have little time for a request, and when a new
// connection needs room the oldest of them is closed, before any authenticated one and whatever it
// is doing. So clients without a key, however many and slow, do not take room from those with one.
// Servers without authentication have no unauthenticated connections.

const (
	// UnauthenticatedTime is how long an unauthenticated connection may take for a whole request:
	// from when it was accepted, or its last answer was sent, until the signature is verified.
	UnauthenticatedTime = 20 * time.Second
	// unauthenticatedRate is how many received bytes add a second to that, so that a client with a
	// key can send a large first request over a slow line.
	unauthenticatedRate = 64 << 10
	// unauthenticatedGrace is how long an unauthenticated connection stays open in any case. A
	// client with a key needs a moment to send its first request; without the grace, clients that
	// reconnect as fast as they are closed would push it out before that. Meanwhile new connections
	// wait in the kernel's queue.
	unauthenticatedGrace = 250 * time.Millisecond
	// bodyGrace is the same for an unauthenticated connection that is sending a large body.
	bodyGrace = time.Second
	// unauthenticatedRoundTime is the time between two rounds over the unauthenticated connections.
	unauthenticatedRoundTime = 500 * time.Millisecond
)

// awaitRequest begins the time that an unauthenticated connection has for its next request. It
// counts from the next round, since connections.now is that of the last one: otherwise a connection
// could get less than its time.
func (c *Conn) awaitRequest() {
	if c.unauthenticated.Load() {
		c.awaited.Store(c.all.now.Load() + int64(unauthenticatedRoundTime))
		c.received.Store(0)
	}
}

// count counts what an unauthenticated connection has sent.
func (c *Conn) count(n int) {
	if c.unauthenticated.Load() {
		c.received.Add(int64(n))
	}
}

// overdue tells whether an unauthenticated connection, or stream, whose time began at awaited and
// that has sent received bytes since, has exceeded its time.
func overdue(now time.Duration, awaited, received int64) bool {
	return now-time.Duration(awaited) > UnauthenticatedTime+time.Duration(received)*time.Second/unauthenticatedRate
}

// MarkAuthenticated notes that a signature was verified on the connection. It is false if the
// connection has been closed meanwhile: then the request should not be executed, as the client
// could not get the answer.
func (c *Conn) MarkAuthenticated() bool {
	if !c.unauthenticated.Load() {
		return true
	}
	cs := c.all
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, there := cs.conns[c]; !there {
		return false
	}
	c.unauthenticated.Store(false)
	cs.removeUnauthenticated(c)
	return true
}

// Unauthenticated tells whether no signature has been verified on the connection, though the
// handler verifies them.
func (c *Conn) Unauthenticated() bool { return c.unauthenticated.Load() }

// HoldBytes adds more bytes, negative for less, to what the handler has reserved for bodies that
// are arriving on the connection, and returns the sum. It only counts.
func (c *Conn) HoldBytes(more int64) int64 { return c.heldBytes.Add(more) }

// CloseOtherHolder closes the oldest other unauthenticated connection that holds bytes (HoldBytes)
// and is past its grace. It tells whether there was one. The bytes are given back a little later,
// by the handler of the request that fails.
func (c *Conn) CloseOtherHolder() bool { return c.all.closeHolder(c) }

// closeHolder is CloseOtherHolder of c.
func (cs *connections) closeHolder(c *Conn) bool {
	cs.mu.Lock()
	var found *Conn
	for e := cs.unauthenticated.Front(); e != nil && found == nil; e = e.Next() {
		if o := e.Value.(*Conn); o != c && o.heldBytes.Load() > 0 && time.Since(o.accepted) > cs.bodyGrace {
			found = o
		}
	}
	cs.mu.Unlock()
	if found == nil {
		return false
	}
	_ = found.cut()
	return true
}

// removeUnauthenticated takes a connection out of the list, if it is in it. The caller holds mu.
func (cs *connections) removeUnauthenticated(c *Conn) {
	if c.place != nil {
		cs.unauthenticated.Remove(c.place)
		c.place = nil
	}
}

// closeOverdue closes the unauthenticated connections that have exceeded their time.
func (cs *connections) closeOverdue(now time.Duration) {
	cs.mu.Lock()
	var found []*Conn
	for e := cs.unauthenticated.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); overdue(now, c.awaited.Load(), c.received.Load()) {
			found = append(found, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range found {
		c.cut()
	}
}
