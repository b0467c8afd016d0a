package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// soakRude are clients as nobody wants them: they send nonsense, hang up in the middle of their
// request or of the answer, or come and say nothing. Each comes over a connection of its own.
type soakRude struct {
	*soak
	random *rand.Rand
}

// work sends such clients until the time is over.
func (r *soakRude) work() {
	acts := []func(){r.nonsense, r.nonsense, r.halfRequest, r.halfAnswer, r.silent, r.noHTTP, r.pool}
	for r.pause(50*time.Millisecond) && r.next() {
		acts[r.random.IntN(len(acts))]()
	}
}

// dial connects to the server. A nil connection was a fault.
func (r *soakRude) dial() net.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := dialLocal(ctx, "tcp", strings.TrimPrefix(strings.TrimSuffix(r.s.url, "/"), "http://")) // past the machine's resolver
	if err != nil {
		r.fault("connecting: %v", err)
		return nil
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// request is the text of a request.
func request(operation, body string, length int) string {
	return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810." + operation +
		"\r\nX-Amz-Date: 20261122T120000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=soak/20261122/us-east-1/dynamodb/aws4_request, " +
		"SignedHeaders=host, Signature=0\r\nContent-Length: " + fmt.Sprint(length) + "\r\n\r\n" + body
}

// nonsensical are requests that cannot be answered well.
var nonsensical = [][2]string{
	{"GetItem", ""}, {"GetItem", "{"}, {"GetItem", "null"}, {"GetItem", "[]"}, {"GetItem", `{"TableName":7}`},
	{"NoSuchOperation", "{}"}, {"", "{}"}, {"PutItem", `{"TableName":"soak-items","Item":{"k":{"S":"x"}}}`},
	{"PutItem", `{"TableName":"soak-items","Item":{"k":{"S":"x"},"r":{"N":"1e999"}}}`},
	{"PutItem", `{"TableName":"soak-items","Item":` + strings.Repeat(`{"M":`, 1000) + strings.Repeat("}", 1000) + `}`},
	{"GetItem", `{"TableName":"nowhere","Key":{"k":{"S":"x"}}}`}, {"Query", `{"TableName":"soak-items","KeyConditionExpression":"k = = r"}`},
	{"ExecuteStatement", `{"Statement":"SELECT ' FROM"}`}, {"UpdateItem", "\xff\xfe\x00"}, {"CreateTable", `{"TableName":"x"}`},
	{"PutItem", `{"TableName":"soak-items","Item":{"k":{"S":"x"},"r":{"N":"1"},"pad":{"S":"` + strings.Repeat("x", 500_000) + `"}}}`},
	{"GetRecords", `{"ShardIterator":"x"}`}, {"TransactWriteItems", `{"TransactItems":[]}`},
}

// nonsense sends one of them, and expects to be told so.
func (r *soakRude) nonsense() {
	c := r.dial()
	if c == nil {
		return
	}
	defer c.Close()
	n := nonsensical[r.random.IntN(len(nonsensical))]
	began := time.Now()
	fmt.Fprint(c, request(n[0], n[1], len(n[1])))
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.fault("%s %.50s is not answered: %v", n[0], n[1], err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 4 {
		r.fault("%s %.50s is answered %d %s, %v", n[0], n[1], answer.StatusCode, text, err)
	}
	r.tally.note("nonsense", fmt.Sprint(answer.StatusCode), time.Since(began))
}

// halfRequest hangs up in the middle of a request.
func (r *soakRude) halfRequest() {
	if c := r.dial(); c != nil {
		whole := request("PutItem", `{"TableName":"soak-items","Item":`+strings.Repeat(" ", 5000), 100_000)
		fmt.Fprint(c, whole[:r.random.IntN(len(whole))])
		r.hangUp(c)
	}
}

// halfAnswer asks for a long item and hangs up as soon as the answer comes, or before.
func (r *soakRude) halfAnswer() {
	if c := r.dial(); c != nil {
		body := `{"TableName":"soak-items","Key":{"k":{"S":"client-0"},"r":{"N":"0"}}}`
		fmt.Fprint(c, request("GetItem", body, len(body)))
		io.ReadFull(c, make([]byte, r.random.IntN(5000)))
		r.hangUp(c)
	}
}

// silent connects, says nothing for a moment, and goes.
func (r *soakRude) silent() {
	if c := r.dial(); c != nil {
		r.pause(time.Duration(r.random.IntN(300)) * time.Millisecond)
		r.hangUp(c)
	}
}

// noHTTP speaks something else.
func (r *soakRude) noHTTP() {
	if c := r.dial(); c != nil {
		fmt.Fprint(c, "\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n")
		io.Copy(io.Discard, io.LimitReader(c, 1000))
		r.hangUp(c)
	}
}

// pool is a program that starts with several connections and is gone again.
func (r *soakRude) pool() {
	for range 10 {
		if c := r.dial(); c != nil {
			defer r.hangUp(c)
			body := `{"Limit":1}`
			fmt.Fprint(c, request("ListTables", body, len(body)))
		}
	}
}

// hangUp closes the connection, every other time without a word of TCP's own.
func (r *soakRude) hangUp(c net.Conn) {
	if r.random.IntN(2) == 0 {
		c.(*net.TCPConn).SetLinger(0)
	}
	c.Close()
	r.tally.note("connection", "hung up", 0)
}
