package blackbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// TestClientOptions writes and reads an item with the SDK's settings that change what goes over the
// wire. The checksum of answers is looked at by the SDK, before it decompresses them.
func TestClientOptions(t *testing.T) {
	t.Parallel()
	table := simple(t)
	long := strings.Repeat("An answer of this length is worth compressing. ", 1000)
	for name, option := range map[string]func(*dynamodb.Options){
		"compressed answers":   func(o *dynamodb.Options) { o.EnableAcceptEncodingGzip = true },
		"no checksums":         func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true },
		"nobody's credentials": func(o *dynamodb.Options) { o.Credentials = aws.AnonymousCredentials{} },
		"a session token": func(o *dynamodb.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("ASIA", "secret", "token")
		},
		"endpoint discovery": func(o *dynamodb.Options) {
			o.EndpointDiscovery.EnableEndpointDiscovery = aws.EndpointDiscoveryEnabled
		},
		"an account's endpoint": func(o *dynamodb.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModePreferred },
		"a region of our own":   func(o *dynamodb.Options) { o.Region = "local" },
		"several tries":         func(o *dynamodb.Options) { o.RetryMaxAttempts, o.RetryMode = 5, aws.RetryModeAdaptive },
	} {
		t.Run(name, func(t *testing.T) {
			client := dynamodb.New(client.Options(), option)
			item := attrs{"a": s(name), "long": s(long)}
			must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: item}))(t)
			got := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"a": s(name)}}))(t)
			same(t, "the item", show(got.Item), show(item))
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: attrs{"z": s(name)}})
			invalid(t, err, "The provided key element does not match the schema")
		})
	}
}

// TestDescribeEndpoints: clients that follow the answer must come back to us, not go to AWS.
func TestDescribeEndpoints(t *testing.T) {
	t.Parallel()
	out := must(client.DescribeEndpoints(ctx, &dynamodb.DescribeEndpointsInput{}))(t)
	same(t, "endpoints", len(out.Endpoints), 1)
	same(t, "address", "http://"+*out.Endpoints[0].Address+"/", url)
	same(t, "minutes", out.Endpoints[0].CachePeriodInMinutes, 1440)
}
