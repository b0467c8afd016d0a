package iam

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzPolicy checks that no policy makes the parser panic, and that one that it takes decides the
// same each time that it is read, and by the rules that hold for all: a policy that MayEverything
// allows everything, and one with a Deny of all allows nothing.
func FuzzPolicy(f *testing.F) {
	files, err := filepath.Glob("testdata/policy/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range bytes.Split(text, []byte("\npolicy\n"))[1:] {
			policy, _, _ := bytes.Cut(part, []byte("\n----"))
			f.Add(policy, "GetItem", "table/Orders", "ann", "COUNT")
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, action, path, key, sel string) {
		one, err := ParsePolicy(text)
		two, again := ParsePolicy(text)
		if (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("%v, then %v", err, again)
		}
		if _, known := actionIndex[action]; err != nil || !known {
			return
		}
		a := &Access{Action: action, Resource: "arn:aws:dynamodb:eu-west-1:000000000000:" + path, Values: func(k string) ([]string, bool) {
			switch k {
			case KeyLeadingKeys, KeyAttributes:
				return []string{key, sel}, true
			case KeySelect, KeyReturnValues:
				return []string{sel}, true
			}
			return nil, false
		}}
		ann := &Principal{User: "ann", Policy: one}
		decision := ann.Decide(a)
		if again := (&Principal{User: "ann", Policy: two}).Decide(a); again != decision {
			t.Fatalf("%v, then %v", decision, again)
		}
		if ann.MayEverything() && decision != Allowed {
			t.Fatalf("everything is allowed, but not %s on %s", a.Action, a.Resource)
		}
		closed := &Policy{statements: append([]statement{{deny: true, actions: allActions, resources: []resource{{any: true}}}}, one.statements...)}
		if d := (&Principal{User: "ann", Policy: closed}).Decide(a); d != DeniedExplicitly {
			t.Fatalf("all is denied, but %v", d)
		}
	})
}
