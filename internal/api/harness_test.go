package api

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// testService is the service on a database in memory, with a clock that the test turns.
type testService struct {
	*Service
	db *dbtest.DB

	seen map[string]string // what the answers had last, for later requests

	principal *iam.Principal // who makes the calls; nil: nobody is asked
}

// newService returns a service of an empty database at clocktest.Start. It is closed when the test
// ends.
func newService(t testing.TB) *testService {
	t.Helper()
	return newServiceOn(t, dbtest.Options{})
}

// newServiceOn is newService with options of the database.
func newServiceOn(t testing.TB, o dbtest.Options) *testService {
	t.Helper()
	d := dbtest.Open(t, o)
	return &testService{Service: New(d.DB, Options{Logger: slog.New(testLog{t})}), db: d}
}

// call sends one request: the bare name of an operation, and the body.
func (s *testService) call(t testing.TB, name, body string) (status int, answer string) {
	t.Helper()
	target := targetPrefix + name
	if operationOf(target) == nil && operationOf(streamTargetPrefix+name) != nil {
		target = streamTargetPrefix + name
	}
	status, b := s.Serve(context.Background(), &call.Request{Target: target, Body: []byte(body), ID: "TEST", Principal: s.principal}, nil)
	return status, string(b)
}

// must is call for requests that have to succeed.
func (s *testService) must(t testing.TB, name, body string) string {
	t.Helper()
	status, answer := s.call(t, name, body)
	if status != 200 {
		t.Fatalf("%s %s: %d %s", name, body, status, answer)
	}
	return answer
}

// testLog is a log handler that fails the test: what the service warns of is an error of ours.
type testLog struct{ t testing.TB }

func (testLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (l testLog) WithAttrs([]slog.Attr) slog.Handler         { return l }
func (l testLog) WithGroup(string) slog.Handler              { return l }
func (l testLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s", a); return true })
	l.t.Errorf("the service logged: %s%s", r.Message, b.String())
	return nil
}

// TestExact runs the files of testdata: requests and their exact answers, each file on a database
// of its own. To write the answers anew: go test ./internal/api -run Exact -rewrite, and read the
// diff.
//
//	call <Operation>          the input is the body, the output the status and the answer
//	table <name> <key>…       makes a table. A key is attribute:type, hash first, and attribute:type:HASH for a further hash
//	                          attribute of an index. Each line of the input is an index:
//	                          gsi|lsi <name> <key>… ALL|KEYS_ONLY|INCLUDE <attribute>…
//	clock <duration>          turns the clock
//	sweep                     does what is due by the clock: deletes expired items, trims streams, forgets tokens
//	settle <name>             waits until the table's indexes, that by expiry too, are built and removed
//	closed <name>             waits until all streams of tables of the name that have ended are closed
//	policy                    the input is the policy of the user ann, who makes the calls from here on. It is one or several
//	                          statements without the rest. None: nobody is asked any more
//
// In a body, «x*1000» stands for a thousand x, and «1..100 {"a":{"N":"#"}}» for a hundred copies
// with commas between them, with the number for each #; «iterator», «shard» and «sequence» for the
// last ShardIterator, ShardId and SequenceNumber of the answers. In answers, long runs of one
// letter are printed so too, and UUIDs as <uuid>.
func TestExact(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := newService(t)
			datadriven.RunTest(t, file, s.run)
		})
	}
}

