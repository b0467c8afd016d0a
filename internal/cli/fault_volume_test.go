package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

var volumes = flag.Bool("volumes", false, "run the tests that fill volumes of their own in memory")

// volume is a small volume in memory.
type volume struct {
	t   *testing.T
	dir string
}

// mountVolume mounts a volume in a mount namespace of its own, which a process holds until the test
// ends: by way of that process's root others reach it, too. It skips the test where that is not to
// be had.
func mountVolume(t *testing.T, size string) *volume {
	t.Helper()
	dir := t.TempDir()
	mount := `mount -t tmpfs -o size=` + size + ` tmpfs "$1" && echo mounted && exec cat`
	holder := childCommand("unshare", "-r", "-m", "sh", "-c", mount, "sh", dir)
	in, err := holder.StdinPipe() // cat ends with it
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skipf("no volume can be mounted on %s: %v", runtime.GOOS, err)
	}
	t.Cleanup(func() {
		in.Close()
		holder.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Skipf("no volume can be mounted: %q, %v", line, err)
	}
	return &volume{t: t, dir: fmt.Sprintf("/proc/%d/root%s", holder.Process.Pid, dir)}
}

// command is the real program with its data on the volume.
func (v *volume) command(args ...string) *exec.Cmd {
	args = append([]string{"serve", "--port", "0", "--data", filepath.Join(v.dir, "data")}, args...)
	return childCommand(build(v.t), args...)
}

// serve starts the program, which is to listen.
func (v *volume) serve(args ...string) *child {
	v.t.Helper()
	return startCommand(v.t, v.command(args...))
}

// refuse starts the program, which is to end with status 1 by itself, soon, and returns what it
// says.
func (v *volume) refuse(args ...string) string {
	v.t.Helper()
	cmd := v.command(args...)
	said, err := os.Create(filepath.Join(v.t.TempDir(), "stderr"))
	if err != nil {
		v.t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	late := time.AfterFunc(volumePatience, func() { cmd.Process.Kill() })
	defer late.Stop()
	err = cmd.Wait()
	text := make([]byte, 4096)
	n, _ := said.ReadAt(text, 0)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		v.t.Errorf("the program ended with %v, want status 1:\n%s", err, text[:n])
	}
	if info, err := said.Stat(); err != nil || info.Size() > 4096 {
		v.t.Errorf("the program said %d bytes, %v:\n%s", info.Size(), err, text[:n])
	}
	return string(text[:n])
}

// volumePatience is far more than a start on a full volume takes.
const volumePatience = 30 * time.Second

// fill is another process that takes all room, to the last byte.
func (v *volume) fill() {
	v.t.Helper()
	f, err := os.OpenFile(filepath.Join(v.dir, "filler"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 1<<20); len(piece) > 0; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			v.t.Fatal(err)
		}
	}
}

// empty gives that room back.
func (v *volume) empty() {
	v.t.Helper()
	if err := os.Remove(filepath.Join(v.dir, "filler")); err != nil {
		v.t.Fatal(err)
	}
}

// ballast tells whether the program has the ballast of ballastFlags, the whole of it: one that is
// being made when the program is killed is of no use to the next start.
func (v *volume) ballast() bool {
	info, err := os.Stat(filepath.Join(v.dir, "data", "BALLAST"))
	return err == nil && info.Size() == 48<<20
}

// eventually waits until the condition holds.
func eventually(t *testing.T, s *child, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > childPatience {
			t.Fatalf("%s does not come about:\n%s", what, s.stderr)
		}
	}
}

// end tells the program to end, which it is to do well.
func (v *volume) end(s *child) {
	v.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		v.t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		v.t.Errorf("the program told to end: %v\n%s", err, s.stderr)
	}
}

// ballastFlags make a ballast that a short test can do with.
var ballastFlags = []string{"--ballast", "48MiB", "--free-space-floor", "16MiB"}

// fillVolume writes to a new table until that fails, and returns the error.
func fillVolume(t *testing.T, s *child) error {
	t.Helper()
	createBulk(s)
	n, err := putBulk(s, 3000)
	if err == nil {
		t.Fatal("the volume does not fill up")
	}
	t.Logf("after %d items: %v", n, err)
	return err
}

// createBulk makes a table.
func createBulk(s *child) {
	s.t.Helper()
	s.must("CreateTable", object{
		"TableName": "bulk", "BillingMode": "PAY_PER_REQUEST", "KeySchema": []object{{"AttributeName": "k", "KeyType": "HASH"}},
		"AttributeDefinitions": []object{{"AttributeName": "k", "AttributeType": "S"}},
	})
}

// putBulk puts items of 90 KB into it until that fails, and returns how many were acknowledged.
func putBulk(s *child, items int) (int, error) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := range items {
		var text strings.Builder // that does not compress away
		for text.Len() < 90000 {
			fmt.Fprintf(&text, "%x", random.Uint64())
		}
		in := object{"TableName": "bulk", "Item": object{"k": str(fmt.Sprint(n)), "v": str(text.String())}}
		if _, err := s.call(context.Background(), "PutItem", in); err != nil {
			return n, err
		}
	}
	return items, nil
}

// bulk is how many items the table has.
func bulk(s *child) int {
	s.t.Helper()
	count, after := 0, any(nil)
	for {
		in := object{"TableName": "bulk", "Select": "COUNT"}
		if after != nil {
			in["ExclusiveStartKey"] = after
		}
		out := s.must("Scan", in)
		count += int(out["Count"].(float64))
		if after = out["LastEvaluatedKey"]; after == nil {
			return count
		}
	}
}

