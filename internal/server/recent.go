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
	// recentGroup is how many of these are of one group at most, so that a client that causes ever
	// new kinds of one group does not use up the lines of the others.
	recentGroup = 20
)

// recent remembers which kinds of lines were logged lately, so that the clients that cause them can
// fill neither the log nor the memory. The caller chooses groups, of which there must be few, and
// kinds, whose texts must be bounded. It is safe for concurrent use.
type recent struct {
	mu     sync.Mutex
	kinds  map[string]*list.Element // of *recentKind
	order  list.List                // the one to be forgotten first in front
	minute int64
	lines  int            // in that minute
	groups map[string]int // of these by group
	lost   map[string]int // by group: lines left out since its last one whose kinds are not remembered
}

// recentKind is a kind of line.
type recentKind struct {
	name string
	last time.Time // when it was logged
	left int       // lines left out since
}

// admit tells whether a line of the kind, which is of the group, may be logged now, and how many
// were left out since its last one. Lines left out of kinds that are not remembered are counted
// with the next line of their group, whatever its kind.
func (r *recent) admit(group, kind string, now time.Time) (left int, ok bool) {
	kind = group + "\n" + kind
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.kinds[kind]
	if known {
		k := at.Value.(*recentKind)
		if now.Sub(k.last) < recentEvery && !now.Before(k.last) {
			k.left++
			return 0, false
		}
	}
	switch {
	case r.room(group, now):
	case known:
		at.Value.(*recentKind).left++
		return 0, false
	default: // it does not replace a kind that is remembered, as it is not logged
		r.lose(group)
		return 0, false
	}
	if !known {
		at = r.remember(kind)
	}
	k := at.Value.(*recentKind)
	left = k.left + r.lost[group]
	k.left, k.last = 0, now
	delete(r.lost, group)
	r.order.MoveToBack(at)
	return left, true
}

// lose counts a line of a kind that is not remembered.
func (r *recent) lose(group string) {
	if r.lost == nil {
		r.lost = map[string]int{}
	}
	if _, known := r.lost[group]; known || len(r.lost) < recentKinds {
		r.lost[group]++
	}
}

// room tells whether this minute has room for a line of the group, and if so counts the line.
func (r *recent) room(group string, now time.Time) bool {
	if minute := now.Unix() / 60; minute != r.minute || r.groups == nil {
		r.minute, r.lines, r.groups = minute, 0, map[string]int{}
	}
	if r.lines == recentLines || r.groups[group] == recentGroup {
		return false
	}
	r.lines++
	r.groups[group]++
	return true
}

// remember adds a kind, in place of the oldest if there are recentKinds.
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