// run runs one command of a file.
func (s *testService) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "call":
		status, answer := s.call(t, d.CmdArgs[0].Key, expand(s.recall(d.Input)))
		s.remember(answer)
		return fmt.Sprintf("%d\n%s\n", status, shorten(answer))
	case "table":
		desc, err := parseTable(d)
		if err == nil {
			_, err = s.db.Create(context.Background(), desc)
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return ""
	case "clock":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.db.Clock.Advance(by)
		return ""
	case "sweep":
		if err := s.db.Sweep(context.Background()); err != nil {
			d.Fatalf(t, "%v", err)
		}
		return ""
	case "closed":
		s.closed(t, d.CmdArgs[0].Key)
		return ""
	case "settle":
		s.settle(t, d.CmdArgs[0].Key)
		return ""
	case "policy":
		return s.setPolicy(d.Input)
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

// setPolicy makes ann with these statements the one who makes the calls.
func (s *testService) setPolicy(statements string) string {
	s.principal = nil
	if statements == "" {
		return ""
	}
	policy, err := iam.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
	if err != nil {
		return err.Error() + "\n"
	}
	s.principal = &iam.Principal{AccessKeyID: "ANNSKEY", User: "ann", Policy: policy}
	return ""
}

// closed waits until the jobs that close streams are done.
func (s *testService) closed(t *testing.T, name string) {
	for range 1000 {
		streams, _ := s.db.Streams(schema.DefaultNamespace, name, "", "", 100)
		if !slices.ContainsFunc(streams, func(l *db.Stream) bool { return !l.Ended.IsZero() && l.Ends == nil }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the streams of %s are not closed after 10 s", name)
}

// seenRE finds what is remembered of answers.
var seenRE = regexp.MustCompile(`"(?:Next)?Shard(Iterator|Id)":"([^"]+)"|"(SequenceNumber)":"(\d+)"`)

// remember notes what an answer has that later requests may want.
func (s *testService) remember(answer string) {
	if s.seen == nil {
		s.seen = map[string]string{}
	}
	for _, m := range seenRE.FindAllStringSubmatch(answer, -1) {
		s.seen[m[1]+m[3]] = m[2] + m[4]
	}
}

// recall puts it into a body.
func (s *testService) recall(body string) string {
	return strings.NewReplacer("«iterator»", s.seen["Iterator"], "«shard»", s.seen["Id"], "«sequence»", s.seen["SequenceNumber"]).Replace(body)
}

// settle waits until the jobs that build and remove a table's indexes are done.
func (s *testService) settle(t testing.TB, name string) {
	for range 1000 {
		table := s.db.Lookup(schema.DefaultNamespace, name)
		e := table.Expiry
		settled := e == nil || e.State == schema.StatePublic || e.State == schema.StateDropped
		for i := range table.Indexes {
			settled = settled && table.Indexes[i].State == schema.StatePublic
		}
		if settled {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the indexes of %s are not settled after 10 s", name)
}

// parseTable reads the table command.
func parseTable(d *datadriven.TestData) (*schema.Descriptor, error) {
	desc := &schema.Descriptor{Namespace: schema.DefaultNamespace, Name: d.CmdArgs[0].Key, Billing: "PAY_PER_REQUEST"}
	types := map[string]item.Type{}
	var ks []string
	for _, a := range d.CmdArgs[1:] {
		ks = append(ks, a.Key)
	}
	desc.Keys, _ = parseKeys(ks, types)
	for _, line := range strings.Split(d.Input, "\n") {
		if line == "" {
			continue
		}
		f := strings.Fields(line)
		x := schema.Index{Name: f[1]}
		if f[0] == "lsi" {
			x.Kind = schema.LocalIndex
		}
		var rest []string
		x.Keys, rest = parseKeys(f[2:], types)
		x.Projection, x.NonKey = schema.Projection(rest[0]), rest[1:]
		desc.Indexes = append(desc.Indexes, x)
	}
	for name, t := range types {
		if t == item.Missing {
			return nil, fmt.Errorf("unknown type of %s", name)
		}
		desc.Attributes = append(desc.Attributes, schema.AttributeDefinition{Name: name, Type: t})
	}
	// Descriptors hold the definitions sorted by name.
	for i := range desc.Attributes {
		for j := i; j > 0 && desc.Attributes[j].Name < desc.Attributes[j-1].Name; j-- {
			desc.Attributes[j], desc.Attributes[j-1] = desc.Attributes[j-1], desc.Attributes[j]
		}
	}
	return desc, nil
}

// parseKeys reads the leading words of the form attribute:type, and returns the words after them.
func parseKeys(words []string, types map[string]item.Type) (keys []schema.KeyElement, rest []string) {
	for i, w := range words {
		name, typ, ok := strings.Cut(w, ":")
		if !ok {
			return keys, words[i:]
		}
		typ, hash := strings.CutSuffix(typ, ":HASH")
		types[name] = item.ParseType(typ)
		keys = append(keys, schema.KeyElement{Name: name, Range: i > 0 && !hash})
	}
	return keys, nil
}

var (
	repeatRE = regexp.MustCompile(`«(.)\*(\d+)»`)
	seriesRE = regexp.MustCompile(`«(\d+)\.\.(\d+) ([^»]*)»`)
	uuidRE   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// expand writes out the abbreviations of a body.
func expand(s string) string {
	s = repeatRE.ReplaceAllStringFunc(s, func(m string) string {
		p := repeatRE.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[2])
		return strings.Repeat(p[1], n)
	})
	return seriesRE.ReplaceAllStringFunc(s, func(m string) string {
		p := seriesRE.FindStringSubmatch(m)
		from, _ := strconv.Atoi(p[1])
		to, _ := strconv.Atoi(p[2])
		var parts []string
		for i := from; i <= to; i++ {
			parts = append(parts, strings.ReplaceAll(p[3], "#", strconv.Itoa(i)))
		}
		return strings.Join(parts, ",")
	})
}

// shorten is the inverse of expand for runs of more than 80 of one byte, and hides UUIDs.
func shorten(s string) string {
	s = uuidRE.ReplaceAllString(s, "<uuid>")
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 1
		for i+n < len(s) && s[i+n] == s[i] {
			n++
		}
		if n > 80 {
			fmt.Fprintf(&b, "«%c*%d»", s[i], n)
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
