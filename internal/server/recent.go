package server

import (
	"container/list"
	"sync"
	"time"
)

const (
	// recentKinds is how many kinds of lines are remembered at most; the one that was logged
	// longest ago is forgotten first.
	recentKinds = 256
	// recentEvery is how far apart two lines of one kind are at least.
	recentEvery = time.Minute
	// recentLines is how many lines of all kinds together there are in a minute at most: one a
	// second, all at once if need be.
	recentLines = 60
)

// recent remembers which kinds of lines were logged of late, so that whoever causes them can
// neither fill the log nor the memory. What the kinds are is the caller's business; their texts
// must be bounded. It is safe for concurrent use.
type recent struct {
	mu     sync.Mutex
	kinds  map[string]*list.Element // of *recentKind
	order  list.List                // the one to be forgotten first in front
	minute int64
	lines  int // in that minute
}

// recentKind is a kind of line.
type recentKind struct {
	name string
	last time.Time // when it was logged; zero: it was not yet
	left int       // lines left out since
}

// admit tells whether there may be a line of the kind now, and how many were left out since its
// last one.
func (r *recent) admit(kind string, now time.Time) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.kinds[kind]
	if !known {
		at = r.remember(kind)
	}
	k := at.Value.(*recentKind)
	if !k.last.IsZero() && now.Sub(k.last) < recentEvery && !now.Before(k.last) || !r.room(now) {
		k.left++
		return 0, false
	}
	left, k.left, k.last = k.left, 0, now
	r.order.MoveToBack(at)
	return left, true
}

// room tells whether this minute has room for a line, and takes it.
func (r *recent) room(now time.Time) bool {
	if minute := now.Unix() / 60; minute != r.minute {
		r.minute, r.lines = minute, 0
	}
	if r.lines == recentLines {
		return false
	}
	r.lines++
	return true
}

// remember adds a kind, for which another may have to go.
func (r *recent) remember(kind string) *list.Element {
	if r.kinds == nil {
		r.kinds = map[string]*list.Element{}
	}
	if len(r.kinds) >= recentKinds {
		oldest := r.order.Remove(r.order.Front()).(*recentKind)
		delete(r.kinds, oldest.name)
	}
	at := r.order.PushBack(&recentKind{name: kind})
	r.kinds[kind] = at
	return at
}
