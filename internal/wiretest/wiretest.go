// Package wiretest has what tests of package listen and of package server share: requests as SDKs
// send them, connections to send them on, certificates, and operations that tell what they got.
package wiretest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
)

// Told answers what the handler told it, and does as the operation's name says.
func Told(_ context.Context, r *api.Request, out []byte) (int, []byte) {
	switch api.OperationName(r.Target) {
	case "Panic":
		panic("out of order")
	case "Fail":
		return 400, append(out, `{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}`...)
	case "FailWith":
		return 400, append(out, r.Body...)
	case "Echo":
		return 200, append(out, r.Body...)
	}
	return 200, fmt.Appendf(out, `{"target":%q,"region":%q}`, r.Target, r.Region)
}

// Dial opens a connection that is closed at the end of the test.
func Dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, bufio.NewReader(c)
}

// Signed are the header lines of a signed call of the operation.
func Signed(operation string) string {
	return "Host: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n" +
		"X-Amz-Target: DynamoDB_20120810." + operation + "\r\nX-Amz-Date: 20261122T120000Z\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/dynamodb/aws4_request, " +
		"SignedHeaders=host, Signature=0123\r\n"
}

// Request writes a whole request that calls the operation.
func Request(operation, more, body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s", Signed(operation), more, len(body), body)
}

// AnswerTo reads one answer with its body.
func AnswerTo(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v", err)
	}
	resp.Body.Close()
	return resp, string(body)
}

// Show prints an answer without what differs from run to run.
func Show(resp *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", resp.StatusCode)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(resp.Header[name], " | ")
		switch name {
		case "Date":
			continue
		case "X-Amzn-Requestid":
			if len(value) == 52 && strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" {
				value = "<id>"
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	fmt.Fprintf(&b, "%q\n", body)
	return b.String()
}

// Locked is a writer for several goroutines.
type Locked struct {
	Mu *sync.Mutex
	W  io.Writer
}

// Write implements io.Writer.
func (l *Locked) Write(p []byte) (int, error) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return l.W.Write(p)
}

// Object returns a JSON object of exactly n bytes.
func Object(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }

// Closed tells whether the connection ends, rather than stays open with nothing to read.
func Closed(r io.Reader) bool {
	_, err := r.Read(make([]byte, 1))
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

// Whoami answers who the handler says it is, and what it was sent.
func Whoami(_ context.Context, r *api.Request, out []byte) (int, []byte) {
	p := r.Principal
	return 200, fmt.Appendf(out, "%s is %s in %s: %.40s", p.AccessKeyID, p.User, r.Region, r.Body)
}

// Everybody are the credentials of these tests.
const Everybody = `{"credentials": [
	{"accessKeyId": "AKIDALICE", "secretAccessKey": "alices", "user": "alice", "policy": ` + everything + `},
	{"accessKeyId": "AKIDBOB", "secretAccessKey": "bobs", "expires": "2026-11-22T12:00:01Z",
		"policy": ` + everything + `},
	{"accessKeyId": "ASIAALICE", "secretAccessKey": "alices", "sessionToken": "to+ken/=", "user": "alice",
		"policy": ` + everything + `},
	{"accessKeyId": "ASIAENDED", "secretAccessKey": "ended", "sessionToken": "token", "expires": "2026-11-22T12:00:00Z",
		"policy": ` + everything + `}
]}`

const everything = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`

// Noon is the time in these tests.
var Noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Who may sign, and who may not.
var (
	Alice  = &sigv4test.Signing{Key: "AKIDALICE", Secret: "alices"}
	Liar   = &sigv4test.Signing{Key: "AKIDALICE", Secret: "bobs"}
	Nobody = &sigv4test.Signing{Key: "AKIDNOBODY", Secret: "x"}
)

// CallBy returns a request with a body, signed by s or, if that is nil, by nobody.
func CallBy(s *sigv4test.Signing, addr, path, body string) *http.Request {
	r := httptest.NewRequest("POST", "https://"+addr+path, nil)
	r.RequestURI = "" // of a client's
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
	if s != nil {
		s.Sign(r, []byte(body))
	}
	sigv4test.SetBody(r, body)
	return r
}

// Wire is callBy's request as it is sent.
func Wire(s *sigv4test.Signing, addr, path, body string) string {
	r := CallBy(s, addr, path, body)
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, r.Host, len(body))
	if err := r.Header.Write(&b); err != nil {
		panic(err)
	}
	return b.String() + "\r\n" + body
}

// LogTo returns a logger, and what it has logged.
func LogTo() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var log bytes.Buffer
	read := func() string {
		mu.Lock()
		defer mu.Unlock()
		return log.String()
	}
	return slog.New(slog.NewTextHandler(&Locked{&mu, &log}, nil)), read
}
