package iam

import "testing"

// FuzzDocument reads documents of any form. One that is good stays so, with all that it has, when
// an entry is added.
func FuzzDocument(f *testing.F) {
	f.Add(document("secret", "A", "B"))
	f.Add([]byte(`{"credentials": [{"accessKeyId": "A", "secretAccessKey": "<&>", "sessionToken": "\u0041", "expires": "2027-01-01T00:00:00+14:00", "user": "u", "policy": ` + everything + `}]}`))
	f.Add([]byte("{\n\"credentials\": [\n\n]}"))
	f.Add([]byte(`{"credentials": [{"accessKeyId": "A"`))
	e, err := NewEntry(EntryOptions{User: "new", Policy: []byte(ReadOnlyPolicy)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before, err := parse(document)
		if err != nil {
			return
		}
		more, err := e.AppendTo(document)
		if err != nil {
			t.Fatalf("AppendTo: %v", err)
		}
		after, err := parse(more)
		if err != nil {
			t.Fatalf("after AppendTo: %v\n%s", err, more)
		}
		if len(after) != len(before)+1 || after[e.AccessKeyID] == nil {
			t.Errorf("there were %d credentials, now there are %d", len(before), len(after))
		}
		for id, old := range before {
			new := after[id]
			if new == nil || new.secret.reveal() != old.secret.reveal() || new.token.reveal() != old.token.reveal() ||
				!new.Expires.Equal(old.Expires) || new.Principal.User != old.Principal.User {
				t.Errorf("%v has become %v", old, new)
			}
		}
	})
}
