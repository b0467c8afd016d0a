package listen

import "time"

// An unauthenticated connection is one of a server that asks for credentials on which no signature
// has been verified yet: whatever access key its requests name, for the ids of keys are no secret.
// Unauthenticated connections have little time for a request, and when a new connection needs room
// the oldest of them go first, before any that is known and whatever they are doing. So whoever has
// no key can be many and can be slow, and takes no room from those who have one. Servers that ask
// nobody for credentials have no unauthenticated connections.

const (
	// UnauthenticatedTime is how long an unauthenticated connection may take for a whole request:
	// from the first byte that it may send, which is when it was accepted or when its last answer
	// was sent, until the request is verified.
	UnauthenticatedTime = 20 * time.Second
	// unauthenticatedRate is how many bytes in a second give it another second.
	unauthenticatedRate = 64 << 10
	// unauthenticatedGrace is how long an unauthenticated connection may stay in any case. Whoever
	// has a key needs a moment to show it, which many clients that come again as fast as they are
	// closed must not take from it: these wait in the kernel's queue meanwhile.
	unauthenticatedGrace = 250 * time.Millisecond
	// bodyGrace is how long an unauthenticated connection with a large body may stay in any case.
	bodyGrace = time.Second
	// unauthenticatedRoundTime is the time between two looks at the unauthenticated connections.
	unauthenticatedRoundTime = 500 * time.Millisecond
)

// awaitRequest begins the time that an unauthenticated connection has for its next request.
// connections.now is the time of the last round; so that nobody gets less, the time begins with the
// next one.
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

// overdue tells whether an unauthenticated connection has taken too long that is awaited since a
// time and has sent so many bytes from then on.
func overdue(now time.Duration, awaited, received int64) bool {
	return now-time.Duration(awaited) > UnauthenticatedTime+time.Duration(received)*time.Second/unauthenticatedRate
}

// MarkAuthenticated notes that a signature was verified on the connection. It tells whether the
// connection is still there: if it has made room in the meantime, nobody would get the answer.
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

// HoldBytes notes that bodies which come on the connection take so many bytes more, or less, of a
// memory that all share. It returns how many they take.
func (c *Conn) HoldBytes(more int64) int64 { return c.heldBytes.Add(more) }

// CloseOtherHolder closes the oldest other unauthenticated connection whose bodies take some of
// that memory, and which had its grace. It tells whether there was one.
func (c *Conn) CloseOtherHolder() bool { return c.all.closeHolder(c) }

// closeHolder closes the oldest unauthenticated connection, other than c, that has memory for a
// large body and had its grace. It tells whether there was one.
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
	_ = found.cut() // whoever it was is gone
	return true
}

// removeUnauthenticated takes a connection out of the unauthenticated connections, if it is one of
// them. The caller holds mu.
func (cs *connections) removeUnauthenticated(c *Conn) {
	if c.place != nil {
		cs.unauthenticated.Remove(c.place)
		c.place = nil
	}
}

// closeOverdue closes the unauthenticated connections that have taken too long.
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
