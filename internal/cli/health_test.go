package cli

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestHealth asks a server for its health that lives, by its data directory and by its address, and one that has ended.
func TestHealth(t *testing.T) {
	t.Chdir(t.TempDir())
	ask := func(args ...string) (status int, said string) {
		p := begin(t, nil, nil, append([]string{"health"}, args...)...)
		status = p.status()
		return status, p.stdout.String() + p.stderr.String()
	}
	server := begin(t, nil, nil, "serve", "--port", "0", "--data", "data")
	server.port()
	file := filepath.Join("data", adminFile)
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("the file that tells the admin address: %v, %v", info, err)
	}
	at, err := findAdmin("", "data")
	if err != nil || at.Token == "" || at.PID != os.Getpid() {
		t.Fatalf("it says %+v, %v", at, err)
	}
	for _, args := range [][]string{{"--data", "data"}, {"--admin-addr", at.Addr}} {
		if status, said := ask(args...); status != 0 || said != "ready\n" {
			t.Errorf("health %v: %d %q, want ready", args, status, said)
		}
	}
	server.stop()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file stays after the end: %v", err)
	}
	if status, said := ask("--admin-addr", at.Addr); status != 1 || !strings.Contains(said, "no server answers on "+at.Addr) {
		t.Errorf("after the end: %d %q", status, said)
	}
}

// TestAdminAddressIsRefused checks what is not taken for an admin address or token.
func TestAdminAddressIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const token = "0123456789abcdef"
	os.WriteFile("open", []byte(token), 0o644)
	os.WriteFile("short", []byte("short"), 0o600)
	for _, test := range []struct {
		env, args []string
		want      string
	}{
		{nil, []string{"--admin-addr", ":0"}, "is reached by other machines"},
		{nil, []string{"--admin-addr", taken.Addr().String()}, "choose another with --admin-addr"},
		{nil, []string{"--admin-addr", "nonsense"}, "not an address"},
		{nil, []string{"--admin-token-file", "open"}, "can be read by others"},
		{nil, []string{"--admin-token-file", "short"}, "no token of at least 16 characters"},
		{nil, []string{"--admin-token", token}, "would be seen by other users"},
		{nil, []string{"--slow-request=-1s"}, "negative"},
		{[]string{"PARTITA_ADMIN_TOKEN=" + token}, []string{"--admin-token-file", "short"}, "give one of them"},
	} {
		p := begin(t, test.env, nil, append([]string{"serve", "--in-memory", "--port", "0"}, test.args...)...)
		if status := p.status(); status == 0 || !strings.Contains(p.stderr.String(), test.want) {
			t.Errorf("serve %v: status %d, %s, want %q", test.args, status, &p.stderr, test.want)
		}
	}
}
