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
	// in that time: a client that makes names up can fill neither the memory nor the log.
	maxSuggested = 64
	// suggestAmong is how many tables are compared: the request waits for it.
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
	s.at[strings.Clone(name)] = now // name is a view of the request's body, which is reused
	return true
}

// suggest logs the name of an existing table that resembles the missing one. The answer does not
// have it: that is DynamoDB's, and a suggestion would tell of tables that a policy may hide.
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
