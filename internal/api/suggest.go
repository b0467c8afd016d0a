package api

import (
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/db"
)

const (
	// suggestEvery is how far apart the suggestions for one name are at least.
	suggestEvery = time.Minute
	// maxSuggested is how many names are remembered for that, and so how many suggestions there are in that time.
	maxSuggested = 64
	// suggestAmong is how many tables are looked at.
	suggestAmong = 10_000
)

// suggested remembers when a table was suggested in place of which name.
type suggested struct {
	mu sync.Mutex
	at map[string]time.Time
}

// again tells whether it is time for a suggestion for the name, and notes that there is one.
func (s *suggested) again(name string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, there := s.at[name]; there && now.Sub(at) < suggestEvery && !now.Before(at) {
		return false
	}
	for other, at := range s.at {
		if now.Sub(at) >= suggestEvery || now.Before(at) {
			delete(s.at, other)
		}
	}
	if len(s.at) >= maxSuggested {
		return false
	}
	if s.at == nil {
		s.at = map[string]time.Time{}
	}
	s.at[strings.Clone(name)] = now // it lies in the request's body, which others get
	return true
}

// suggest tells the log of a table that somebody may have meant who asked for one that is not there. The answer does not tell: it is
// DynamoDB's.
func (s *Service) suggest(c *call.Call, r *call.Request) {
	name := c.Report.Missing
	if !s.suggested.again(name, c.DB.Now()) {
		return
	}
	names, _ := c.DB.List(db.DefaultNamespace, "", suggestAmong)
	if meant := Similar(name, names); meant != "" {
		s.log.Info("table not found: did you mean "+meant+"?", "table", name, "similar", meant, "request_id", r.ID)
	}
}

// Similar returns the name that is most like one that does not exist, or "" if none is like it. Names that differ in case or
// separators only come before those with a letter or two wrong, and these before those that have more before or behind. A table of
// that very name is only not ready.
func Similar(name string, names []string) string {
	best, distance := "", 5
	plain := simplified(name)
	for _, n := range names {
		if n == name {
			return ""
		}
		if d := difference(name, plain, n); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// difference is how much a name differs from the one looked for, whose simplified form is plain: 0 in case or separators only, 1
// or 2 in as many letters, 3 in a part before or behind; 5 in more than that.
func difference(name, plain, other string) int {
	simple := simplified(other)
	if plain == simple && plain != "" {
		return 0
	}
	if d := edits(plain, simple); d <= 2 && 3*d <= len(plain) { // a third of a short name is another name
		return d
	}
	if short, long := plain, simple; min(len(short), len(long)) >= 3 {
		if len(short) > len(long) {
			short, long = long, short
		}
		if strings.HasPrefix(long, short) || strings.HasSuffix(long, short) {
			return 3
		}
	}
	return 5
}

// simplified is a name without what people mix up: case, and the separators - _ and dot.
func simplified(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// edits is how many letters must be put in, left out, changed, or swapped with their neighbour to make a into b; 3 stands for more
// than two.
func edits(a, b string) int {
	const most = 3
	if max(len(a), len(b))-min(len(a), len(b)) >= most {
		return most
	}
	var rows [3][256]int // names have 255 bytes at most
	if len(a) > 255 || len(b) > 255 {
		return most
	}
	two, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least >= most {
			return most
		}
		two, last, row = last, row, two
	}
	return min(last[len(b)], most)
}
