package cli

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/check"
	"github.com/partita-db/partita/internal/clocktest"
)

// adminSecret is the token of the admin addresses.
const adminSecret = "a-secret-of-the-operators"

// served is a database in a directory, or in memory, whose data and admin addresses are served.
type served struct {
	*partita.DB
	dir, admin string
	client     *dynamodb.Client
	stop       func()
}

// serveDir serves a database with a table "things" of 100 items. An empty dir is in memory.
func serveDir(t *testing.T, dir string) *served {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	admin := partita.NewAdmin(partita.AdminOptions{Token: adminSecret, Logger: log})
	db, err := partita.Open(partita.Options{Dir: dir, InMemory: dir == "", Admin: admin, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	data, control := listenAny(t), listenAny(t)
	servers := []*http.Server{{Handler: db.Handler()}, {Handler: admin}}
	go servers[0].Serve(data)
	go servers[1].Serve(control)
	s := &served{DB: db, dir: dir, admin: control.Addr().String()}
	transport := &http.Transport{}
	s.stop = func() {
		transport.CloseIdleConnections()
		for _, server := range servers {
			server.Close()
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	s.client = dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String("http://" + data.Addr().String()), Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	s.fill(t)
	return s
}

// listenAny listens on a free port of this machine.
func listenAny(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fill makes the table with an index and a stream, unless it is there.
func (s *served) fill(t *testing.T) {
	t.Helper()
	_, err := s.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("things")})
	if err == nil {
		return
	}
	key := func(name string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: aws.String(name), KeyType: types.KeyTypeHash}}
	}
	_, err = s.client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("things"), BillingMode: types.BillingModePayPerRequest, KeySchema: key("id"),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: aws.String("g"), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("by-g"), KeySchema: key("g"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
		},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		var writes []types.WriteRequest
		for n := range 25 {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"id": &types.AttributeValueMemberN{Value: strconv.Itoa(25*i + n)},
				"g":  &types.AttributeValueMemberS{Value: "g"}, "v": &types.AttributeValueMemberS{Value: strings.Repeat("x", 100)},
			}}})
		}
		in := &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"things": writes}}
		if _, err := s.client.BatchWriteItem(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

// dirBytes reads all files of a directory.
func dirBytes(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unchanged wants a directory to be as it was.
func unchanged(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	after := dirBytes(t, dir)
	if len(after) != len(before) {
		t.Errorf("%s had %d files, and has %d", dir, len(before), len(after))
	}
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s has changed", name)
		}
	}
}

// command runs the program to its end.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := begin(t, nil, nil, args...)
	status = p.status()
	return status, p.stdout.String(), p.stderr.String()
}

// wants runs the program and wants a status, and a text in what it says.
func wants(t *testing.T, status int, text string, args ...string) string {
	t.Helper()
	got, stdout, stderr := command(t, args...)
	if got != status || !strings.Contains(stdout+stderr, text) {
		t.Errorf("partita %s: status %d, want %d and %q; it said:\n%s%s", strings.Join(args, " "), got, status, text, stdout, stderr)
	}
	return stdout
}

// TestBackupAndRestore takes a backup of a running server in all the ways there are, checks it,
// restores it, serves that and writes to it, and finds the backup as it was.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	s := serveDir(t, in("data"))
	if err := os.WriteFile(in("token"), []byte(adminSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, 1, "no server with an admin address is running there", "backup", in("b0"), "--data", in("data"))
	wants(t, 1, "requires another admin token", "backup", in("b0"), "--admin-addr", s.admin)
	file, err := json.Marshal(map[string]string{"address": s.admin, "token": adminSecret})
	if err == nil {
		err = os.WriteFile(in("data/"+adminFile), file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	wants(t, 0, "backup written to", "backup", in("b1"), "--data", in("data"))
	wants(t, 0, "backup written to", "backup", in("b2"), "--admin-addr", s.admin, "--admin-token-file", in("token"))
	wants(t, 1, "not empty", "backup", in("b1"), "--data", in("data"))
	wants(t, 1, "within the data directory", "backup", in("data/b"), "--data", in("data"))
	wants(t, 1, "open already, in this process or another", "backup", in("b3"), "--data", in("data"), "--offline")
	wants(t, 1, "a server has it open", "check", "--data", in("data"))
	wants(t, 1, "open already, in this process or another", "restore", in("b1"), "--data", in("data"))

	before := dirBytes(t, in("b1"))
	said := wants(t, 0, "problems        none", "check", "--data", in("b1"))
	for _, line := range []string{"tables          1", "items           100", "index rows      100", "stream records  100"} {
		if !strings.Contains(said, line) {
			t.Errorf("check does not say %q:\n%s", line, said)
		}
	}
	wants(t, 0, "restored", "restore", in("b1"), "--data", in("r/deep"))
	wants(t, 1, "not empty", "restore", in("b1"), "--data", in("r/deep"))
	restored := serveDir(t, in("r/deep"))
	sameTable(t, s, restored)
	if _, err := restored.client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("things")}); err != nil {
		t.Error(err)
	}
	wants(t, 1, "open already, in this process or another", "restore", in("b1"), "--data", in("r/deep"))
	restored.stop()
	s.stop()
	unchanged(t, in("b1"), before)

	wants(t, 0, "backup written to", "backup", in("b4"), "--data", in("data"), "--offline")
	wants(t, 0, "problems        none", "check", "--data", in("b4"))
	wants(t, 1, "there is no admin.json", "backup", in("b5"), "--data", in("b4"))
	wants(t, 2, "", "restore")
	wants(t, 2, "", "check", "--what")
}

