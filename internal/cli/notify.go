package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// How a start extends systemd's timeout: each extendEvery by extendBy, as long as it goes on.
// Without that a start that replays logs for longer than TimeoutStartSec would be killed, and the
// next one would begin again.
const (
	extendEvery = 10 * time.Second
	extendBy    = time.Minute
	// notifyTime is how long sending one message may take: a socket that is not read is full after
	// a few, and must keep the server neither from serving nor from ending.
	notifyTime = time.Second
)

// notifier reports the state of the server to systemd through the socket of NOTIFY_SOCKET
// (sd_notify(3)), for a unit with Type=notify. Without such a socket it does nothing.
type notifier struct {
	log     *slog.Logger
	began   time.Time
	started chan struct{} // closed when the start is over
	done    sync.WaitGroup
	over    func() // closes started
}

// notifyStart reports, each time every has passed, that the server is starting, until it is ready
// or ctx ends.
func notifyStart(ctx context.Context, log *slog.Logger, every time.Duration) *notifier {
	n := &notifier{log: log, began: time.Now(), started: make(chan struct{})}
	n.over = sync.OnceFunc(func() { close(n.started) })
	if !n.starting() {
		return n
	}
	n.done.Go(func() { n.follow(ctx, every) })
	return n
}

// notify is notifyStart for the environment of the command.
func (c *serve) notify(ctx context.Context, log *slog.Logger) *notifier {
	c.systemd = notifyStart(ctx, log, extendEvery)
	return c.systemd
}

// drain reports to systemd and on the admin address that the server is being stopped.
func (c *serve) drain() {
	c.systemd.stopping()
	c.Admin.drain()
}

// follow is the notifier's goroutine: until the start is over it asks for more time.
func (n *notifier) follow(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.started:
			return
		case <-tick.C:
			n.starting()
		}
	}
}

// starting reports for how long the database has been being opened, and asks for more time.
func (n *notifier) starting() (heard bool) {
	took := time.Since(n.began).Round(time.Second)
	return n.say(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extendBy.Microseconds()),
		fmt.Sprintf("STATUS=starting: the database is being opened, for %v now", took))
}

// ready says that the server serves.
func (n *notifier) ready(url, where string) {
	n.close()
	n.say("READY=1", "STATUS=serving at "+url+", data: "+where)
}

// stopping says that the server has been told to end and does.
func (n *notifier) stopping() {
	n.close()
	n.say("STOPPING=1", "STATUS=stopping: the requests in flight are being answered")
}

// failed says why the server has not started, or has ended by itself.
func (n *notifier) failed(cause error) {
	n.close()
	n.say("STATUS=" + oneLine(cause))
}

// close ends what notifyStart has begun.
func (n *notifier) close() {
	n.over()
	n.done.Wait()
}

// say sends assignments, a line each, and tells whether there is a socket that took them.
func (n *notifier) say(assignments ...string) bool {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return false
	}
	for i, text := range assignments {
		assignments[i] = strings.ReplaceAll(text, "\n", " ") // a path can have line breaks
	}
	if err := notify(socket, strings.Join(assignments, "\n")); err != nil {
		n.log.Warn("the state of the server cannot be sent to systemd", "error", err)
		return false
	}
	return true
}

// notify sends a message to a socket, or fails after notifyTime. A name that begins with @ is that
// of an abstract socket, for package net as for systemd.
func notify(socket, message string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTime)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(message))
	return err
}
