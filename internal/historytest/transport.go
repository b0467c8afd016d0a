package historytest

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// NewClient returns an SDK's client for the server at the address. It sends each request once.
func NewClient(url string, transport http.RoundTripper) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &url, Region: "us-east-1",
		Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("history", "secret", ""),
	})
}

// Transport sends the requests of an SDK whole.
//
// The SDK closes a request's body as soon as the answer begins. net/http, which sends a body of a
// type that it does not know on its own, may by then not have looked for its end: it takes the
// body's error for its own, and closes the connection under the answer. A body in memory is sent
// together with its header.
type Transport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return t.Transport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	whole := *r
	whole.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	whole.Body, _ = whole.GetBody()
	return t.Transport.RoundTrip(&whole)
}