// sameTable wants two servers to have the same table.
func sameTable(t *testing.T, a, b *served) {
	t.Helper()
	var seen []string
	for _, s := range []*served{a, b} {
		out, err := s.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("things")})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("things"), IndexName: aws.String("by-g")})
		if err != nil || all.Count != 100 {
			t.Errorf("the index has %d rows, %v", all.Count, err)
		}
		seen = append(seen, *out.Table.TableId+*out.Table.LatestStreamArn)
	}
	if seen[0] != seen[1] {
		t.Errorf("the tables are %q", seen)
	}
}

// TestBackupOfProgram takes backups of the real program, with its own token and with one that was
// given, on disk and in memory.
func TestBackupOfProgram(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	p := begin(t, nil, nil, "serve", "--port", "0", "--data", in("data"))
	p.port()
	wants(t, 0, "backup written to", "backup", in("b1"), "--data", in("data"))
	p.stop()
	wants(t, 0, "problems        none", "check", "--data", in("b1"))
	wants(t, 1, "no server with an admin address is running there", "backup", in("b2"), "--data", in("data"))

	env := []string{"PARTITA_ADMIN_TOKEN=" + adminSecret}
	p = begin(t, env, nil, "serve", "--port", "0", "--in-memory")
	p.port()
	address := regexp.MustCompile(`admin +http://(\S+)`).FindStringSubmatch(p.stdout.String())
	if address == nil {
		t.Fatalf("no admin address in %q", p.stdout.String())
	}
	wants(t, 1, "requires another admin token", "backup", in("b3"), "--admin-addr", address[1])
	b := begin(t, env, nil, "backup", in("b3"), "--admin-addr", address[1])
	if status := b.status(); status != 0 {
		t.Errorf("a backup of memory: %d %s", status, b.stderr.String())
	}
	p.stop()
	wants(t, 0, "restored", "restore", in("b3"), "--data", in("r"))
	wants(t, 0, "problems        none", "check", "--data", in("r"))
}

// TestBackupOfMemory copies a database in memory to the disk and serves the copy.
func TestBackupOfMemory(t *testing.T) {
	to := filepath.Join(t.TempDir(), "copy")
	s := serveDir(t, "")
	if err := s.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	wants(t, 0, "problems        none", "check", "--data", to)
	copied := serveDir(t, to)
	sameTable(t, s, copied)
	copied.stop()
	s.stop()
}

// TestCheckCommand checks a directory that is damaged, in a file and in a row, and wants it
// unchanged.
func TestCheckCommand(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	serveDir(t, data).stop()
	before := dirBytes(t, data)
	out := wants(t, 0, `"items": 100`, "check", "--data", data, "--json")
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil || report["directory"] != data || report["complete"] != true {
		t.Errorf("the report is %+v, %v", report, err)
	}
	members := slices.Sorted(maps.Keys(report))
	if want := []string{
		"bytes", "complete", "directory", "expiryRows", "found", "indexRows", "items", "problems", "seconds", "streamRecords", "streams", "tables", "tokens", "unfollowed",
	}; !slices.Equal(members, want) {
		t.Errorf("the report has the members %q, want %q", members, want)
	}
	if !strings.Contains(out, `"problems": []`) || !strings.Contains(out, `"found": {}`) {
		t.Errorf("without problems the report is %s", out)
	}
	unchanged(t, data, before)

	tables, err := filepath.Glob(filepath.Join(data, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal("no tables: ", err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(tables[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	before = dirBytes(t, data)
	out = wants(t, 1, "damaged file: "+filepath.Base(tables[0])+": block ", "check", "--data", data)
	if strings.Contains(out, "000000") || strings.Count(out, ".sst") != 1 {
		t.Errorf("it does not name one file: %s", out)
	}
	var damaged checkReport
	out = wants(t, 1, `"damaged file": 1`, "check", "--data", data, "--json")
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&damaged); err != nil || len(damaged.Problems) != 1 || damaged.Problems[0].Kind != check.KindFile {
		t.Errorf("the report of damage is %+v, %v", damaged, err)
	}
	wants(t, 1, "nothing was restored", "restore", data, "--data", filepath.Join(dir, "r"))
	if _, err := os.Stat(filepath.Join(dir, "r")); err == nil {
		t.Error("a restore that was refused has left a directory")
	}
	unchanged(t, data, before)
	wants(t, 0, "restored", "restore", data, "--data", filepath.Join(dir, "r"), "--no-check")
	wants(t, 1, "not a Partita data directory", "check", "--data", dir)
}

// TestProgress turns the clock and reads what is told.
func TestProgress(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out output
		clock := clocktest.New(time.Unix(0, 0))
		p := newProgress(&out)
		p.terminal, p.now, p.began = terminal, clock.Now, clock.Now()
		p.next = p.began.Add(p.every())
		for i := range int64(25) {
			p.tell("checking rows", 1000*i, 50_000, rowCount)
			clock.Advance(time.Second)
		}
		p.tell("copying", 1_500_000, 0, byteCount)
		p.end()
		want := "checking rows: 20 %, 10000 rows, 1000 rows/s\nchecking rows: 40 %, 20000 rows, 1000 rows/s\n"
		if got := out.String(); !terminal && got != want {
			t.Errorf("it told %q, want %q", got, want)
		} else if terminal && (strings.Count(got, "\r") != 27 || !strings.Contains(got, "\rcopying: 1.5 MB ")) {
			t.Errorf("a terminal was told %q", got)
		}
	}
}
