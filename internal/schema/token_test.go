package schema

import (
	"testing"

	"github.com/partita-db/partita/internal/kv"
)

// TestTokenKeys goes from the key of a token's row to that of its expiry row and back.
func TestTokenKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, ns := range []Namespace{{}, DefaultNamespace, {Account: "0", Region: "eu-west-1"}} {
		for _, operation := range []TokenOperation{TokenTransactWriteItems, TokenExecuteTransaction} {
			for _, value := range []string{"t", "00000000-0000-0000-0000-000000000000"} {
				key := (&Token{Namespace: ns, Operation: operation, Value: value}).AppendKey(nil)
				if seen[string(key)] || len(key) < kv.FrontLen {
					t.Errorf("the key %x of %v %c %s is another's, or too short", key, ns, operation, value)
				}
				seen[string(key)] = true
				read, ok := ReadTokenKey(key)
				if want := (Token{Namespace: ns, Operation: operation, Value: value}); !ok || *read != want {
					t.Errorf("the key %x is read as %+v, want %+v", key, read, want)
				}
				for n := range key {
					if read, ok := ReadTokenKey(key[:n]); ok {
						t.Errorf("the key %x, which is cut short, is read as %+v", key[:n], read)
					}
				}
				back, expiry, _ := SplitTokenExpiryKey(AppendTokenExpiryKey(nil, key, 12345))
				if string(back) != string(key) || expiry != 12345 {
					t.Errorf("the expiry row of %x leads to %x at %d", key, back, expiry)
				}
			}
		}
	}
}
