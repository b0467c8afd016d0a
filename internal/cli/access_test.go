package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/partita-db/partita/internal/word"
)

// exports finds the key and the secret in what "credentials new" prints.
var exports = regexp.MustCompile(`^export AWS_ACCESS_KEY_ID=(AKIA[A-Z2-7]{16})\nexport AWS_SECRET_ACCESS_KEY=(\S{40})\n$`)

// newKey has the program add an access key to a file.
func newKey(t *testing.T, file string, args ...string) (id, secret string) {
	t.Helper()
	p := begin(t, nil, nil, append([]string{"credentials", "new", "--file", file}, args...)...)
	if status := p.status(); status != 0 {
		t.Fatalf("status %d: %s", status, &p.stderr)
	}
	m := exports.FindStringSubmatch(p.stdout.String())
	if m == nil || strings.Contains(p.stderr.String(), m[2]) || !strings.Contains(p.stderr.String(), "--credentials "+file) {
		t.Fatalf("printed %q and %q", &p.stdout, &p.stderr)
	}
	return m[1], m[2]
}

// listTables calls ListTables and returns the code of the error, if there is one.
func listTables(port, id, secret string) string {
	return refusedWith(port, aws.Credentials{AccessKeyID: id, SecretAccessKey: secret})
}

// TestCredentials makes keys, and serves those who have one, on all addresses.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	id, secret := newKey(t, file)
	reader, readerSecret := newKey(t, file, "--user", "reader", "--read-only")
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func() *program{
		"a flag": func() *program {
			return begin(t, nil, nil, "serve", "--addr", ":0", "--in-memory", "--credentials", file)
		},
		"the variable": func() *program {
			return begin(t, []string{"PARTITA_CREDENTIALS=" + file}, nil, "serve", "--addr", ":0", "--in-memory")
		},
		"a document": func() *program {
			return begin(t, []string{"PARTITA_CREDENTIALS=" + string(document)}, nil, "serve", "--port", "0", "--in-memory")
		},
		"with a margin": func() *program {
			return begin(t, []string{"PARTITA_CREDENTIALS=\n " + string(document)}, nil, "serve", "--port", "0", "--in-memory")
		},
	} {
		p := start()
		port := p.port()
		for _, test := range []struct{ id, secret, want string }{
			{id, secret, ""},
			{reader, readerSecret, ""},
			{id, readerSecret, "InvalidSignatureException"},
			{"local", "local", "UnrecognizedClientException"},
		} {
			if got := listTables(port, test.id, test.secret); got != test.want {
				t.Errorf("%s: ListTables as %s: %q, want %q", name, test.id, got, test.want)
			}
		}
		p.stop()
		said := p.stdout.String()
		if !strings.Contains(said, "for        holders of credentials (access keys: 2, users: 2)\n") || !strings.Contains(said, "try        aws dynamodb list-tables") {
			t.Errorf("%s: it said:\n%s", name, said)
		}
		for _, hidden := range []string{secret, readerSecret, "any credentials"} {
			if strings.Contains(said+p.stderr.String(), hidden) {
				t.Errorf("%s: it said %s", name, hidden)
			}
		}
	}
}

