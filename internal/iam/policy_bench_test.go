package iam

import "testing"

// benchmarkDecide decides one access by a policy, over and over.
func benchmarkDecide(b *testing.B, policy string, want Decision, values func(string) ([]string, bool)) {
	p := &Principal{User: "ann", Policy: FullAccess}
	if policy != "" {
		var err error
		if p.Policy, err = ParsePolicy([]byte(policy)); err != nil {
			b.Fatal(err)
		}
	}
	a := &Access{Action: "GetItem", Resource: "arn:aws:dynamodb:eu-west-1:000000000000:table/Orders", Values: values}
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(a); d != want {
			b.Fatal(d)
		}
	}
}

func BenchmarkFullAccess(b *testing.B) { benchmarkDecide(b, "", Allowed, nil) }

func BenchmarkTable(b *testing.B) {
	benchmarkDecide(b, `{"Statement": {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"],
		"Resource": ["arn:aws:dynamodb:*:*:table/Orders", "arn:aws:dynamodb:*:*:table/Orders/index/*"]}}`, Allowed, nil)
}

func BenchmarkTableAmongTwenty(b *testing.B) {
	policy := `{"Statement": [`
	for range 20 {
		policy += `{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:*:*:table/Secret*"},`
	}
	benchmarkDecide(b, policy+`{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`, Allowed, nil)
}

func BenchmarkLeadingKeys(b *testing.B) {
	keys := []string{"ann"}
	benchmarkDecide(b, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "dynamodb:*",
		"Resource": "arn:aws:dynamodb:*:*:table/Orders",
		"Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}}}}`, Allowed,
		func(string) ([]string, bool) { return keys, true })
}
