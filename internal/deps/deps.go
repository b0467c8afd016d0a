package deps
import (
 _ "github.com/cockroachdb/pebble/v2"
 _ "github.com/cockroachdb/apd/v3"
 _ "github.com/cespare/xxhash/v2"
 _ "github.com/klauspost/compress/gzip"
 _ "github.com/alecthomas/kong"
 _ "github.com/aws/aws-sdk-go-v2/service/dynamodb"
 _ "github.com/aws/aws-sdk-go-v2/credentials"
 _ "github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
 _ "github.com/cockroachdb/datadriven"
 _ "go.uber.org/goleak"
 _ "golang.org/x/sync/errgroup"
)
