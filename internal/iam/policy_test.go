package iam

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestPolicy runs testdata/policy: each policy is followed by requests, and what it says of them.
//
//	policy            the policy of the user ann, or why it is refused
//	ask               one access a line: Action resource [key=value,value | key=]...; key= is a key with no values. dynamodb: and
//	                  arn:aws:dynamodb:eu-west-1:000000000000: are left out
func TestPolicy(t *testing.T) {
	datadriven.Walk(t, "testdata/policy", func(t *testing.T, path string) {
		ann := &Principal{User: "ann"}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "policy":
				p, err := ParsePolicy([]byte(d.Input))
				ann.Policy = p
				if err != nil {
					return "refused: " + err.Error() + "\n"
				}
				if ann.MayEverything() {
					return "everything\n"
				}
				return "ok\n"
			case "ask":
				return askAll(t, ann, d.Input)
			}
			t.Fatalf("%s: no command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

// askAll decides the accesses of a test, one a line.
func askAll(t *testing.T, p *Principal, input string) string {
	var b strings.Builder
	for _, line := range strings.Split(input, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			t.Fatalf("not an access: %q", line)
		}
		a := &Access{Action: fields[0], Resource: fields[1]}
		if !strings.HasPrefix(a.Resource, "arn:") && a.Resource != "*" {
			a.Resource = "arn:aws:dynamodb:eu-west-1:000000000000:" + a.Resource
		}
		values := map[string][]string{}
		for _, f := range fields[2:] {
			key, list, _ := strings.Cut(f, "=")
			values["dynamodb:"+key] = nil
			if list != "" {
				values["dynamodb:"+key] = strings.Split(list, ",")
			}
		}
		a.Values = func(key string) ([]string, bool) {
			v, there := values[key]
			return v, there
		}
		fmt.Fprintln(&b, decisionNames[p.Decide(a)])
	}
	return b.String()
}

var decisionNames = map[Decision]string{DeniedByDefault: "default deny", DeniedExplicitly: "explicit deny", Allowed: "allow"}

// TestActions checks that the list of actions fits its set, is in order, and that none is there
// twice.
func TestActions(t *testing.T) {
	if n := len(allActions) * 64; len(actions) > n {
		t.Fatalf("%d actions, and room for %d", len(actions), n)
	}
	if len(actionIndex) != len(actions) || !slices.IsSorted(actions) {
		t.Errorf("the actions are not sorted, or not distinct: %q", actions)
	}
}

// TestPattern compares pattern.matches with the plainest way to say what it means.
func TestPattern(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	const letters = "ab*?é"
	word := func() string {
		runes := make([]rune, random.IntN(8))
		for i := range runes {
			runes[i] = []rune(letters)[random.IntN(5)]
		}
		return string(runes)
	}
	for range 20000 {
		p, s := word(), word()
		want := matchesPlainly([]rune(p), []rune(s))
		if got := wildcards(p).matches(s); got != want {
			t.Fatalf("seed %d: %q matches %q: %v, want %v", seed, p, s, got, want)
		}
	}
}

// matchesPlainly tells whether s is what p describes.
func matchesPlainly(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return matchesPlainly(p[1:], s) || len(s) > 0 && matchesPlainly(p, s[1:])
	}
	return len(s) > 0 && (p[0] == '?' || p[0] == s[0]) && matchesPlainly(p[1:], s[1:])
}
