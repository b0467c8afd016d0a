package api

import (
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/schema"
	"github.com/partita-db/partita/internal/word"
)

const (
	// suggestEvery is how far apart the suggestions for one name are at least.
	suggestEvery = time.Minute
	// maxSuggested is how many names are remembered for that, and so how many suggestions there are
	// in that time.
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

// suggest tells the log of a table that somebody may have meant who asked for one that is not
// there. The answer does not tell: it is DynamoDB's.
func (s *Service) suggest(c *call.Call, r *call.Request) {
	name := c.Report.MissingTable()
	if !s.suggested.again(name, c.DB.Now()) {
		return
	}
	names, _ := c.DB.List(schema.DefaultNamespace, "", suggestAmong)
	if meant := word.Similar(name, names); meant != "" {
		s.log.Info("table not found: did you mean "+meant+"?", "table", name, "similar", meant, "request_id", r.ID)
	}
}
