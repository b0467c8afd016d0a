package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/partita-db/partita/internal/iam"
)

// credentialsCommand makes access keys and tells of them.
type credentialsCommand struct {
	New  newCredentials  `cmd:"" help:"Make an access key."`
	List listCredentials `cmd:"" help:"List access keys, without their secrets."`
}

// newCredentials makes an access key.
type newCredentials struct {
	File     string `placeholder:"FILE" help:"Add it to this file, which is made if there is none. Otherwise a document with this key alone is printed."`
	User     string `placeholder:"NAME" help:"Who it is for, as the name stands in ARNs. Default: the access key id."`
	Policy   string `placeholder:"FILE" help:"What it may do: a file with a policy in the language of AWS's IAM. Default: everything."`
	ReadOnly bool   `help:"It may read everything, and change nothing."`
}

// Run implements the command. Standard output has what is to be kept, and nothing else.
func (c *newCredentials) Run(s *streams) error {
	policy, err := c.policy()
	if err != nil {
		return err
	}
	entry, err := iam.NewEntry(c.User, policy)
	if err != nil {
		return err
	}
	if c.File == "" {
		document, err := entry.AppendTo(nil)
		if err != nil {
			return err
		}
		s.stdout.Write(document)
		return nil
	}
	if err := entry.AppendToFile(c.File); err != nil {
		return err
	}
	fmt.Fprint(s.stdout, entry.Exports())
	fmt.Fprintf(s.stderr, "added to %s; \"partita serve --credentials %s\" asks for it\n", c.File, quoted([]string{c.File})[0])
	return nil
}

// policy is the policy that the flags ask for.
func (c *newCredentials) policy() ([]byte, error) {
	switch {
	case c.Policy != "" && c.ReadOnly:
		return nil, errors.New("--policy and --read-only both say what it may do; give one of them")
	case c.Policy != "":
		policy, err := os.ReadFile(c.Policy)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		return policy, nil
	case c.ReadOnly:
		return []byte(iam.ReadOnlyPolicy), nil
	}
	return []byte(iam.FullAccessPolicy), nil
}

// listCredentials lists access keys.
type listCredentials struct {
	File string `required:"" placeholder:"FILE" help:"The file."`
}

// Run implements the command.
func (c *listCredentials) Run(s *streams) error {
	store, err := iam.OpenFile(c.File, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer store.Close()
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCESS KEY\tUSER\tEXPIRES\tSESSION TOKEN")
	for _, k := range store.List() {
		expires, token := "never", "no"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.RFC3339)
		}
		if k.HasToken() {
			token = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Principal.AccessKeyID, k.Principal.User, expires, token)
	}
	return w.Flush()
}
