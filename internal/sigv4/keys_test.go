package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// plainSignature signs by AWS's formula.
func plainSignature(secret, date, region, service, toSign string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, region, service, "aws4_request", toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// TestPlainSignature holds the formula to the example of AWS's guide.
func TestPlainSignature(t *testing.T) {
	got := plainSignature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam",
		"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"+
			"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59")
	if want := "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// TestSigningKeys verifies signatures for more regions than keys are kept, and looks at which are.
func TestSigningKeys(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	var k Keys
	for i := range 3 * maxKeys { // more than are kept, in several rounds
		region := fmt.Sprintf("region-%d", i%(maxKeys+3))
		want := plainSignature(secret, "20150830", region, "dynamodb", "text")
		if k.Verify(secret, Scope{"20150830", region, "dynamodb"}, []byte("text"), strings.Repeat("0", 64)) {
			t.Errorf("%s: a wrong signature is right", region)
		}
		for range 2 { // with a key that is derived, and with the one that was kept
			if !k.Verify(secret, Scope{"20150830", region, "dynamodb"}, []byte("text"), want) {
				t.Errorf("%s: the right signature is wrong", region)
			}
		}
		if k.Verify(secret, Scope{"20150830", region, "dynamodb"}, []byte("other"), want) {
			t.Errorf("%s: the signature of another text is right", region)
		}
		if keys := *k.keys.Load(); len(keys) > maxKeys || keys[len(keys)-1].scope.Region != region && i < maxKeys {
			t.Errorf("%s: %d keys are kept", region, len(keys))
		}
	}
	before := k.keys.Load()
	k.Verify(secret, Scope{"20150831", "elsewhere", "dynamodb"}, []byte("text"), strings.Repeat("0", 64))
	if k.keys.Load() != before {
		t.Error("a wrong signature has its key kept")
	}
}

// TestVerifyAtOnce verifies signatures from many goroutines.
func TestVerifyAtOnce(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	var k Keys
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for j := range 200 {
				region := fmt.Sprint((i + j) % (maxKeys + 1))
				want := plainSignature(secret, "20150830", region, "dynamodb", "text")
				if !k.Verify(secret, Scope{"20150830", region, "dynamodb"}, []byte("text"), want) {
					t.Errorf("region %s: the right signature is wrong", region)
					return
				}
			}
		})
	}
	g.Wait()
}
