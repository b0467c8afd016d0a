package iam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestPolicy runs testdata/policy: each policy is followed by requests, and what it says of them.
//
//	policy            the policy of the user ann, or why it is refused; (at load)
//	ask               one access a line: Action resource [key=value,value | key=]...; key= is a key with no values. dynamodb: and
//	                  arn:aws:dynamodb:eu-west-1:000000000000: are left out, which is what a resource of table/... means
func TestPolicy(t *testing.T) {
	datadriven.Walk(t, "testdata/policy", func(t *testing.T, path string) {
		ann := &Principal{User: "ann"}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "policy":
				p, err := ParsePolicy([]byte(d.Input))
				if err != nil {
					return "refused: " + err.Error() + "\n"
				}
				ann.Policy = p
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
