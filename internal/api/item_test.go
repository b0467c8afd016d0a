package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// createTable makes a table of the name with the keys a (S) and, if sorted, b (N).
func (s *testService) createTable(t testing.TB, name string, sorted bool) {
	t.Helper()
	d := &schema.Descriptor{Namespace: schema.DefaultNamespace, Name: name, Billing: "PAY_PER_REQUEST"}
	d.Attributes = []schema.AttributeDefinition{{Name: "a", Type: item.S}}
	d.Keys = []schema.KeyElement{{Name: "a"}}
	if sorted {
		d.Attributes = append(d.Attributes, schema.AttributeDefinition{Name: "b", Type: item.N})
		d.Keys = append(d.Keys, schema.KeyElement{Name: "b", Range: true})
	}
	if _, err := s.db.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// TestConcurrentUpdates counts in one item from many goroutines, half of them with a condition that
// they lose to others.
func TestConcurrentUpdates(t *testing.T) {
	const workers, rounds = 8, 50
	s := newService(t)
	s.createTable(t, "T", false)
	s.must(t, "PutItem", `{"TableName":"T","Item":{"a":{"S":"n"},"n":{"N":"0"}}}`)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				if w%2 == 0 {
					s.must(t, "UpdateItem", `{"TableName":"T","Key":{"a":{"S":"n"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}`)
					continue
				}
				for !s.countIf(t) {
				}
			}
		})
	}
	wg.Wait()
	want := fmt.Sprintf(`{"Item":{"a":{"S":"n"},"n":{"N":"%d"}}}`, workers*rounds)
	if got := s.must(t, "GetItem", `{"TableName":"T","Key":{"a":{"S":"n"}}}`); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// countIf reads the number, and adds one to it unless it has changed meanwhile.
func (s *testService) countIf(t testing.TB) bool {
	var read struct {
		Item struct{ N struct{ N string } }
	}
	if err := json.Unmarshal([]byte(s.must(t, "GetItem", `{"TableName":"T","Key":{"a":{"S":"n"}}}`)), &read); err != nil {
		t.Error(err)
	}
	status, answer := s.call(t, "UpdateItem", `{"TableName":"T","Key":{"a":{"S":"n"}},"UpdateExpression":"SET n = n + :one",`+
		`"ConditionExpression":"n = :n","ExpressionAttributeValues":{":one":{"N":"1"},":n":{"N":"`+read.Item.N.N+`"}}}`)
	if status != 200 && !strings.Contains(answer, "ConditionalCheckFailedException") {
		t.Errorf("%d %s", status, answer)
	}
	return status == 200
}

// FuzzRequest sends changed forms of the requests in testdata. Whatever comes, the answer is JSON,
// and no error of ours.
func FuzzRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\n\n") {
			head, _, ok := strings.Cut(block, "\n----")
			_, rest, called := strings.Cut(head, "call ")
			if name, body, _ := strings.Cut(rest, "\n"); ok && called && len(body) < 1000 {
				f.Add(name, []byte(expand(body)))
			}
		}
	}
	s := newService(f)
	s.createTable(f, "T", false)
	s.createTable(f, "TR", true)
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		op := operationOf(targetPrefix + name)
		if op == nil || op.handle == nil {
			t.Skip()
		}
		before := bytes.Clone(body)
		status, answer := s.Serve(t.Context(), &call.Request{Target: targetPrefix + name, Body: body}, nil)
		if status != 200 && status != 400 || !json.Valid(answer) {
			t.Errorf("%s %q: %d %q", name, body, status, answer)
		}
		if !bytes.Equal(before, body) {
			t.Errorf("%s %q: the body was changed to %q", name, before, body)
		}
	})
}
