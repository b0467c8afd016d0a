package cli

import (
	"fmt"

	"github.com/partita-db/partita/internal/inspect"
	"github.com/partita-db/partita/internal/schema"
)

// inspectTokens shows the tokens of transactions.
type inspectTokens struct {
	Limit int64 `default:"25" placeholder:"N" help:"Number of tokens to show at most; 0 shows all. Default: ${default}."`
	inspectFlags
}

// Help adds to the command's help.
func (*inspectTokens) Help() string {
	return `Shows the tokens (ClientRequestToken) by which transactions are done once: the operation, the token,
until when it counts, the fingerprint of the request, and the sizes of the items, from which a repetition
gets its capacity units. A token is stored together with the items of its transaction, so that none is of a
transaction that is in progress. With --json a token is an object on one line.
` + inspectRules + `

Examples:

	partita inspect tokens --data /backups/monday
	partita inspect tokens --limit 0 --json`
}

// printedToken is a token.
type printedToken struct {
	Operation string `json:"operation,omitempty"`
	Account   string `json:"account,omitempty"`
	Region    string `json:"region,omitempty"`
	Token     string `json:"token,omitempty"`
	// State is done, or expired if the token is not removed yet, and counts no more.
	State       string `json:"state,omitempty"`
	Expires     string `json:"expires,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// Images are the sizes, of each action, of the larger of the item before and after it.
	Images []int  `json:"images,omitempty"`
	Damage string `json:"damage,omitempty"`
	printedBytes
}

// Run implements the command.
func (c *inspectTokens) Run(s *streams) error {
	return c.run(s, func(x *inspection) error {
		shown := int64(0)
		for t, err := range x.Tokens() {
			if err != nil {
				return err
			}
			if c.Limit > 0 && shown == c.Limit {
				x.more("tokens", "")
				return nil
			}
			if err := x.token(tokenOf(&t)); err != nil {
				return err
			}
			shown++
		}
		return nil
	})
}

// tokenOf is a token to print.
func tokenOf(t *inspect.Token) *printedToken {
	if t.Token == nil {
		return &printedToken{Damage: t.Damage, printedBytes: bytesOf(t.Key, t.Value)}
	}
	out := &printedToken{
		Account: t.Token.Namespace.Account, Region: t.Token.Namespace.Region, Token: t.Token.Value,
		State: "done", Expires: timeText(t.Expires), Images: t.Images,
		Fingerprint: fmt.Sprintf("%x", t.Token.Fingerprint),
	}
	if t.Over {
		out.State = "expired"
	}
	switch t.Token.Operation {
	case schema.TokenTransactWriteItems:
		out.Operation = "TransactWriteItems"
	case schema.TokenExecuteTransaction:
		out.Operation = "ExecuteTransaction"
	default:
		out.Operation = fmt.Sprintf("%#02x", byte(t.Token.Operation))
	}
	return out
}

// token prints a token, and counts it if it is damaged.
func (x *inspection) token(t *printedToken) error {
	if t.Damage != "" {
		x.damaged++
	}
	if x.asJSON {
		return x.encode(t, false)
	}
	if t.Damage != "" {
		fmt.Fprintf(x.out, "cannot be read: %s\n", t.Damage)
		t.print(x.out)
		return nil
	}
	fmt.Fprintf(x.out, "%s %q  %s, until %s\n    fingerprint %s, sizes of items %v\n",
		t.Operation, t.Token, t.State, t.Expires, t.Fingerprint, t.Images)
	return nil
}
