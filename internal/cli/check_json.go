package cli

import (
	"encoding/json"
	"io"
	"time"

	"github.com/partita-db/partita/internal/check"
)

// checkReport is what "partita check --json" prints. Scripts read it: members may be added, but
// none may be removed or change its meaning.
type checkReport struct {
	Directory string  `json:"directory"`
	Seconds   float64 `json:"seconds"`
	Complete  bool    `json:"complete"` // false if the check was interrupted, or could not read on

	Tables        int64 `json:"tables"`
	Items         int64 `json:"items"`
	IndexRows     int64 `json:"indexRows"`
	ExpiryRows    int64 `json:"expiryRows"`
	Streams       int64 `json:"streams"`
	StreamRecords int64 `json:"streamRecords"`
	Tokens        int64 `json:"tokens"`
	Unfollowed    int64 `json:"unfollowed"` // stream records not compared with others of their item: too many
	Bytes         int64 `json:"bytes"`

	Found    map[check.Kind]int64 `json:"found"` // all problems, by kind
	Problems []checkProblem       `json:"problems"`
}

// checkProblem is one of the problems listed. Members that do not apply are left out.
type checkProblem struct {
	Kind   check.Kind `json:"kind"`
	Table  string     `json:"table,omitempty"`
	Index  string     `json:"index,omitempty"`
	Key    string     `json:"key,omitempty"`
	Detail string     `json:"detail"`
}

// printJSON prints the report as JSON. Lists and objects are there if they are empty, too.
func (r *checked) printJSON(w io.Writer, dir string, took time.Duration, complete bool) {
	out := checkReport{
		Directory: dir, Seconds: took.Seconds(), Complete: complete,
		Tables: r.Tables, Items: r.Items, IndexRows: r.IndexRows, ExpiryRows: r.ExpiryRows, Streams: r.Streams,
		StreamRecords: r.StreamRecords, Tokens: r.Tokens, Unfollowed: r.Unfollowed, Bytes: r.Bytes,
		Found: r.Found, Problems: make([]checkProblem, 0, len(r.Problems)),
	}
	if out.Found == nil {
		out.Found = map[check.Kind]int64{}
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, checkProblem(p))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(out)
}