// TestFullVolume fills a real volume. Above its floor the program refuses writes and serves reads,
// and a table that is deleted makes room. Without a floor it ends, and says that there is no space
// left.
func TestFullVolume(t *testing.T) {
	if !*volumes {
		t.Skip("writes a hundred megabytes; asked for with -volumes")
	}
	s := mountVolume(t, "256m").serve("--free-space-floor", "100MiB")
	s.create()
	if err := put(context.Background(), s, "kept", "value"); err != nil {
		t.Fatal(err)
	}
	answer := (*refusal)(nil)
	if err := fillVolume(t, s); !errors.As(err, &answer) || !strings.Contains(answer.body, "nearly full") {
		t.Fatalf("the full volume: %v\n%s", err, s.stderr)
	}
	if out := s.must("GetItem", object{"TableName": crashTable, "Key": object{"k": str("kept")}}); out["Item"] == nil {
		t.Error("the item cannot be read")
	}
	s.must("DeleteTable", object{"TableName": "bulk"})
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if put(context.Background(), s, "kept", fmt.Sprint(time.Now())) == nil {
			t.Logf("writes are taken again %v after DeleteTable", time.Since(began))
			break
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("the table that is deleted makes no room:\n%s", s.stderr)
		}
	}
	s.kill()

	s = mountVolume(t, "48m").serve("--free-space-floor", "0")
	ended := make(chan error, 1)
	if err := fillVolume(t, s); err == nil {
		t.Fatal("no error")
	}
	go func() { ended <- s.wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("the program ended with %v, want status 1", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the program does not end:\n%s", s.stderr)
	}
	if said := s.stderr.String(); !strings.Contains(said, "no space left on device") {
		t.Errorf("said:\n%s", said)
	}
}

// TestFullVolumeAtStart fills the volume to the last byte while the program does not run, after a
// clean stop and after SIGKILL. It starts by its ballast, serves all that it has acknowledged, and
// ends when it is told to. Without a ballast it ends with status 1 and a line that says why, and
// has lost nothing.
func TestFullVolumeAtStart(t *testing.T) {
	if !*volumes {
		t.Skip("writes some hundred megabytes; asked for with -volumes")
	}
	none := []string{"--ballast", "0", "--free-space-floor", "16MiB"}
	for _, test := range []struct {
		name   string
		flags  []string
		killed bool
	}{
		{"stopped", ballastFlags, false},
		{"killed", ballastFlags, true},
		{"stopped, without a ballast", none, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := mountVolume(t, "400m")
			s := v.serve(test.flags...)
			createBulk(s)
			items, err := putBulk(s, 700)
			if err != nil {
				t.Fatal(err)
			}
			if test.flags[1] != "0" {
				eventually(t, s, "the ballast", v.ballast)
			}
			if test.killed {
				s.kill()
			} else {
				v.end(s)
			}
			v.fill()
			if test.flags[1] == "0" {
				if said := v.refuse(test.flags...); !strings.Contains(said, "no room for what a start writes") {
					t.Errorf("said:\n%s", said)
				}
				v.empty()
			}
			s = v.serve(test.flags...)
			if n := bulk(s); n != items {
				t.Errorf("%d items are there, want %d:\n%s", n, items, s.stderr)
			}
			v.end(s)
		})
	}
}

// TestVolumeFilledByOthers has another process fill the volume under the program: writes are
// refused, reads go on, DeleteTable works, its room comes back, and with it writes and the ballast.
// Then the other one fills it again, and the program is stopped, or killed, and starts.
func TestVolumeFilledByOthers(t *testing.T) {
	if !*volumes {
		t.Skip("writes some hundred megabytes; asked for with -volumes")
	}
	v := mountVolume(t, "400m")
	s := v.serve(ballastFlags...)
	s.create()
	if err := put(context.Background(), s, "kept", "value"); err != nil {
		t.Fatal(err)
	}
	createBulk(s)
	if _, err := putBulk(s, 1000); err != nil {
		t.Fatal(err)
	}
	eventually(t, s, "the ballast", v.ballast)
	v.fill()
	writes := 0
	write := func() bool { // another value each time: one that is there already is no write
		writes++
		return put(context.Background(), s, "written", fmt.Sprint(writes)) == nil
	}
	eventually(t, s, "a write that is refused", func() bool { return !write() })
	if out := s.must("GetItem", object{"TableName": crashTable, "Key": object{"k": str("kept")}}); out["Item"] == nil {
		t.Error("the item cannot be read")
	}
	s.must("DeleteTable", object{"TableName": "bulk"})
	began := time.Now()
	eventually(t, s, "a write", write)
	t.Logf("writes are taken again %v after DeleteTable", time.Since(began))
	v.empty()
	createBulk(s) // without it the store would be too small for a ballast
	items, err := putBulk(s, 700)
	if err != nil {
		t.Fatal(err)
	}
	for _, killed := range []bool{false, true} {
		eventually(t, s, "the ballast", v.ballast)
		v.fill()
		if killed {
			s.kill()
		} else {
			v.end(s)
		}
		s = v.serve(ballastFlags...)
		stored := s.scan("")
		if stored["kept"] != "value" || stored["written"] != fmt.Sprint(writes) {
			t.Errorf("after a restart (killed: %v) there is %v", killed, stored)
		}
		if n := bulk(s); n != items {
			t.Errorf("after a restart (killed: %v) there are %d items, want %d", killed, n, items)
		}
		v.empty()
		eventually(t, s, "a write", write)
	}
	v.end(s)
	if lines := strings.Count(s.stderr.String(), "\n"); lines > 40 {
		t.Errorf("the log has %d lines", lines)
	}
}