// TestCredentialsNew prints a document where it is not told of a file, and keeps the policy that it
// is given.
func TestCredentialsNew(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy.json")
	text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}`
	if err := os.WriteFile(policy, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := begin(t, nil, nil, "credentials", "new", "--user", "alice", "--policy", policy)
	if status := p.status(); status != 0 || p.stderr.String() != "" {
		t.Fatalf("status %d: %s", status, &p.stderr)
	}
	var got struct {
		Credentials []struct {
			AccessKeyID, SecretAccessKey, User string
			Policy                             struct{ Statement []struct{ Action string } }
		}
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Credentials) != 1 || got.Credentials[0].User != "alice" || got.Credentials[0].Policy.Statement[0].Action != "dynamodb:GetItem" {
		t.Errorf("printed %s", &p.stdout)
	}
}

// TestCredentialsList shows keys without their secrets.
func TestCredentialsList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials.json")
	id, secret := newKey(t, file, "--user", "alice")
	p := begin(t, nil, nil, "credentials", "list", "--file", file)
	if status := p.status(); status != 0 || !regexp.MustCompile(id+` +alice +never +no +everything\n`).MatchString(p.stdout.String()) {
		t.Errorf("status %d:\n%s%s", status, &p.stdout, &p.stderr)
	}
	if strings.Contains(p.stdout.String(), secret) {
		t.Error("the secret is shown")
	}
}

// TestAccessRefusals holds the ways of not starting that have to do with who is let in.
func TestAccessRefusals(t *testing.T) {
	dir := t.TempDir()
	good, open, bad := filepath.Join(dir, "good"), filepath.Join(dir, "open"), filepath.Join(dir, "bad")
	_, secret := newKey(t, good)
	document, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{open: string(document), bad: `{"credentials": [{"secretAccessKey": "s3cret"}]}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, env string
		status    int
		want      string
	}{
		{"serve --credentials " + good + " --no-auth", "", 1, "--credentials and --no-auth contradict one another"},
		{"serve --credentials " + good, "PARTITA_NO_AUTH=1", 1, "--credentials and --no-auth contradict one another"},
		{"serve --credentials " + open, "", 1, "chmod 600 " + open},
		{"serve --credentials " + bad, "", 1, "entry 1 (line 1): accessKeyId is missing"},
		{"serve --credentials " + filepath.Join(dir, "none"), "", 1, "no such file"},
		{"serve --credentials " + dir, "", 1, "is not a regular file"},
		{`serve --credentials {"credentials":["s3cret"]}`, "", 2, "other users can see a command line"},
		{"serve", `PARTITA_CREDENTIALS={"credentials": ["s3cret"]}`, 1, "PARTITA_CREDENTIALS: reading the credentials: entry 1 (line 1)"},
		{"serve", "PARTITA_NO_AUTH=perhaps", 2, "--no-auth"},
		{"credentials new --file " + open, "", 1, "chmod 600 " + open},
		{"credentials new --file " + bad, "", 1, "accessKeyId is missing"},
		{"credentials new --policy " + bad, "", 1, "the policy"},
		{"credentials new --policy " + filepath.Join(dir, "none"), "", 1, "reading the policy"},
		{"credentials new --policy x --read-only", "", 1, "--policy and --read-only"},
		{"credentials new --user a/b", "", 1, `the user "a/b" may have only`},
		{"credentials list --file " + bad, "", 1, "accessKeyId is missing"},
		{"credentials list", "", 2, "--file"},
		{"credentials new --expires tomorrow", "", 1, "--expires tomorrow is neither a duration"},
		{"credentials new --expires=-1h", "", 1, "--expires -1h is in the past"},
		{"credentials new --expires 2020-01-01T00:00:00Z", "", 1, "is in the past"},
		{"credentials delete --file " + good, "", 2, "access-key-id"},
		{"credentials delete --file " + good + " AKIANONE", "", 1, `has no access key "AKIANONE"`},
		{"credentials delete --file " + open + " AKIANONE", "", 1, "chmod 600 " + open},
		{"credentials delete --file " + filepath.Join(dir, "none") + " AKIANONE", "", 1, "does not exist"},
	} {
		args := strings.Fields(test.args)
		if args[0] == "serve" {
			args = append(args, "--in-memory", "--port", "0")
		}
		p := begin(t, []string{test.env}, nil, args...)
		if status := p.status(); status != test.status {
			t.Errorf("%s: exit status %d, want %d", test.args, status, test.status)
		}
		said := p.stderr.String()
		if !strings.HasPrefix(said, "partita: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, test.want) {
			t.Errorf("%s: said %q, want one line with %q", test.args, said, test.want)
		}
		if strings.Contains(said, "s3cret") || strings.Contains(said, secret) || p.stdout.String() != "" {
			t.Errorf("%s: said %q, printed %q", test.args, said, &p.stdout)
		}
	}
}

// TestOpenToAll asks for addresses that others reach, without saying that this is meant.
func TestOpenToAll(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:0"} {
		p := begin(t, nil, nil, "serve", "--addr", addr, "--data", "a b")
		if status := p.status(); status != 1 {
			t.Errorf("%s: exit status %d, want 1", addr, status)
		}
		said, _ := strings.CutPrefix(p.stderr.String(), "partita: other machines reach "+addr+", and ")
		command := "\n  partita serve --addr " + word.ShellQuote(addr) + " --data 'a b'"
		for _, want := range []string{"\n  partita credentials new --file credentials.json\n", command + " --credentials credentials.json\n",
			command + " --no-auth\n", "PARTITA_CREDENTIALS", "PARTITA_NO_AUTH=1"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s: it does not say %q:\n%s", addr, want, &p.stderr)
			}
		}
		if p.stdout.String() != "" {
			t.Errorf("%s: it printed %q", addr, &p.stdout)
		}
	}
	for _, addr := range []string{"localhost:0", "127.0.0.1:0", "127.8.8.8:0", "[::1]:0", "[::ffff:127.0.0.1]:0"} {
		if private, err := onlyHere(t.Context(), addr); !private || err != nil {
			t.Errorf("onlyHere(%s) = %v, %v", addr, private, err)
		}
	}
	for _, addr := range []string{"no.such.name.invalid:0", "0:0"} {
		if private, _ := onlyHere(t.Context(), addr); private {
			t.Errorf("onlyHere(%s) is true", addr)
		}
	}
}

// TestNoAuth says in the banner, and where others may come in the log, that anybody is let in.
func TestNoAuth(t *testing.T) {
	for _, test := range []struct {
		addr, banner string
		warnings     int
	}{
		{"localhost:0", "for        this machine only, with any credentials\n", 0},
		{":0", "for        anyone who can reach this address, with any credentials\n", 1},
	} {
		p := begin(t, []string{"PARTITA_NO_AUTH=1"}, nil, "serve", "--addr", test.addr, "--in-memory")
		if got := listTables(p.port(), "any", "any"); got != "" {
			t.Errorf("%s: ListTables: %s", test.addr, got)
		}
		p.stop()
		if !strings.Contains(p.stdout.String(), test.banner) || !strings.Contains(p.stdout.String(), "try        AWS_ACCESS_KEY_ID=local ") {
			t.Errorf("%s: printed:\n%s", test.addr, &p.stdout)
		}
		if got := strings.Count(p.stderr.String(), "level=WARN"); got != test.warnings {
			t.Errorf("%s: %d warnings:\n%s", test.addr, got, &p.stderr)
		}
	}
}
