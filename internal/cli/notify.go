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

// How a start asks systemd for patience: each extendEvery it is given extendBy, for as long as the
// start goes on. Without that a store that replays its logs for longer than TimeoutStartSec would
// be killed, and begin anew.
const (
	extendEvery = 10 * time.Second
	extendBy    = time.Minute
	// notifyTime is for a message to be taken: a socket that nobody reads is full after a few, and
	// must neither keep the server from serving nor from ending.
	notifyTime = time.Second
)

// notifier tells systemd how the server is, by the socket of NOTIFY_SOCKET (sd_notify(3)); the unit
// has Type=notify for it. Where there is no such socket, nothing happens.
type notifier struct {
	log     *slog.Logger
	began   time.Time
	started chan struct{} // closed when the start is over
	done    sync.WaitGroup
	over    func() // closes started
}

// notifyStart says that the server is starting, again and again until it is ready, or ctx ends.
func notifyStart(ctx context.Context, log *slog.Logger, every time.Duration) *notifier {
	n := &notifier{log: log, began: time.Now(), started: make(chan struct{})}
	n.over = sync.OnceFunc(func() { close(n.started) })
	if !n.starting() {
		return n
	}
	n.done.Go(func() { n.follow(ctx, every) })
	return n
}

// notify begins to tell systemd how the server is.
func (c *serve) notify(ctx context.Context, log *slog.Logger) *notifier {
	c.systemd = notifyStart(ctx, log, extendEvery)
	return c.systemd
}

// drain tells whoever watches the server that it is being stopped.
func (c *serve) drain() {
	c.systemd.stopping()
	c.Admin.drain()
}

// follow is what a notifier does beside the server: until the start is over it asks for time.
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

// starting says that the database is being opened, for how long by now, and asks for more time.
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

// say sends assignments, a line each, and tells whether there was anybody to send them to.
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
